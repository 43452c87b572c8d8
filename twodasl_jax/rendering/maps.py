"""Per-pixel maps of a face: depth, normals and normalised coordinates.

Each pixel has the value at its centre. Edges are not antialiased, because programs read the maps.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int, UInt8, UInt16

from twodasl_jax.array_types import typed
from twodasl_jax.rendering import rasterizer

_NEAREST = np.iinfo(np.uint16).max
_Y_UP = np.array([1, -1, 1], np.float32)  # factors that turn an image-frame vector to y up


class DepthMap(NamedTuple):
    """Depth in grey levels: z = offset + scale * grey.

    Attributes:
      grey: levels from 1 (farthest) to 65535 (nearest); 0 for pixels without a face.
      offset: z of grey level 0, pixels.
      scale: the step of z per grey level, pixels.
    """

    grey: UInt16[np.ndarray, "H W"]
    offset: float
    scale: float


@typed
def depth_map(
    raster: rasterizer.Raster, triangles: Int[np.ndarray, "F 3"], z: Float[np.ndarray, " V"]
) -> DepthMap:
    """Quantises the visible depths to the full range of grey levels.

    Args:
      raster: the raster of the mesh.
      triangles: vertex indices.
      z: the depth of each vertex, pixels, toward the camera. It may differ from that of the raster.
    """
    depth = rasterizer.interpolate(raster, triangles, z[:, None])[..., 0]
    covered = raster.covered
    grey = np.zeros(depth.shape, np.uint16)
    if not covered.any():
        return DepthMap(grey, 0.0, 1.0)
    low = float(depth.min(where=covered, initial=np.inf))
    high = float(depth.max(where=covered, initial=-np.inf))
    scale = (high - low) / (_NEAREST - 1) or 1.0
    offset = low - scale
    for rows, _ in rasterizer.strips(raster):
        levels = (depth[rows].astype(np.float64) - offset) / scale
        grey[rows] = np.where(covered[rows], np.clip(np.rint(levels), 1, _NEAREST), 0)
    return DepthMap(grey, offset, scale)


@typed
def normal_map(
    raster: rasterizer.Raster,
    triangles: Int[np.ndarray, "F 3"],
    normals: Float[np.ndarray, "V 3"],
) -> UInt8[np.ndarray, "H W 3"]:
    """Encodes normals as colours.

    Args:
      raster: the raster of the mesh.
      triangles: vertex indices.
      normals: the outward normal of each vertex, image frame (y down).

    Returns:
      RGB = 255 (n + 1) / 2 of the unit normal n, with x right, y up and z toward the camera. Pixels
      without a face are black, which encodes no unit vector.
    """
    picture = np.zeros((*raster.triangle.shape, 3), np.uint8)
    for rows, strip in rasterizer.strips(raster):
        covered = strip.covered
        summed = rasterizer.interpolate(strip, triangles, normals)[covered] * _Y_UP
        lengths = np.linalg.norm(summed, axis=-1, keepdims=True)
        unit = summed / np.maximum(lengths, np.finfo(np.float32).tiny)
        picture[rows][covered] = _as_bytes((unit + 1) / 2)
    return picture


@typed
def coordinate_map(
    raster: rasterizer.Raster,
    triangles: Int[np.ndarray, "F 3"],
    coordinates: Float[np.ndarray, "V 3"],
) -> UInt8[np.ndarray, "H W 3"]:
    """Encodes coordinates on the mean face as colours.

    Args:
      raster: the raster of the mesh.
      triangles: vertex indices.
      coordinates: the coordinates of each vertex, from 0 to 1 (`normalised_coordinates`).

    Returns:
      RGB = 255 times the coordinates; black for pixels without a face.
    """
    picture = np.zeros((*raster.triangle.shape, 3), np.uint8)
    for rows, strip in rasterizer.strips(raster):
        picture[rows] = _as_bytes(rasterizer.interpolate(strip, triangles, coordinates))
    return picture


@typed
def normalised_coordinates(mean: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "V 3"]:
    """Computes the Normalised Coordinate Code of each vertex (Zhu et al., CVPR 2016, equation 4).

    Each axis of the mean face is normalised separately to the range from 0 to 1: x to the subject's
    left, y up, z out of the face.

    Args:
      mean: vertices of the mean face, model frame.
    """
    low = mean.min(axis=0)
    return (mean - low) / (mean.max(axis=0) - low)


def _as_bytes(values: Float32[np.ndarray, "*shape"]) -> UInt8[np.ndarray, "*shape"]:
    return np.rint(255 * values.clip(0, 1)).astype(np.uint8)
