"""Maps the step over devices: written once, per device, with an axis name; `pmap` or `shard_map` does the rest."""

import dataclasses
from collections.abc import Callable, Sequence
from typing import TypeVar

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from jaxtyping import Key, PyTree

from twodasl_jax.array_types import Array
from twodasl_jax.training.state import TrainBatch, TrainState

AXIS = "data"
_EVERYWHERE, _SPLIT = PartitionSpec(), PartitionSpec(AXIS)
Step = Callable[[TrainState, TrainBatch, Key[Array, ""]], tuple[TrainState, PyTree]]
_Tree = TypeVar("_Tree")


@dataclasses.dataclass(frozen=True)
class DataParallel:
    """How a step runs on many devices: state everywhere, batches split.

    Attributes:
      step: (state, batch, key) -> (state, metrics), with `state` of `replicate` and `batch` of `split`; it may
        overwrite the state that it is given.
      replicate: puts a state on every device.
      split: puts this process's share of a batch on its devices, one part on each.
    """

    step: jax.stages.Wrapped
    replicate: Callable[[_Tree], _Tree]
    split: Callable[[_Tree], _Tree]


def by_shard_map(step: Step, devices: Sequence[jax.Device]) -> DataParallel:
    """Maps a step by `jax.shard_map` inside `jax.jit`."""
    mesh = Mesh(np.array(devices), (AXIS,))
    everywhere, split = NamedSharding(mesh, _EVERYWHERE), NamedSharding(mesh, _SPLIT)
    return DataParallel(
        step=jax.jit(sharded(step, mesh), donate_argnums=0),
        replicate=lambda tree: jax.device_put(tree, everywhere),
        split=lambda tree: jax.tree.map(
            lambda leaf: jax.make_array_from_process_local_data(split, np.asarray(leaf)), tree
        ),
    )


def sharded(step: Step, mesh: Mesh) -> Step:
    """Returns the step on whole batches, each device of the mesh doing its share."""
    # With the check on, shard_map would sum replicated gradients over the devices by itself.
    return jax.shard_map(
        step,
        mesh=mesh,
        in_specs=(_EVERYWHERE, _SPLIT, _EVERYWHERE),
        out_specs=(_EVERYWHERE, _EVERYWHERE),
        check_vma=False,
    )


def by_pmap(step: Step, devices: Sequence[jax.Device]) -> DataParallel:
    """Maps a step by `jax.pmap`."""
    local = [device for device in devices if device.process_index == jax.process_index()]
    mapped = jax.pmap(
        step,
        axis_name=AXIS,
        in_axes=(None, 0, None),
        out_axes=(None, None),
        devices=devices,
        # With several processes pmap hands back arrays that share the memory of those it was given.
        donate_argnums=0 if len(local) == len(devices) else (),
    )
    return DataParallel(
        step=mapped,
        replicate=lambda tree: jax.tree.map(jax.numpy.copy, tree),
        split=lambda tree: jax.tree.map(
            lambda leaf: np.reshape(leaf, (len(local), -1, *np.shape(leaf)[1:])), tree
        ),
    )


MAPS: dict[str, Callable[[Step, Sequence[jax.Device]], DataParallel]] = {
    "shard_map": by_shard_map,
    "pmap": by_pmap,
}


def local_copy(tree: _Tree) -> _Tree:
    """Returns replicated arrays as arrays of this process alone, for what one device can do."""
    return jax.tree.map(lambda leaf: leaf.addressable_data(0), tree)
