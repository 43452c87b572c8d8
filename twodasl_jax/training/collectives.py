"""The only places where the devices of a step speak to each other; without an axis there is but one device.

A step runs once per device on its share of the batch. Device d of n holds the d-th n-th of each half.
"""

import itertools
from typing import TypeVar

import jax
import jax.flatten_util
import jax.numpy as jnp
from jaxtyping import Float, Key

from twodasl_jax.array_types import Array

_Tree = TypeVar("_Tree")
# Numbers from which on an array has a message of its own.
_LARGE = 2**16


def mean_over_devices(tree: _Tree, axis_name: str | None) -> _Tree:
    """Returns the mean of each array over the devices; the same on all of them.

    Small arrays travel as one: a message for each of a hundred takes longer than what it says. Large ones do not, which
    would have to be copied.
    """
    if axis_name is None:
        return tree
    leaves, structure = jax.tree.flatten(tree)
    small = [jnp.size(leaf) < _LARGE for leaf in leaves]
    together, restore = jax.flatten_util.ravel_pytree(list(itertools.compress(leaves, small)))
    alone = [leaf for leaf, is_small in zip(leaves, small, strict=True) if not is_small]
    together, alone = jax.lax.pmean((together, alone), axis_name)
    means = {True: iter(restore(together)), False: iter(alone)}
    return jax.tree.unflatten(structure, [next(means[is_small]) for is_small in small])


def example_keys(key: Key[Array, ""], count: int, axis_name: str | None) -> Key[Array, " {count}"]:
    """Returns a key for each of this device's examples, by its place in the whole batch.

    What is drawn for an example hence does not depend on the number of devices.
    """
    first = 0 if axis_name is None else count * jax.lax.axis_index(axis_name)
    return jax.vmap(lambda index: jax.random.fold_in(key, index))(first + jnp.arange(count))


def next_examples(values: Float[Array, "B C"], axis_name: str | None) -> Float[Array, "B C"]:
    """Returns, for each example, the values of the next one of the whole batch; the first follows the last."""
    following = values[:1]
    if axis_name is not None:
        count = jax.lax.axis_size(axis_name)
        backward = [(device, (device - 1) % count) for device in range(count)]
        following = jax.lax.ppermute(following, axis_name, backward)
    return jnp.concatenate([values[1:], following])
