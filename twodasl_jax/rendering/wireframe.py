"""The edges of the mesh that are seen, as thin bright lines on a dark veil over the photo."""

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8

from twodasl_jax.array_types import typed
from twodasl_jax.rendering import rasterizer
from twodasl_jax.rendering.layers import Layer, window_around
from twodasl_jax.rendering.sampling import SAMPLES, sampled_strips, sum_of_samples

_LINE_COLOUR = np.array([244, 249, 255], np.float32)
_LINE_OPACITY = 0.95
# On bright skin white lines alone would not be seen.
_VEIL_COLOUR = np.array([10, 24, 56], np.float32)
_VEIL_OPACITY = 0.30
# Width of a line for triangles that are one pixel high, and its most as a share of their height. Lines of large faces
# are thin beside their triangles; those of small faces, and of a turned cheek, do not melt into one another.
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
    """Draws the edges of the triangles that are seen; what lies behind them is not drawn.

    Args:
      vertices: mesh in the image frame, pixels.
      triangles: vertex indices.
      opacity: of each vertex, from 0 to 1.
      height: of the photo, pixels.
      width: of the photo, pixels.
    """
    window = window_around(vertices, 0.0, height, width)
    heights = _heights(vertices, triangles)
    rgba = np.zeros((window.height, window.width, 4), np.uint8)
    for rows, raster in sampled_strips(vertices, triangles, window):
        shown = rasterizer.interpolate(raster, triangles, opacity[:, None])[..., 0]
        rgba[rows] = _resolve(_line_cover(raster, heights), shown)
    return Layer(window.row, window.column, rgba)


def _heights(
    vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"]
) -> Float32[np.ndarray, "F 3"]:
    """Distance of each corner from the opposite edge in the picture, pixels."""
    corners = vertices[triangles, :2]
    edges = np.roll(corners, -2, axis=1) - np.roll(corners, -1, axis=1)
    (ax, ay), (bx, by) = edges[:, 0].T, edges[:, 1].T
    lengths = np.linalg.norm(edges, axis=-1)
    smallest = np.finfo(np.float32).tiny
    return (np.abs(ax * by - ay * bx)[:, None] / np.maximum(lengths, smallest)).astype(np.float32)


def _line_cover(
    raster: rasterizer.Raster, heights: Float32[np.ndarray, "F 3"]
) -> Float32[np.ndarray, "h w"]:
    """Share of each sample that lies on a line along one of the three edges of its triangle."""
    cover = np.zeros(raster.triangle.shape, np.float32)
    seen = raster.triangle != rasterizer.NO_TRIANGLE
    above = heights[raster.triangle[seen]]
    width = np.minimum(_WIDTH * np.sqrt(above), _WIDTH_OF_HEIGHT * above) * SAMPLES
    # A barycentric weight is the distance from an edge, over the height above it.
    distance = raster.weights[seen] * above * SAMPLES
    on_line = np.clip(width / 2 + 0.5 - distance, 0, np.minimum(width, 1))
    cover[seen] = 1 - np.prod(1 - on_line, axis=1)
    return cover


def _resolve(
    cover: Float32[np.ndarray, "h w"], shown: Float32[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h/2 w/2 4"]:
    """Turns the samples of each pixel into its mean colour and its opacity."""
    line = sum_of_samples(_LINE_OPACITY * cover * shown)[..., None]
    veil = sum_of_samples(_VEIL_OPACITY * (1 - _LINE_OPACITY * cover) * shown)[..., None]
    total = np.maximum(line + veil, np.finfo(np.float32).tiny)
    colour = (line * _LINE_COLOUR + veil * _VEIL_COLOUR) / total
    opacity = total * (255 / SAMPLES**2)
    return np.rint(np.concatenate([colour, opacity], axis=-1)).astype(np.uint8)
