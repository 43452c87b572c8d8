"""A process that takes training steps with others: `python process_worker.py MAP PORT COUNT INDEX OUTPUT.npz`."""

import functools
import sys

import jax
import numpy as np

from tests.helpers import small_runs, synthetic_model
from twodasl_jax.data.face_crops import whitening_of
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.networks import BatchGroups
from twodasl_jax.training import processes
from twodasl_jax.training.devices import AXIS, MAPS, local_copy
from twodasl_jax.training.face_space import build_space
from twodasl_jax.training.recipe import create_state
from twodasl_jax.training.step import train_step

# The number of devices of all processes together.
DEVICES = 4


def two_steps(kind, index, count):
    """Takes two steps on the share of a process of a batch, and returns the resulting arrays by name."""
    model = MorphableModel(**synthetic_model.arrays())
    batch = small_runs.batch(model, 8, 8)
    space = build_space(model, whitening_of(batch.annotated.vector), 20)
    share = jax.tree.map(lambda leaf: np.split(leaf, count)[index], batch)
    recipe = small_runs.recipe(
        BatchGroups(1, AXIS),
        AXIS,
        critic=small_runs.critic_recipe(mismatched=True, updates=2),
    )
    devices = MAPS[kind](functools.partial(train_step, recipe, space), jax.devices())
    state = devices.replicate(create_state(recipe, jax.random.key(0)))
    for _ in range(2):
        state, metrics = devices.step(state, devices.split(share), jax.random.key(3))
    leaves = jax.tree_util.tree_leaves_with_path(local_copy((state, metrics)))
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


if __name__ == "__main__":
    kind, port, count, index, output = sys.argv[1:]
    jax.config.update("jax_num_cpu_devices", DEVICES // int(count))
    jax.config.update("jax_disable_most_optimizations", True)
    processes.join(f"127.0.0.1:{port}", int(count), int(index))
    np.savez(output, **two_steps(kind, int(index), int(count)))
