"""Layers: transparent patches that are composited over a photo.

A `Layer` covers only the part of the photo that it changes, so its cost depends on the size of the
face, not on that of the photo. A `Canvas` draws small marks into a layer.
"""

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, UInt8
from PIL import Image, ImageDraw

from twodasl_jax.array_types import typed

Colour = tuple[int, int, int, int]  # RGB and opacity, from 0 to 255

# Limits of a canvas's samples, per pixel of the photo and direction.
_FEWEST_SAMPLES, _MOST_SAMPLES = 2, 4


class Layer(NamedTuple):
    """A transparent patch of a picture.

    Attributes:
      row: the picture row of the patch's first row.
      column: the picture column of the patch's first column.
      rgba: colour (not premultiplied) and opacity.
    """

    row: int
    column: int
    rgba: UInt8[np.ndarray, "h w 4"]


@typed
def composite(
    image: UInt8[np.ndarray, "H W 3"], layers: Iterable[Layer]
) -> UInt8[np.ndarray, "H W 3"]:
    """Composites layers over a picture.

    Args:
      image: RGB; it is not modified.
      layers: layers within the picture, from bottom to top.

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
      row: the first row.
      column: the first column.
      height: the number of rows.
      width: the number of columns.
    """

    row: int
    column: int
    height: int
    width: int


@typed
def window_around(
    points: Float[np.ndarray, "N D"], margin: float, height: int, width: int
) -> Window:
    """Returns the smallest window around points and a margin, clipped to the picture.

    Args:
      points: x, y and any further coordinates, image frame. Points that are not finite are ignored.
      margin: the margin around the points, pixels.
      height: the height of the picture.
      width: the width of the picture.
    """
    finite = points[np.isfinite(points).all(axis=-1), :2]
    if not len(finite):
        return Window(0, 0, 0, 0)
    limits = (width, height)
    left, top = np.clip(np.floor(finite.min(axis=0) - margin), 0, limits).astype(int)
    right, bottom = np.clip(np.ceil(finite.max(axis=0) + margin), 0, limits).astype(int)
    return Window(int(top), int(left), int(bottom - top), int(right - left))


class Canvas:
    """A supersampled canvas over a window of the photo, drawn on in image-frame coordinates."""

    def __init__(self, window: Window, detail: float):
        """Creates a transparent canvas.

        Args:
          window: the window of the photo that the canvas covers.
          detail: the smallest length to resolve, in pixels of the photo.
        """
        self._window = window
        self._scale = int(np.clip(np.ceil(4 / detail), _FEWEST_SAMPLES, _MOST_SAMPLES))
        size = (max(window.width, 1) * self._scale, max(window.height, 1) * self._scale)
        self._picture = Image.new("RGBA", size, (255, 255, 255, 0))
        self._draw = ImageDraw.Draw(self._picture)

    def line(self, points: Float[np.ndarray, "N 2"], width: float, colour: Colour) -> None:
        """Draws a line through points; it replaces what the canvas shows below it."""
        pixels = max(1, round(width * self._scale))
        self._draw.line(self._to_canvas(points), fill=colour, width=pixels, joint="curve")

    def disc(self, point: Float[np.ndarray, "2"], radius: float, colour: Colour) -> None:
        """Draws a filled circle; a transparent colour cuts a hole."""
        corners = np.stack([point - radius, point + radius])
        self._draw.ellipse(self._to_canvas(corners), fill=colour)

    def polygon(self, points: Float[np.ndarray, "N 2"], colour: Colour) -> None:
        """Draws a filled polygon."""
        self._draw.polygon(self._to_canvas(points), fill=colour)

    def layer(self) -> Layer:
        """Returns the drawing as a layer, at the resolution of the photo."""
        row, column, height, width = self._window
        rgba = np.asarray(self._picture.reduce(self._scale))[:height, :width]
        return Layer(row, column, rgba)

    def _to_canvas(self, points: Float[np.ndarray, "N 2"]) -> list[tuple[float, float]]:
        """Converts points from the image frame to Pillow's, with the origin at a pixel centre."""
        corner = (self._window.column, self._window.row)
        return [(x, y) for x, y in ((points - corner) * self._scale - 0.5).tolist()]
