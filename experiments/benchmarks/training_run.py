"""Overhead of a training run: the input pipeline, the training loop and the start.

Each measurement alternates with measurements of the bare training step on one batch.
"""

import concurrent.futures
import itertools
import json
import pathlib
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence

import jax
import ml_collections

from experiments.benchmarks.timing import machine, value_range
from twodasl_jax.errors import InputError
from twodasl_jax.models.face_model import embedded_face_model
from twodasl_jax.training.compiled import keep_compiled_programs
from twodasl_jax.training.loop import train
from twodasl_jax.training.run import Run, build_run

_ROOT = pathlib.Path(__file__).parents[2]
_PROGRAM = _ROOT / "experiments" / "train.py"
_START_CONFIG = _ROOT / "configs" / "compact.py"
_WARM_UP = 5

# Returns the seconds of one step.
Measurement = Callable[[], float]


def report_feed(config: ml_collections.ConfigDict, data_dir: str, rounds: int, steps: int) -> None:
    """Prints the images/s of the input pipeline and of the training step.

    Args:
      config: the settings of the run.
      data_dir: the prepared data set for all images.
      rounds: the number of measurements.
      steps: the number of steps of each measurement.
    """
    run = _open_run(config, data_dir)
    feed, step = _alternate(feed_measurement(run, steps), step_measurement(run, steps), rounds)
    images = config.batch_size + config.wild_batch_size
    print(_headline(config))
    print(f"pipeline      {_rates(feed, images)} images/s")
    print(f"step          {_rates(step, images)} images/s")
    print(f"pipeline over step {statistics.median(step) / statistics.median(feed):.1f}")


def report_loop(config: ml_collections.ConfigDict, data_dir: str, rounds: int, steps: int) -> None:
    """Prints the overhead of the training loop over its steps; the arguments are those of `report_feed`."""
    run = _open_run(config, data_dir)
    loop, step = _alternate(loop_measurement(run, steps), step_measurement(run, steps), rounds)
    percent = [100 * (a / b - 1) for a, b in zip(loop, step, strict=True)]
    print(_headline(config))
    print(f"loop over step {statistics.median(percent):+.1f} % ({value_range(percent)})")


def report_start(data_dir: str, rounds: int) -> None:
    """Prints the time from the start of a run of configs/compact.py to its first step.

    The first run, which may compile, is not measured.

    Args:
      data_dir: the prepared data set.
      rounds: the number of measurements.
    """
    _, *times = (seconds_to_first_step(data_dir) for _ in range(1 + rounds))
    print(machine())
    print(f"start to first step {statistics.median(times):.1f} s ({value_range(times)})")


def _open_run(config: ml_collections.ConfigDict, data_dir: str) -> Run:
    keep_compiled_programs()
    config.update({"data_dir": data_dir, "wild_dir": data_dir if config.wild_batch_size else ""})
    config.update({"evaluate_every": 10**9, "checkpoint_every": 10**9})
    return build_run(config, embedded_face_model())


def _alternate(
    first: Measurement, second: Measurement, rounds: int
) -> tuple[Sequence[float], Sequence[float]]:
    pairs = [(first(), second()) for _ in range(rounds)]
    first_times, second_times = zip(*pairs, strict=True)
    return first_times, second_times


def step_measurement(run: Run, steps: int) -> Measurement:
    """Returns a function that measures training steps on one batch."""
    state, batch = run.first_state(), run.devices.split(next(run.batches()))

    def take(count: int) -> None:
        nonlocal state
        for _ in range(count):
            state, _ = run.devices.step(state, batch, run.key)
        jax.block_until_ready(state)

    def measure() -> float:
        take(_WARM_UP)
        started = time.perf_counter()
        take(steps)
        return (time.perf_counter() - started) / steps

    return measure


def feed_measurement(run: Run, steps: int) -> Measurement:
    """Returns a function that measures the input pipeline alone."""
    batches = run.batches()

    def take(count: int) -> None:
        for _ in itertools.islice(batches, count):
            pass

    def measure() -> float:
        # Skips the batches that were prefetched while other measurements ran.
        take(2 * _WARM_UP)
        started = time.perf_counter()
        take(steps)
        return (time.perf_counter() - started) / steps

    return measure


def loop_measurement(run: Run, steps: int) -> Measurement:
    """Returns a function that measures the training loop between two lines of its log."""
    model = embedded_face_model()
    config = run.config.copy_and_resolve_references()
    config.steps, config.log_every = 2 * steps, steps

    def measure() -> float:
        with (
            tempfile.TemporaryDirectory() as folder,
            concurrent.futures.ThreadPoolExecutor() as pool,
        ):
            log = pathlib.Path(folder) / "metrics.jsonl"
            lines = pool.submit(line_times, log, config.steps)
            train(config, pathlib.Path(folder), model)
            times = lines.result()
        return (times[config.steps] - times[config.log_every]) / steps

    return measure


def line_times(log: pathlib.Path, last_step: int) -> dict[int, float]:
    """Watches a log until its last step, and returns the time at which each logged step appeared."""
    times: dict[int, float] = {}
    while last_step not in times:
        time.sleep(0.005)
        for line in log.read_text().splitlines() if log.exists() else ():
            times.setdefault(json.loads(line)["step"], time.perf_counter())
    return times


def seconds_to_first_step(data_dir: str) -> float:
    """Starts experiments/train.py and returns the time until it has logged its first step."""
    with tempfile.TemporaryDirectory() as folder:
        settings = {"data_dir": data_dir, "steps": 1000, "log_every": 1}
        command = [
            *(sys.executable, str(_PROGRAM), f"--config={_START_CONFIG}", f"--workdir={folder}"),
            *(f"--config.{name}={value}" for name, value in settings.items()),
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
        if not log.exists():
            raise InputError(f"The run ended before its first step: {' '.join(command)}")
        return seconds


def _headline(config: ml_collections.ConfigDict) -> str:
    images = config.batch_size + config.wild_batch_size
    return f"{config.architecture}, {images} images per step; {machine()}"


def _rates(times: Sequence[float], images: int) -> str:
    values = [images / each for each in times]
    return f"{statistics.median(values):.0f} ({value_range(values)})"
