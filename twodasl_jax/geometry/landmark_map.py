"""The facial landmark map (FLM), the fourth input channel of 2DASL: hard (published) or Gaussian.

Points are in the crop frame; nan marks a missing point. The hard map omits points outside the crop.
The Gaussian map contains the part of their bumps that lies inside the crop.
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
    """The style of the landmark map of a network.

    A Gaussian map passes gradients to its points; a hard map does not. With a hard map, no gradient
    of L_cyc therefore reaches the first pass of 2DASL.

    Attributes:
      points: the set of landmarks that the map draws, a key of `LANDMARK_SETS`.
      kind: "hard" or "gaussian".
      sigma: the standard deviation of the bumps of a Gaussian map, in pixels.
    """

    points: str = "official"
    kind: str = "hard"
    sigma: float = 1.5

    def __post_init__(self):
        if self.points not in LANDMARK_SETS:
            raise ConfigError(
                f"unknown landmark set {self.points!r}: use one of {[*LANDMARK_SETS]}"
            )
        if self.kind not in _KINDS:
            raise ConfigError(f"unknown kind of landmark map {self.kind!r}: use one of {[*_KINDS]}")


@typed
def draw_landmark_map(
    landmarks: Float[Array, "*batch 68 2"], style: MapStyle
) -> Float[Array, "*batch 120 120"]:
    """Draws the landmark map of a network.

    Args:
      landmarks: (..., 68, 2) input landmarks in the crop frame; nan marks a missing landmark.
      style: the style of the map.

    Returns:
      (..., 120, 120) maps in [-1, 1].
    """
    points = pick_points(landmarks, LANDMARK_SETS[style.points])
    if style.kind == "hard":
        return hard_landmark_map(points)
    return gaussian_landmark_map(points, sigma=style.sigma)


@typed
def hard_landmark_map(
    points: Float[Array, "*batch K 2"], size: int = CROP_SIZE
) -> Float[Array, "*batch {size} {size}"]:
    """Draws +1 at the pixel of each point and -1 elsewhere (2DASL, section 3.2).

    The map passes no gradient to its points.

    Args:
      points: (..., K, 2) points in the crop frame, for any K.
      size: the side of the square map in pixels.

    Returns:
      (..., size, size) maps of -1 and +1.
    """
    draw = jnp.vectorize(functools.partial(_draw, size=size), signature="(k,c)->(i,j)")
    return draw(points)


def _draw(points: Float[Array, "K 2"], size: int) -> Float[Array, "{size} {size}"]:
    cells = jnp.floor(jax.lax.stop_gradient(points))
    inside = jnp.all((cells >= 0) & (cells < size), axis=-1)
    # JAX wraps negative indices around but drops the index `size`, so all outside points get it.
    columns, rows = jnp.where(inside[:, None], cells, size).astype(jnp.int32).T
    blank = jnp.full((size, size), -1.0, points.dtype)
    return blank.at[rows, columns].set(1.0, mode="drop")


@typed
def gaussian_landmark_map(
    points: Float[Array, "*batch K 2"], size: int = CROP_SIZE, sigma: float = 1.5
) -> Float[Array, "*batch {size} {size}"]:
    """Draws 2 max_k exp(-|p - p_k|^2 / (2 sigma^2)) - 1, a differentiable map (our choice).

    Args:
      points: (..., K, 2) points in the crop frame, for any K.
      size: the side of the square map in pixels.
      sigma: the standard deviation of a bump, in pixels.

    Returns:
      (..., size, size) maps in [-1, 1]; a map without points is -1 everywhere.
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
