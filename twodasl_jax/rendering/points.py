"""Points drawn on crops, to be looked at by the dozen."""

from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from twodasl_jax.array_types import typed

SCALE = 3  # pixels of a drawing for one of the crop
_RADIUS = 3.6  # pixels of a drawing

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
      true: crop frame; nan for those that are not there.
      predicted: the same.
    """
    drawing = add_points(enlarge(crop), predicted, PREDICTED_COLOUR, filled=True)
    return add_points(drawing, true, TRUE_COLOUR, filled=False)


@typed
def enlarge(picture: UInt8[np.ndarray, "M M 3"]) -> UInt8[np.ndarray, "D D 3"]:
    """Returns a square picture in the scale of the drawings."""
    side = len(picture) * SCALE
    return np.array(Image.fromarray(picture).resize((side, side), Image.Resampling.BICUBIC))


@typed
def add_points(
    drawing: UInt8[np.ndarray, "D D 3"],
    points: Float[np.ndarray, "P 2"],
    colour: Colour,
    filled: bool,
) -> UInt8[np.ndarray, "D D 3"]:
    """Returns a drawing with more points, given in the frame of the picture that was enlarged."""
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
    """Returns drawings side by side, row by row; places that are left over are white."""
    rows = -(-len(drawings) // columns)
    side = len(drawings[0])
    sheet = np.full((rows, columns, side, side, 3), 255, np.uint8)
    for number, drawing in enumerate(drawings):
        sheet[divmod(number, columns)] = drawing
    return sheet.swapaxes(1, 2).reshape(rows * side, columns * side, 3)
