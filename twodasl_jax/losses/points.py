"""Distance between two sets of points (L_2d_con, L_3d_con, L_cyc, VDC), and the mean over a batch."""

from collections.abc import Callable

import jax.numpy as jnp
from jaxtyping import Float

from twodasl_jax.array_types import Array, typed
from twodasl_jax.geometry.frames import CROP_SIZE

PointNorm = Callable[[Float[Array, "*batch N D"]], Float[Array, "*batch N"]]


def squared(difference: Float[Array, "*batch N D"]) -> Float[Array, "*batch N"]:
    """Computes |d|^2."""
    return jnp.sum(difference**2, axis=-1)


def euclidean(difference: Float[Array, "*batch N D"]) -> Float[Array, "*batch N"]:
    """Computes |d|; its gradient at d = 0 is zero."""
    length = squared(difference)
    return jnp.where(length > 0, jnp.sqrt(jnp.where(length > 0, length, 1.0)), 0.0)


def manhattan(difference: Float[Array, "*batch N D"]) -> Float[Array, "*batch N"]:
    """Computes |d_x| + |d_y| (+ |d_z| in 3D)."""
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
    """Computes the weighted mean distance of points; lengths are fractions of the crop side.

    Args:
      predicted: (..., N, 2 or 3) predicted points in the crop frame.
      target: (..., N, 2 or 3) target points in the crop frame; points with nan are ignored.
      weights: (..., N) non-negative weights: visibility times importance.
      norm: the norm of a difference, one of `POINT_NORMS`.

    Returns:
      (...) distances; zero for an example without points of positive weight.
    """
    present = ~jnp.isnan(target).any(-1)
    counted = jnp.where(present, weights, 0.0)
    total = jnp.sum(counted, axis=-1)
    known = jnp.where(present[..., None], target, 0.0)
    distance = norm((predicted - known) / CROP_SIZE)
    return jnp.sum(counted * distance, axis=-1) / jnp.where(total > 0, total, 1.0)


@typed
def batch_mean(values: Float[Array, " B"]) -> Float[Array, ""]:
    """Computes the mean over the examples of a batch.

    Every example counts, including examples without points, which have a loss of zero. The mean
    over devices with equal shares of a batch therefore equals the mean over the batch.
    """
    return jnp.mean(values)
