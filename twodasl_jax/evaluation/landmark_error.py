"""Normalised mean error (NME) of landmarks, the error of AFLW2000-3D."""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from twodasl_jax.array_types import Array, typed


@typed
def normalized_mean_error(
    predicted: Float[Array, "*batch P D"],
    truth: Float[Array, "*batch P D"],
    visible: Bool[Array, "*batch P"],
) -> tuple[Float[jax.Array, "*batch"], Bool[jax.Array, "*batch"]]:
    """Returns the mean point distance over sqrt(width * height) of the true points' box, in percent.

    Args:
      predicted: (..., P, 2 or 3) points. In 3D, the mean of z is aligned, because only depth differences are known.
      truth: (..., P, 2 or 3) annotated points, nan where missing; the box is that of x and y.
      visible: (..., P) which points count, in the mean and in the box.

    Returns:
      The error of each face, and whether it is known: an error without points, or whose box is empty, is nan.
    """
    counted = visible & ~jnp.isnan(truth).any(-1)
    shown = counted[..., None]
    number = jnp.sum(counted, axis=-1)
    low = jnp.min(jnp.where(shown, truth, jnp.inf)[..., :2], axis=-2)
    high = jnp.max(jnp.where(shown, truth, -jnp.inf)[..., :2], axis=-2)
    extent = jnp.where((number > 0)[..., None], high - low, 0.0)
    size = jnp.sqrt(extent[..., 0] * extent[..., 1])
    difference = jnp.where(shown, predicted - truth, 0.0)
    offset = jnp.sum(difference[..., 2:], axis=-2, keepdims=True) / number[..., None, None]
    difference = jnp.concatenate([difference[..., :2], difference[..., 2:] - offset], axis=-1)
    distance = jnp.where(counted, jnp.linalg.norm(difference, axis=-1), 0.0)
    known = size > 0
    error = 100 * jnp.sum(distance, axis=-1) / number / jnp.where(known, size, 1.0)
    return jnp.where(known, error, jnp.nan), known
