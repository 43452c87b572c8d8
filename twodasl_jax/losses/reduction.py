"""The one place where losses become numbers."""

import jax.numpy as jnp
from jaxtyping import Float

from twodasl_jax.array_types import Array, typed


@typed
def batch_mean(values: Float[Array, " B"]) -> Float[Array, ""]:
    """Returns the mean over the examples of a batch.

    Every example counts, also one whose points are all missing and which costs nothing: the mean of devices with
    equal shares of a batch is then the mean of the batch.
    """
    return jnp.mean(values)
