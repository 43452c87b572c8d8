"""Drawings of points on crops, and contact sheets of such drawings."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from twodasl_jax.array_types import typed

SCALE = 3  # drawing pixels per crop pixel
_RADIUS = 3.6  # drawing pixels

Colour = tuple[int, int, int]
TRUE_COLOUR: Colour = (80, 230, 120)
PREDICTED_COLOUR: Colour = (255, 90, 80)


@typed
def compare_points(
    crop: UInt8[np.ndarray, "120 120 3"],
    true: Float[np.ndarray, "P 2"],
    predicted: Float[np.ndarray, "Q 2"],
) -> UInt8[np.ndarray, "360 360 3"]:
    """Draws true points as green rings and predicted ones as red discs on an enlarged crop.

    Args:
      crop: RGB.
      true: the true points, crop frame; points with nan are not drawn.
      predicted: the predicted points, crop frame; points with nan are not drawn.
    """
    drawing = add_points(enlarge(crop), predicted, PREDICTED_COLOUR, filled=True)
    return add_points(drawing, true, TRUE_COLOUR, filled=False)


@typed
def enlarge(picture: UInt8[np.ndarray, "M M 3"]) -> UInt8[np.ndarray, "D D 3"]:
    """Enlarges a square picture to the scale of the drawings."""
    side = len(picture) * SCALE
    return np.array(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))


@typed
def add_points(
    drawing: UInt8[np.ndarray, "D D 3"],
    points: Float[np.ndarray, "P 2"],
    colour: Colour,
    filled: bool,
) -> UInt8[np.ndarray, "D D 3"]:
    """Draws points on a copy of a drawing.

    Args:
      drawing: an enlarged picture (`enlarge`).
      points: points in the frame of the picture before it was enlarged; points with nan are not
        drawn.
      colour: the RGB colour of the points.
      filled: whether points are discs or rings.
    """
    picture = Image.fromarray(drawing)
    draw = ImageDraw.Draw(picture)
    for x, y in points[np.isfinite(points).all(axis=1)] * SCALE:
        around = (x - _RADIUS, y - _RADIUS, x + _RADIUS, y + _RADIUS)
        draw.ellipse(around, fill=colour if filled else None, outline=colour, width=2)
    return np.array(picture)


@typed
def contact_sheet(
    drawings: Sequence[UInt8[np.ndarray, "D D 3"]], columns: int
) -> UInt8[np.ndarray, "H W 3"]:
    """Arranges drawings of one size in a grid, row by row; empty cells are white."""
    rows = -(-len(drawings) // columns)
    side = len(drawings[0])
    sheet = np.full((rows, columns, side, side, 3), 255, np.uint8)
    for number, drawing in enumerate(drawings):
        sheet[divmod(number, columns)] = drawing
    return sheet.swapaxes(1, 2).reshape(rows * side, columns * side, 3)
