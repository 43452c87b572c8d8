"""Maps of numbers: the depth, the normal and the place on the mean face of what each pixel sees.

They are made for programs and have no soft edges: a pixel says what its centre sees.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8, UInt16

from twodasl_jax.array_types import typed
from twodasl_jax.rendering import rasterizer

_NEAREST = np.iinfo(np.uint16).max
_Y_UP = np.array([1, -1, 1], np.float32)  # times an image-frame vector


class DepthMap(NamedTuple):
    """Depth in grey levels: z = offset + scale * grey.

    Attributes:
      grey: 0 where there is no face, else from 1 (farthest) to 65535 (nearest).
      offset: pixels.
      scale: pixels for one grey level.
    """

    grey: UInt16[np.ndarray, "H W"]
    offset: float
    scale: float


@typed
def depth_map(
    raster: rasterizer.Raster, triangles: Int[np.ndarray, "F 3"], z: Float[np.ndarray, " V"]
) -> DepthMap:
    """Spreads the depths that are seen over all grey levels.

    Args:
      raster: z-buffer of the mesh.
      triangles: vertex indices.
      z: of each vertex, pixels, toward the camera; it need not be the one of the z-buffer.
    """
    depth = rasterizer.interpolate(raster, triangles, z[:, None])[..., 0]
    seen = raster.triangle != rasterizer.NO_TRIANGLE
    grey = np.zeros(depth.shape, np.uint16)
    if not seen.any():
        return DepthMap(grey, 0.0, 1.0)
    low = float(depth.min(where=seen, initial=np.inf))
    high = float(depth.max(where=seen, initial=-np.inf))
    scale = (high - low) / (_NEAREST - 1) or 1.0
    offset = low - scale
    for rows, _ in rasterizer.strips(raster):
        levels = (depth[rows].astype(np.float64) - offset) / scale
        grey[rows] = np.where(seen[rows], np.clip(np.rint(levels), 1, _NEAREST), 0)
    return DepthMap(grey, offset, scale)


@typed
def normal_map(
    raster: rasterizer.Raster,
    triangles: Int[np.ndarray, "F 3"],
    normals: Float[np.ndarray, "V 3"],
) -> UInt8[np.ndarray, "H W 3"]:
    """Codes normals as colours.

    Args:
      raster: z-buffer of the mesh.
      triangles: vertex indices.
      normals: of each vertex, outward, image frame (y down).

    Returns:
      RGB = 255 (n + 1) / 2 of the unit normal n with x right, y up and z toward the camera. Black, which no unit
      vector gives, where there is no face.
    """
    picture = np.zeros((*raster.triangle.shape, 3), np.uint8)
    for rows, strip in rasterizer.strips(raster):
        seen = strip.triangle != rasterizer.NO_TRIANGLE
        summed = rasterizer.interpolate(strip, triangles, normals)[seen] * _Y_UP
        lengths = np.linalg.norm(summed, axis=-1, keepdims=True)
        unit = summed / np.maximum(lengths, np.finfo(np.float32).tiny)
        picture[rows][seen] = _as_bytes((unit + 1) / 2)
    return picture


@typed
def coordinate_map(
    raster: rasterizer.Raster,
    triangles: Int[np.ndarray, "F 3"],
    coordinates: Float[np.ndarray, "V 3"],
) -> UInt8[np.ndarray, "H W 3"]:
    """Codes places on the mean face as colours.

    Args:
      raster: z-buffer of the mesh.
      triangles: vertex indices.
      coordinates: of each vertex (`normalised_coordinates`).

    Returns:
      RGB = 255 times the coordinates; black where there is no face.
    """
    picture = np.zeros((*raster.triangle.shape, 3), np.uint8)
    for rows, strip in rasterizer.strips(raster):
        picture[rows] = _as_bytes(rasterizer.interpolate(strip, triangles, coordinates))
    return picture


@typed
def normalised_coordinates(mean: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "V 3"]:
    """Computes the Normalised Coordinate Code of each vertex (Zhu et al., CVPR 2016, equation 4).

    Each axis of the mean face is moved and scaled by itself so that its vertices span 0 to 1: x to the subject's left,
    y up, z out of the face.

    Args:
      mean: vertices of the mean face, model frame.
    """
    low = mean.min(axis=0)
    return (mean - low) / (mean.max(axis=0) - low)


def _as_bytes(values: Float32[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    return np.rint(255 * values.clip(0, 1)).astype(np.uint8)
