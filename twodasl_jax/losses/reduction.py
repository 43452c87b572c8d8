"""The one place where losses become numbers."""

import jax.numpy as jnp
from jaxtyping import Float

from twodasl_jax.array_types import Array, typed


@typed
def batch_mean(
    values: Float[Array, " B"], mask: Float[Array, " B"] | None = None
) -> Float[Array, ""]:
    """Returns the mean over the examples of a batch.

    Args:
      values: (B,) one value per example.
      mask: (B,) one for examples that count, zero for padding; all count without it. If none counts, the mean is 0.
    """
    if mask is None:
        return jnp.mean(values)
    return jnp.sum(jnp.where(mask > 0, values, 0.0) * mask) / jnp.maximum(jnp.sum(mask), 1.0)
