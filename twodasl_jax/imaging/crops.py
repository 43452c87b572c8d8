"""Crops of photos: square pictures of a box, at the input size of the network."""

import math

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image

from twodasl_jax.array_types import typed
from twodasl_jax.errors import BoxError
from twodasl_jax.geometry.frames import CROP_SIZE

# A box that is many times larger than its photo is a mistake, and its crop would need much memory.
_LARGEST_RELATIVE_SIDE = 4.0

# The largest number of photo pixels per crop pixel, along each side, that `crop_photo` resizes directly. Above it, the
# function first averages blocks of whole pixels. This avoids a copy of a large face at the resolution of the photo.
_LARGEST_REDUCTION = 4


@typed
def crop_photo(
    photo: UInt8[np.ndarray, "H W 3"], box: Float[np.ndarray, "4"], size: int = CROP_SIZE
) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """Returns the crop of a box, with antialiasing. Pixels outside the photo are black.

    Args:
      photo: (H, W, 3) RGB.
      box: (4,) x0, y0, x1, y1, image frame. It may extend beyond the photo and need not be square.
      size: the side of the crop in pixels.

    Raises:
      BoxError: the box cannot be cropped; see `check_box`.
    """
    check_box(box, photo.shape[1], photo.shape[0])
    x0, y0, x1, y1 = map(float, box)
    across, down = (max(1, int(side / (size * _LARGEST_REDUCTION))) for side in (x1 - x0, y1 - y0))
    x0, y0, x1, y1 = x0 / across, y0 / down, x1 / across, y1 / down
    left, top, right, bottom = math.floor(x0), math.floor(y0), math.ceil(x1), math.ceil(y1)
    first_row, first_column = max(top, 0), max(left, 0)
    inside = photo[first_row * down : bottom * down, first_column * across : right * across]
    region = (
        Image.fromarray(inside)
        .reduce((across, down))
        .crop((left - first_column, top - first_row, right - first_column, bottom - first_row))
    )
    edges = (x0 - left, y0 - top, x1 - left, y1 - top)
    resized = region.resize((size, size), Image.Resampling.BILINEAR, box=edges)
    return np.asarray(resized)


@typed
def sample_photo(
    photo: UInt8[np.ndarray, "H W 3"], box: Float[np.ndarray, "4"], size: int = CROP_SIZE
) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """Returns the crop of a box by bilinear interpolation, without antialiasing. Pixels outside the photo are black.

    The result equals that of OpenCV's bilinear resize up to rounding. 2DASL and 3DDFA were trained with the latter.

    Args:
      photo: (H, W, 3) RGB.
      box: (4,) x0, y0, x1, y1, image frame. It may extend beyond the photo and need not be square.
      size: the side of the crop in pixels.

    Raises:
      BoxError: the box cannot be cropped; see `check_box`.
    """
    check_box(box, photo.shape[1], photo.shape[0])
    picture, edges = Image.fromarray(photo), tuple(map(float, box))
    resample = Image.Resampling.BILINEAR
    return np.asarray(picture.transform((size, size), Image.Transform.EXTENT, edges, resample))


@typed
def check_box(box: Float[np.ndarray, "4"], width: int, height: int) -> None:
    """Checks that a box can be cropped from a photo of a given size.

    Args:
      box: (4,) x0, y0, x1, y1, image frame.
      width: the width of the photo in pixels.
      height: the height of the photo in pixels.

    Raises:
      BoxError: the box is not finite, has no area, lies outside the photo, or is much larger than the photo.
    """
    edges = "(" + ", ".join(f"{edge:g}" for edge in box) + ")"
    if not np.isfinite(box).all():
        raise BoxError(f"box {edges} has edges that are not finite")
    x0, y0, x1, y1 = map(float, box)
    if x1 <= x0 or y1 <= y0:
        raise BoxError(f"box {edges} has no area: pass x0, y0, x1, y1 with x0 < x1 and y0 < y1")
    if x1 <= 0 or y1 <= 0 or x0 >= width or y0 >= height:
        raise BoxError(f"box {edges} lies outside the photo of {width}x{height} pixels")
    if max(x1 - x0, y1 - y0) > _LARGEST_RELATIVE_SIDE * max(width, height):
        raise BoxError(
            f"box {edges} is more than {_LARGEST_RELATIVE_SIDE:g} times as large as the photo of "
            f"{width}x{height} pixels"
        )
