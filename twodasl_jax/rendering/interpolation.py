"""Linear and bilinear interpolation of arrays."""

import numba
import numpy as np
from jaxtyping import Float, UInt8

from twodasl_jax.array_types import typed


@typed
def sample_bilinear(
    picture: UInt8[np.ndarray, "H W C"] | Float[np.ndarray, "H W C"],
    points: Float[np.ndarray, "*points D"],
) -> Float[np.ndarray, "*points C"]:
    """Interpolates a picture bilinearly between its four nearest pixels.

    Points beyond the border take the values of the border.

    Args:
      picture: (H, W, C) values of any meaning, for example RGB.
      points: (..., D) x, y in the image frame; further coordinates are ignored.

    Returns:
      (..., C) values at the points, nan if a coordinate is not finite. float64 for a float64
      picture, float32 otherwise.
    """
    flat = np.ascontiguousarray(points.reshape(-1, points.shape[-1])[:, :2], np.float64)
    channels = picture.shape[2]
    values = np.empty((len(flat), channels), np.result_type(picture, np.float32))
    _sample_bilinear(picture, flat, values)
    return values.reshape(*points.shape[:-1], channels)


@numba.njit(cache=True, nogil=True)
def _sample_bilinear(picture, points, values):
    height, width, channels = picture.shape
    for index in range(len(points)):
        if not np.isfinite(points[index, 0] + points[index, 1]):
            values[index] = np.nan
            continue
        x = min(max(points[index, 0] - 0.5, 0.0), width - 1.0)
        y = min(max(points[index, 1] - 0.5, 0.0), height - 1.0)
        left, top = int(x), int(y)
        right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
        across, down = x - left, y - top
        for channel in range(channels):
            upper = picture[top, left, channel] * (1 - across)
            upper += picture[top, right, channel] * across
            lower = picture[bottom, left, channel] * (1 - across)
            lower += picture[bottom, right, channel] * across
            values[index, channel] = upper * (1 - down) + lower * down


@typed
def lerp(
    start: Float[np.ndarray, "N C"],
    end: Float[np.ndarray, "*shape"],
    weight: Float[np.ndarray, " N"],
) -> Float[np.ndarray, "N C"]:
    """Interpolates linearly between two colours.

    Args:
      start: (N, C) colours for weight 0.
      end: (N, C) or (C,) colours for weight 1.
      weight: (N,) weights.
    """
    return start + weight[:, None] * (end - start)


def linear_step(
    values: Float[np.ndarray, "*shape"], start: float, end: float
) -> Float[np.ndarray, "*shape"]:
    """Returns 0 at and before `start`, 1 at and beyond `end`, and a linear ramp between them.

    Args:
      values: any values.
      start: the value that maps to 0; it may be the larger limit.
      end: the value that maps to 1.
    """
    return np.clip((values - start) / (end - start), 0, 1)
