"""The distance between two sets of points, of which L_2d_con, L_3d_con, L_cyc and VDC are made."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Float

from twodasl_jax.array_types import Array, typed
from twodasl_jax.geometry.frames import CROP_SIZE

PointNorm = Callable[[Float[Array, "*batch N D"]], Float[Array, "*batch N"]]


def squared(difference: Float[Array, "*batch N D"]) -> Float[Array, "*batch N"]:
    """Returns |d|^2."""
    return jnp.sum(difference**2, axis=-1)


def euclidean(difference: Float[Array, "*batch N D"]) -> Float[Array, "*batch N"]:
    """Returns |d|, with the gradient zero where d is zero."""
    length = squared(difference)
    return jnp.where(length > 0, jnp.sqrt(jnp.where(length > 0, length, 1.0)), 0.0)


def manhattan(difference: Float[Array, "*batch N D"]) -> Float[Array, "*batch N"]:
    """Returns |d_x| + |d_y| (+ |d_z|)."""
    return jnp.sum(jnp.abs(difference), axis=-1)


POINT_NORMS: dict[str, PointNorm] = {
    "squared": squared,
    "euclidean": euclidean,
    "manhattan": manhattan,
}


@typed
def point_distance(
    predicted: Float[Array, "*batch N D"],
    target: Float[Array, "*batch N D"],
    weights: Float[Array, "*batch N"],
    norm: PointNorm,
) -> Float[Array, "*batch"]:
    """Returns the weighted mean distance of points; lengths are shares of the crop's side.

    Args:
      predicted: (..., N, 2 or 3) crop frame.
      target: (..., N, 2 or 3) crop frame; a nan point counts nothing.
      weights: (..., N) non-negative: visibility times importance. An example without any weight costs zero.
      norm: one of `POINT_NORMS`.
    """
    present = ~jnp.isnan(target).any(-1)
    counted = jnp.where(present, weights, 0.0)
    total = jnp.sum(counted, axis=-1)
    known = jnp.where(present[..., None], target, 0.0)
    distance = norm((predicted - known) / CROP_SIZE)
    return jnp.sum(counted * distance, axis=-1) / jnp.where(total > 0, total, 1.0)
