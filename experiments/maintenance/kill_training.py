"""Proves that nothing is lost: a run that is killed again and again ends bit for bit like one that was left alone.

  python experiments/maintenance/kill_training.py --data_dir=data/quickstart --workdir=runs/killed --kills=100

Both runs train the small network of the ablation with all losses for STEPS steps of eight faces, save every seventh
step and look at held-out faces every fiftieth. One is killed (SIGKILL) at random steps, whatever it is at a moment
later, also while it saves, and started again by the same command. In the end every array of the last checkpoint
(weights, averages, Adam's moments, critic, place in the data) and every line of metrics.jsonl must be equal.
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
from twodasl_jax.errors import OutputError

_DATA = flags.DEFINE_string("data_dir", None, "Prepared data.", required=True)
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder for both runs; made anew.", required=True)
_STEPS = flags.DEFINE_integer("steps", 1000, "Length of the runs.", lower_bound=10)
_KILLS = flags.DEFINE_integer("kills", 100, "How often one is killed.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 0, "Of the moments.")

_PROGRAM = pathlib.Path(__file__).parents[1] / "train.py"
_CONFIG = _PROGRAM.parents[1] / "configs" / "ablation" / "all.py"
# Beyond the step that was asked for, seconds: a save takes about as long.
_LARGEST_DELAY = 0.5


def main() -> int:
    workdir = pathlib.Path(_WORKDIR.value)
    alone, killed = workdir / "alone", workdir / "killed"
    for folder in (alone, killed):
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
    subprocess.run(command(alone), check=True, capture_output=True)
    started = time.monotonic()
    kill_again_and_again(killed, random.Random(_SEED.value))
    different = differences(alone, killed)
    minutes = (time.monotonic() - started) / 60
    print(f"{_STEPS.value} steps, killed {_KILLS.value} times, in {minutes:.0f} minutes")
    print("Different: " + ", ".join(different) if different else "Bit for bit equal.")
    return 1 if different else 0


def command(folder: pathlib.Path) -> list[str]:
    """Returns the command that starts a run, or goes on with it."""
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
    changed = [f"--config.{name}={value}" for name, value in settings.items()]
    return [sys.executable, str(_PROGRAM), f"--config={_CONFIG}", f"--workdir={folder}", *changed]


def kill_again_and_again(folder: pathlib.Path, chance: random.Random) -> None:
    """Kills a run at random steps, and lets it end at last."""
    moments = sorted(chance.sample(range(1, _STEPS.value), _KILLS.value))
    for moment in tqdm.tqdm(moments, unit="kill", disable=None):
        with subprocess.Popen(
            command(folder), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
        ) as run:
            while run.poll() is None and steps_taken(folder) < moment:
                time.sleep(0.005)
            if run.poll() is not None:
                raise OutputError(
                    f"{folder}: the run ended by itself, with status {run.returncode}."
                )
            time.sleep(_LARGEST_DELAY * chance.random())
            run.kill()
    subprocess.run(command(folder), check=True, capture_output=True)


def steps_taken(folder: pathlib.Path) -> int:
    """Returns how many steps a run has logged."""
    log = folder / "metrics.jsonl"
    return sum('"loss"' in line for line in log.open()) if log.exists() else 0


def differences(alone: pathlib.Path, killed: pathlib.Path) -> list[str]:
    """Returns what is not equal: names of arrays of the last checkpoints, or the log."""
    one, other = (last_checkpoint(folder) for folder in (alone, killed))
    names = [
        jax.tree_util.keystr(path)
        for (path, ours), theirs in zip(
            jax.tree_util.tree_leaves_with_path(one), jax.tree.leaves(other), strict=True
        )
        if not np.array_equal(np.asarray(ours), np.asarray(theirs))
    ]
    logs = [(folder / "metrics.jsonl").read_bytes() for folder in (alone, killed)]
    return names + (["metrics.jsonl"] if logs[0] != logs[1] else [])


def last_checkpoint(folder: pathlib.Path) -> dict:
    """Returns all that is in the last checkpoint of a run."""
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
