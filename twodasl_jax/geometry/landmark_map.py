"""The facial landmark map (FLM), 2DASL's fourth input channel: hard as published, or smooth.

Points are in the crop frame; nan marks a missing point. A point outside the frame is dropped from
the hard map, and shows no more than the tail of its bump in the Gaussian one.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from twodasl_jax.array_types import Array, typed
from twodasl_jax.geometry.frames import CROP_SIZE

# The official 18 points as pairs of the 68, each the mean of its pair: (37, 40) and (43, 46) stand
# for the pupils and (62, 66) for the middle of the mouth.
_OFFICIAL_PAIRS = np.array(
    [(17, 17), (19, 19), (21, 21), (22, 22), (24, 24), (26, 26)]  # brows
    + [(36, 36), (37, 40), (39, 39), (42, 42), (43, 46), (45, 45)]  # eyes
    + [(31, 31), (30, 30), (35, 35)]  # nose
    + [(48, 48), (62, 66), (54, 54)]  # mouth
)

# Brows, eyes, nose and mouth, without the jaw, where 2D detectors and 3D points disagree.
INNER_POINTS = slice(17, 68)


@typed
def official_points(landmarks: Float[Array, "*batch 68 2"]) -> Float[Array, "*batch 18 2"]:
    """Returns the 18 points that the official landmark map draws; nan where a parent is missing."""
    return (landmarks[..., _OFFICIAL_PAIRS[:, 0], :] + landmarks[..., _OFFICIAL_PAIRS[:, 1], :]) / 2


@typed
def hard_landmark_map(
    points: Float[Array, "*batch K 2"], size: int = CROP_SIZE
) -> Float[Array, "*batch {size} {size}"]:
    """Draws +1 at the pixel of each point, -1 elsewhere; carries no gradient (2DASL, section 3.2).

    Args:
      points: (..., K, 2) crop frame; K is 18 (`official_points`), 68, or any other number.
      size: side of the square map in pixels.
    """
    draw = jnp.vectorize(functools.partial(_draw, size=size), signature="(k,c)->(i,j)")
    return draw(points)


def _draw(points: Float[Array, "K 2"], size: int) -> Float[Array, "{size} {size}"]:
    cells = jnp.floor(jax.lax.stop_gradient(points))
    inside = jnp.all((cells >= 0) & (cells < size), axis=-1)
    # Negative indices would wrap around: all that is outside goes to `size`, which is dropped.
    columns, rows = jnp.where(inside[:, None], cells, size).astype(jnp.int32).T
    blank = jnp.full((size, size), -1.0, points.dtype)
    return blank.at[rows, columns].set(1.0, mode="drop")


@typed
def gaussian_landmark_map(
    points: Float[Array, "*batch K 2"], size: int = CROP_SIZE, sigma: float = 1.5
) -> Float[Array, "*batch {size} {size}"]:
    """Draws 2 max_k exp(-|p - p_k|^2 / (2 sigma^2)) - 1, the differentiable map (our choice).

    Args:
      points: (..., K, 2) crop frame.
      size: side of the square map in pixels.
      sigma: radius of a point in pixels.

    Returns:
      (..., size, size) in [-1, 1]; a map without points is -1 everywhere.
    """
    points = jnp.asarray(points)
    missing = ~jnp.isfinite(points).all(-1)
    centres = jnp.arange(size, dtype=points.dtype) + 0.5
    offsets = jnp.where(missing[..., None], 0.0, points)[..., None] - centres
    falloff = jnp.exp(-(offsets**2) / (2 * sigma**2))
    columns, rows = falloff[..., 0, :], falloff[..., 1, :]
    columns = jnp.where(missing[..., None], 0.0, columns)
    bumps = rows[..., :, None] * columns[..., None, :]
    return 2 * jnp.max(bumps, axis=-3, initial=0.0) - 1
