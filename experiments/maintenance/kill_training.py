"""Checks that a run resumes exactly after SIGKILL: after many kills, its result equals that of an uninterrupted run.

  python experiments/maintenance/kill_training.py --data_dir=data/quickstart --workdir=runs/killed --kills=100

Two runs train the small network of the ablation with all losses for STEPS steps of eight images. They save a checkpoint
every seven steps and validate every fifty steps. One of them is killed at random steps, after a random delay that may
fall into a save, and then restarted with the same command. In the end, all arrays of the last checkpoint (weights,
averages, Adam's moments, critic, position in the data) and all lines of metrics.jsonl must be equal bit for bit.
"""

import pathlib
import random
import shutil
import subprocess
import sys
import time

import jax
import numpy as np
import orbax.checkpoint as ocp
import tqdm
from absl import flags

from twodasl_jax.commands import entry_points
from twodasl_jax.errors import RunError

_DATA = flags.DEFINE_string("data_dir", None, "Prepared data.", required=True)
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of both runs; replaced if it exists.", required=True
)
_STEPS = flags.DEFINE_integer("steps", 1000, "Number of steps of each run.", lower_bound=10)
_KILLS = flags.DEFINE_integer("kills", 100, "Number of kills.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Seed of the random steps and delays.")

_PROGRAM = pathlib.Path(__file__).parents[1] / "train.py"
_CONFIG = _PROGRAM.parents[1] / "configs" / "ablation" / "all.py"
# The largest delay of a kill in seconds, about the duration of a save.
_LARGEST_DELAY = 0.5


def main() -> int:
    workdir = pathlib.Path(_WORKDIR.value)
    uninterrupted, killed = workdir / "alone", workdir / "killed"
    for folder in (uninterrupted, killed):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    subprocess.run(command(uninterrupted), check=True, capture_output=True)
    started = time.monotonic()
    kill_repeatedly(killed, random.Random(_SEED.value))
    different = differences(uninterrupted, killed)
    minutes = (time.monotonic() - started) / 60
    print(f"{_STEPS.value} steps, killed {_KILLS.value} times, in {minutes:.0f} minutes")
    print("Different: " + ", ".join(different) if different else "Bit for bit equal.")
    return 1 if different else 0


def command(folder: pathlib.Path) -> list[str]:
    """Returns the command that starts or resumes a run."""
    settings = {
        "data_dir": _DATA.value,
        "steps": _STEPS.value,
        "annotated_share": 0.5,
        "batch_size": 4,
        "wild_batch_size": 4,
        "log_every": 1,
        "checkpoint_every": 7,
        "evaluate_every": 50,
    }
    changes = [f"--config.{name}={value}" for name, value in settings.items()]
    return [sys.executable, str(_PROGRAM), f"--config={_CONFIG}", f"--workdir={folder}", *changes]


def kill_repeatedly(folder: pathlib.Path, rng: random.Random) -> None:
    """Kills a run at random steps, and finally lets it finish.

    Raises:
      RunError: the run ended before it was killed.
    """
    kill_steps = sorted(rng.sample(range(1, _STEPS.value), _KILLS.value))
    for kill_step in tqdm.tqdm(kill_steps, unit="kill", disable=None):
        with subprocess.Popen(
            command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as run:
            while run.poll() is None and logged_steps(folder) < kill_step:
                time.sleep(0.005)
            if run.poll() is not None:
                raise RunError(
                    f"{folder}: the run ended with status {run.returncode} before it was killed; run "
                    f"`{' '.join(command(folder))}` for its error."
                )
            time.sleep(_LARGEST_DELAY * rng.random())
            run.kill()
    subprocess.run(command(folder), check=True, capture_output=True)


def logged_steps(folder: pathlib.Path) -> int:
    """Returns the number of steps in the log of a run."""
    log = folder / "metrics.jsonl"
    return sum('"loss"' in line for line in log.open()) if log.exists() else 0


def differences(one: pathlib.Path, other: pathlib.Path) -> list[str]:
    """Returns the names of the arrays of the last checkpoints that differ, and of the log if it differs."""
    checkpoints = [last_checkpoint(folder) for folder in (one, other)]
    names = [
        jax.tree_util.keystr(path)
        for (path, first), second in zip(
            jax.tree_util.tree_leaves_with_path(checkpoints[0]),
            jax.tree.leaves(checkpoints[1]),
            strict=True,
        )
        if not np.array_equal(np.asarray(first), np.asarray(second))
    ]
    logs = [(folder / "metrics.jsonl").read_bytes() for folder in (one, other)]
    return names + (["metrics.jsonl"] if logs[0] != logs[1] else [])


def last_checkpoint(folder: pathlib.Path) -> dict:
    """Returns the contents of the last checkpoint of a run, and its step."""
    with ocp.CheckpointManager((folder / "checkpoints").absolute()) as manager:
        items = ocp.args.Composite(
            state=ocp.args.StandardRestore(),
            whitening=ocp.args.StandardRestore(),
            run=ocp.args.JsonRestore(),
        )
        restored = manager.restore(manager.latest_step(), args=items)
    return {"step": manager.latest_step(), **{name: restored[name] for name in restored}}


if __name__ == "__main__":
    entry_points.run(main)
