"""Measures what a run costs beside its steps: feeding them, the loop around them, and the time until the first.

  python experiments/benchmarks/training_run.py --data_dir=data/quickstart [--config=configs/compact.py]

Feeding: images that the pipeline brings a second, against those that the step takes, in turns, each alone. Loop:
seconds a step of a run, from one line of its log to the next, against the step alone on one batch, in turns.
Start: seconds from the command to its first step, with compiled programs in the cache. Medians and ranges.
"""

import concurrent.futures
import itertools
import json
import os
import pathlib
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable

import jax
from absl import flags
from ml_collections import config_flags

from twodasl_jax.commands import entry_points
from twodasl_jax.models.face_model import embedded_face_model
from twodasl_jax.training.compiled import keep_compiled_programs
from twodasl_jax.training.loop import train
from twodasl_jax.training.run import Run, build_run

_PROGRAM = pathlib.Path(__file__).parents[1] / "train.py"
_COMPACT = _PROGRAM.parents[1] / "configs" / "compact.py"

_CONFIG = config_flags.DEFINE_config_file("config", str(_COMPACT), "Of the run that is measured.")
_DATA = flags.DEFINE_string("data_dir", None, "Prepared data, for all faces.", required=True)
_ROUNDS = flags.DEFINE_integer("rounds", 5, "Of each measurement.", lower_bound=1)
_STEPS = flags.DEFINE_integer("steps", 50, "Of each round.", lower_bound=10)

_WARM_UP = 5


def main() -> None:
    keep_compiled_programs()
    config = _CONFIG.value
    config.update(
        {"data_dir": _DATA.value, "wild_dir": _DATA.value if config.wild_batch_size else ""}
    )
    config.update({"evaluate_every": 10**9, "checkpoint_every": 10**9})
    run = build_run(config, embedded_face_model())
    images = config.batch_size + config.wild_batch_size
    bare, fed = bare_steps(run), fed_batches(run)
    looped = looped_steps(run)
    rounds = [(fed(), bare(), looped()) for _ in range(_ROUNDS.value)]
    feeding, stepping, looping = zip(*rounds, strict=True)
    print(
        f"{config.architecture}, {images} images a step; {platform.machine()}, {os.cpu_count()} cores"
    )
    print(f"pipeline      {rates(feeding, images)} images/s")
    print(f"step          {rates(stepping, images)} images/s")
    print(f"pipeline over step {statistics.median(stepping) / statistics.median(feeding):.1f}")
    overhead = [loop / step - 1 for step, loop in zip(stepping, looping, strict=True)]
    print(
        f"loop over step {100 * statistics.median(overhead):+.1f} % ({spread([100 * each for each in overhead])})"
    )
    starts = [seconds_to_first_step() for _ in range(_ROUNDS.value)]
    print(f"start to first step {statistics.median(starts):.1f} s ({spread(starts)})")


def bare_steps(run: Run) -> Callable[[], float]:
    """Returns a function that takes steps on one batch and returns the seconds of one."""
    state, batch = run.first_state(), run.devices.split(next(run.batches()))

    def measure() -> float:
        nonlocal state
        for taken in range(_WARM_UP + _STEPS.value):
            if taken == _WARM_UP:
                jax.block_until_ready(state)
                started = time.perf_counter()
            state, _ = run.devices.step(state, batch, run.key)
        jax.block_until_ready(state)
        return (time.perf_counter() - started) / _STEPS.value

    return measure


def fed_batches(run: Run) -> Callable[[], float]:
    """Returns a function that takes batches and returns the seconds of one."""
    batches = run.batches()

    def measure() -> float:
        # What was read ahead does not count.
        for _ in itertools.islice(batches, 2 * _WARM_UP):
            pass
        started = time.perf_counter()
        for _ in itertools.islice(batches, _STEPS.value):
            pass
        return (time.perf_counter() - started) / _STEPS.value

    return measure


def looped_steps(run: Run) -> Callable[[], float]:
    """Returns a function that trains and returns the seconds of a step, from one line of its log to a later one."""
    model = embedded_face_model()
    config = run.config.copy_and_resolve_references()
    config.steps, config.log_every = 2 * _STEPS.value, _STEPS.value

    def measure() -> float:
        with (
            tempfile.TemporaryDirectory() as folder,
            concurrent.futures.ThreadPoolExecutor() as pool,
        ):
            lines = pool.submit(
                times_of_lines, pathlib.Path(folder) / "metrics.jsonl", config.steps
            )
            train(config, pathlib.Path(folder), model)
            times = lines.result()
        return (times[config.steps] - times[config.log_every]) / _STEPS.value

    return measure


def times_of_lines(log: pathlib.Path, last_step: int) -> dict[int, float]:
    """Watches a log until its last step and returns when each of its steps appeared in it."""
    times: dict[int, float] = {}
    while last_step not in times:
        time.sleep(0.005)
        for line in log.read_text().splitlines() if log.exists() else ():
            times.setdefault(json.loads(line)["step"], time.perf_counter())
    return times


def seconds_to_first_step() -> float:
    """Starts a run as a user does, and returns how long it takes to log its first step."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"data_dir": _DATA.value, "steps": 1000, "log_every": 1}
        changed = [f"--config.{name}={value}" for name, value in settings.items()]
        command = [
            sys.executable,
            str(_PROGRAM),
            f"--config={_COMPACT}",
            f"--workdir={folder}",
            *changed,
        ]
        log = pathlib.Path(folder) / "metrics.jsonl"
        started = time.perf_counter()
        with subprocess.Popen(
            command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as process:
            while process.poll() is None and not (log.exists() and log.read_text()):
                time.sleep(0.01)
            seconds = time.perf_counter() - started
            process.kill()
        return seconds


def rates(seconds: tuple[float, ...], images: int) -> str:
    """Returns images a second, median and range, as text."""
    values = [images / each for each in seconds]
    return f"{statistics.median(values):.0f} ({spread(values)})"


def spread(values: list[float]) -> str:
    """Returns the range of some values as text."""
    return f"{min(values):.1f} .. {max(values):.1f}"


if __name__ == "__main__":
    entry_points.run(main)
