"""The wireframe of a mesh: its visible edges as bright lines on a dark veil over the photo."""

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from twodasl_jax.array_types import typed
from twodasl_jax.rendering import rasterizer
from twodasl_jax.rendering.layers import Layer, window_around
from twodasl_jax.rendering.supersampling import SAMPLES, sum_of_samples, supersampled_strips

_LINE_COLOUR = np.array([244, 249, 255], np.float32)
_LINE_OPACITY = 0.95
# White lines alone would be invisible on bright skin.
_VEIL_COLOUR = np.array([10, 24, 56], np.float32)
_VEIL_OPACITY = 0.30
# Width of a line for triangles one pixel high, and its limit relative to their height. Lines are
# thin compared to the triangles of a large face, and do not merge on a small face or foreshortened
# cheek.
_WIDTH = 0.33
_WIDTH_OF_HEIGHT = 0.12


@typed
def wireframe_layer(
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    opacity: Float[np.ndarray, " V"],
    height: int,
    width: int,
) -> Layer:
    """Draws the edges of the visible triangles.

    Args:
      vertices: mesh in the image frame, pixels.
      triangles: vertex indices.
      opacity: the opacity of each vertex, from 0 to 1.
      height: the height of the photo, pixels.
      width: the width of the photo, pixels.
    """
    window = window_around(vertices, 0.0, height, width)
    heights = _heights(vertices, triangles)
    rgba = np.zeros((window.height, window.width, 4), np.uint8)
    for rows, raster in supersampled_strips(vertices, triangles, window):
        opacities = rasterizer.interpolate(raster, triangles, opacity[:, None])[..., 0]
        rgba[rows] = _resolve(_line_coverage(raster, heights), opacities)
    return Layer(window.row, window.column, rgba)


def _heights(
    vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"]
) -> Float32[np.ndarray, "F 3"]:
    """Returns the distance of each corner from the opposite edge in the picture, pixels."""
    corners = vertices[triangles, :2]
    edges = np.roll(corners, -2, axis=1) - np.roll(corners, -1, axis=1)
    (ax, ay), (bx, by) = edges[:, 0].T, edges[:, 1].T
    lengths = np.linalg.norm(edges, axis=-1)
    smallest = np.finfo(np.float32).tiny
    return (np.abs(ax * by - ay * bx)[:, None] / np.maximum(lengths, smallest)).astype(np.float32)


def _line_coverage(
    raster: rasterizer.Raster, heights: Float32[np.ndarray, "F 3"]
) -> Float32[np.ndarray, "h w"]:
    """Returns the fraction of each sample that the lines along its triangle's edges cover."""
    coverage = np.zeros(raster.triangle.shape, np.float32)
    height = heights[raster.triangle[raster.covered]]
    width = np.minimum(_WIDTH * np.sqrt(height), _WIDTH_OF_HEIGHT * height) * SAMPLES
    # A barycentric weight is the distance from an edge, divided by the height above the edge.
    distance = raster.weights[raster.covered] * height * SAMPLES
    on_line = np.clip(width / 2 + 0.5 - distance, 0, np.minimum(width, 1))
    coverage[raster.covered] = 1 - np.prod(1 - on_line, axis=1)
    return coverage


def _resolve(
    coverage: Float32[np.ndarray, "h w"], opacity: Float32[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h/2 w/2 4"]:
    """Reduces the samples of each pixel to a mean colour and an opacity."""
    line = sum_of_samples(_LINE_OPACITY * coverage * opacity)[..., None]
    veil = sum_of_samples(_VEIL_OPACITY * (1 - _LINE_OPACITY * coverage) * opacity)[..., None]
    total = np.maximum(line + veil, np.finfo(np.float32).tiny)
    colour = (line * _LINE_COLOUR + veil * _VEIL_COLOUR) / total
    alpha = total * (255 / SAMPLES**2)
    return np.rint(np.concatenate([colour, alpha], axis=-1)).astype(np.uint8)
