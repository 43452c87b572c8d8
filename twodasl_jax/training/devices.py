"""Data parallelism: the training step on several devices.

A step is a function of the share of one device, with the name of the device axis. `pmap` or `shard_map` maps it over
the devices, and the collectives below connect them. Device d of n has the d-th of n parts of the annotated images and
of the in-the-wild images.
"""

import dataclasses
import itertools
from collections.abc import Callable, Sequence
from typing import TypeVar

import jax
import jax.flatten_util
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Float, Key, PyTree

from twodasl_jax.array_types import Array
from twodasl_jax.training.state import TrainBatch, TrainState

AXIS = "data"
_REPLICATED, _SPLIT = PartitionSpec(), PartitionSpec(AXIS)
# The smallest number of entries of an array that is reduced in a message of its own.
_LARGE = 2**16
Step = Callable[[TrainState, TrainBatch, Key[Array, ""]], tuple[TrainState, PyTree]]
_Tree = TypeVar("_Tree")


@dataclasses.dataclass(frozen=True)
class DataParallel:
    """A step on several devices: the state is replicated, batches are split.

    Attributes:
      step: the mapped step, (state, batch, key) -> (state, metrics), on a state of `replicate` and a batch of `split`.
        It may donate the buffers of the state.
      replicate: copies a state to every device.
      split: distributes this process's share of a batch over its devices.
    """

    step: jax.stages.Wrapped
    replicate: Callable[[_Tree], _Tree]
    split: Callable[[_Tree], _Tree]


def by_shard_map(step: Step, devices: Sequence[jax.Device]) -> DataParallel:
    """Maps a step with `jax.shard_map` inside `jax.jit`."""
    mesh = Mesh(np.array(devices), (AXIS,))
    replicated, split = NamedSharding(mesh, _REPLICATED), NamedSharding(mesh, _SPLIT)
    return DataParallel(
        step=jax.jit(sharded(step, mesh), donate_argnums=0),
        replicate=lambda tree: jax.device_put(tree, replicated),
        split=lambda tree: jax.tree.map(
            lambda leaf: jax.make_array_from_process_local_data(split, np.asarray(leaf)), tree
        ),
    )


def sharded(step: Step, mesh: Mesh) -> Step:
    """Returns the step as a function of whole batches, mapped over a mesh."""
    # With `check_vma`, shard_map would itself sum the gradients of replicated parameters over devices.
    return jax.shard_map(
        step,
        mesh=mesh,
        in_specs=(_REPLICATED, _SPLIT, _REPLICATED),
        out_specs=(_REPLICATED, _REPLICATED),
        check_vma=False,
    )


def by_pmap(step: Step, devices: Sequence[jax.Device]) -> DataParallel:
    """Maps a step with `jax.pmap`."""
    local = [device for device in devices if device.process_index == jax.process_index()]
    mapped = jax.pmap(
        step,
        axis_name=AXIS,
        in_axes=(None, 0, None),
        out_axes=(None, None),
        devices=devices,
        # With several processes, pmap returns arrays that share memory with its arguments.
        donate_argnums=0 if len(local) == len(devices) else (),
    )
    return DataParallel(
        step=mapped,
        replicate=lambda tree: jax.tree.map(jnp.copy, tree),
        split=lambda tree: jax.tree.map(
            lambda leaf: np.reshape(leaf, (len(local), -1, *np.shape(leaf)[1:])), tree
        ),
    )


MAPS: dict[str, Callable[[Step, Sequence[jax.Device]], DataParallel]] = {
    "shard_map": by_shard_map,
    "pmap": by_pmap,
}


def local_copy(tree: _Tree) -> _Tree:
    """Returns replicated arrays as arrays on the first device of this process."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)


def mean_over_devices(tree: _Tree, axis_name: str | None) -> _Tree:
    """Returns the mean of each array over the devices, replicated; without an axis, the arrays themselves.

    Small arrays are reduced in one message, because the latency of a hundred messages exceeds their transfer time.
    Large arrays are reduced separately, which avoids a copy.
    """
    if axis_name is None:
        return tree
    leaves, structure = jax.tree.flatten(tree)
    is_small = [jnp.size(leaf) < _LARGE for leaf in leaves]
    joined, restore = jax.flatten_util.ravel_pytree(list(itertools.compress(leaves, is_small)))
    large = [leaf for leaf, small in zip(leaves, is_small, strict=True) if not small]
    joined, large = jax.lax.pmean((joined, large), axis_name)
    means = {True: iter(restore(joined)), False: iter(large)}
    return jax.tree.unflatten(structure, [next(means[small]) for small in is_small])


def example_keys(key: Key[Array, ""], count: int, axis_name: str | None) -> Key[Array, " {count}"]:
    """Returns a random key for each example of this device, derived from its position in the whole batch.

    Random numbers therefore do not depend on the device count.
    """
    first = 0 if axis_name is None else count * jax.lax.axis_index(axis_name)
    return jax.vmap(lambda index: jax.random.fold_in(key, index))(first + jnp.arange(count))


def next_examples(values: Float[Array, "B C"], axis_name: str | None) -> Float[Array, "B C"]:
    """Returns, for each example, the values of the next example of the whole batch, cyclically."""
    following = values[:1]
    if axis_name is not None:
        count = jax.lax.axis_size(axis_name)
        backward = [(device, (device - 1) % count) for device in range(count)]
        following = jax.lax.ppermute(following, axis_name, backward)
    return jnp.concatenate([values[1:], following])
