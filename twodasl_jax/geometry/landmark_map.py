"""The facial landmark map (FLM), 2DASL's fourth input channel: hard as published, or smooth.

Points are in the crop frame; nan marks a missing point. A point outside the frame is dropped from
the hard map, and shows no more than the tail of its bump in the Gaussian one.
"""

import dataclasses
import functools

import jax
import jax.numpy as jnp
from jaxtyping import Float

from twodasl_jax.array_types import Array, typed
from twodasl_jax.errors import ConfigError
from twodasl_jax.geometry.frames import CROP_SIZE
from twodasl_jax.geometry.landmark_sets import LANDMARK_SETS, pick_points

_KINDS = ("hard", "gaussian")


@dataclasses.dataclass(frozen=True)
class MapStyle:
    """What the landmark map of a network shows, and how.

    A hard map carries no gradient to its points, a Gaussian one does. In the cycle of 2DASL this decides whether what
    the second pass gets wrong also teaches the prediction that its map shows.

    Attributes:
      points: key of `LANDMARK_SETS`.
      kind: "hard" or "gaussian".
      sigma: radius of the points of a Gaussian map, pixels.
    """

    points: str = "official"
    kind: str = "hard"
    sigma: float = 1.5

    def __post_init__(self):
        if self.points not in LANDMARK_SETS:
            raise ConfigError(f"no landmark set {self.points!r}: use one of {[*LANDMARK_SETS]}")
        if self.kind not in _KINDS:
            raise ConfigError(f"no landmark map of kind {self.kind!r}: use one of {[*_KINDS]}")


@typed
def draw_landmark_map(
    landmarks: Float[Array, "*batch 68 2"], style: MapStyle
) -> Float[Array, "*batch 120 120"]:
    """Draws the landmark map of a network.

    Args:
      landmarks: (..., 68, 2) crop frame, nan where missing.
      style: which of them are drawn, and how.
    """
    points = pick_points(landmarks, LANDMARK_SETS[style.points])
    if style.kind == "hard":
        return hard_landmark_map(points)
    return gaussian_landmark_map(points, sigma=style.sigma)


@typed
def hard_landmark_map(
    points: Float[Array, "*batch K 2"], size: int = CROP_SIZE
) -> Float[Array, "*batch {size} {size}"]:
    """Draws +1 at the pixel of each point, -1 elsewhere; carries no gradient (2DASL, section 3.2).

    Args:
      points: (..., K, 2) crop frame; K is any number.
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
