"""Transparent patches over a photo, and the canvas on which marks are drawn.

A `Layer` covers only the part of the photo that it touches, so that its cost grows with the face and
not with the photo. `composite` lays layers over it.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from twodasl_jax.array_types import typed

Colour = tuple[int, int, int, int]  # RGB and opacity, from 0 to 255

# Of a canvas, per pixel of the photo and direction.
_FEWEST_SAMPLES, _MOST_SAMPLES = 2, 4


class Layer(NamedTuple):
    """A transparent patch of a picture.

    Attributes:
      row: row of the picture under the first row of the patch.
      column: column of the picture under the first column of the patch.
      rgba: colour (not premultiplied) and opacity.
    """

    row: int
    column: int
    rgba: UInt8[np.ndarray, "h w 4"]


@typed
def composite(
    image: UInt8[np.ndarray, "H W 3"], layers: Iterable[Layer]
) -> UInt8[np.ndarray, "H W 3"]:
    """Lays patches over a picture, the first one lowest.

    Args:
      image: RGB; it is left as it is.
      layers: patches that lie within the picture.

    Returns:
      A new RGB picture.
    """
    picture = Image.fromarray(image)
    for row, column, rgba in layers:
        if rgba.size:
            patch = Image.fromarray(rgba)
            picture.paste(patch.convert("RGB"), (column, row), mask=patch)
    return np.array(picture)


class Window(NamedTuple):
    """A rectangle of whole pixels of a picture.

    Attributes:
      row: its first one.
      column: its first one.
      height: number of rows.
      width: number of columns.
    """

    row: int
    column: int
    height: int
    width: int


@typed
def window_around(
    points: Float[np.ndarray, "N D"], margin: float, height: int, width: int
) -> Window:
    """Returns the smallest window that holds the points and a margin.

    Args:
      points: image frame; those that are not finite do not count.
      margin: pixels.
      height: of the picture, where the window is cut off.
      width: of the picture.
    """
    finite = points[np.isfinite(points).all(axis=-1), :2]
    if not len(finite):
        return Window(0, 0, 0, 0)
    limits = (width, height)
    left, top = np.clip(np.floor(finite.min(axis=0) - margin), 0, limits).astype(int)
    right, bottom = np.clip(np.ceil(finite.max(axis=0) + margin), 0, limits).astype(int)
    return Window(int(top), int(left), int(bottom - top), int(right - left))


class Canvas:
    """Draws in image-frame coordinates on a window of the photo, finely enough for small marks."""

    def __init__(self, window: Window, detail: float):
        """Starts with a transparent canvas.

        Args:
          window: what the canvas covers of the photo.
          detail: the smallest length that matters, pixels of the photo.
        """
        self._window = window
        self._scale = int(np.clip(np.ceil(4 / detail), _FEWEST_SAMPLES, _MOST_SAMPLES))
        size = (max(window.width, 1) * self._scale, max(window.height, 1) * self._scale)
        self._picture = Image.new("RGBA", size, (255, 255, 255, 0))
        self._draw = ImageDraw.Draw(self._picture)

    def line(self, points: Float[np.ndarray, "N 2"], width: float, colour: Colour) -> None:
        """Draws a line through points; what lies below it on the canvas is replaced."""
        pixels = max(1, round(width * self._scale))
        self._draw.line(self._place(points), fill=colour, width=pixels, joint="curve")

    def disc(self, point: Float[np.ndarray, "2"], radius: float, colour: Colour) -> None:
        """Draws a filled circle; a transparent one makes a hole."""
        self._draw.ellipse(self._place(np.stack([point - radius, point + radius])), fill=colour)

    def polygon(self, points: Float[np.ndarray, "N 2"], colour: Colour) -> None:
        """Fills a polygon."""
        self._draw.polygon(self._place(points), fill=colour)

    def layer(self) -> Layer:
        """Returns what was drawn, in the resolution of the photo."""
        row, column, height, width = self._window
        rgba = np.asarray(self._picture.reduce(self._scale))[:height, :width]
        return Layer(row, column, rgba)

    def _place(self, points: Float[np.ndarray, "N 2"]) -> list[tuple[float, float]]:
        """Image frame -> canvas coordinates of Pillow, which counts from pixel centres."""
        corner = (self._window.column, self._window.row)
        return [(x, y) for x, y in ((points - corner) * self._scale - 0.5).tolist()]
