"""How far a photo can be trusted about the colour of a point of a face.

Not where the point is hidden or turned away; less where a small error of the reconstruction would
show another thing: near the outline of the face, near the border of the photo, far from the
landmarks.
"""

from typing import NamedTuple

import numpy as np
import scipy.ndimage
import scipy.spatial
from jaxtyping import Float, Float32, Int

from twodasl_jax.array_types import typed
from twodasl_jax.geometry.mesh import vertex_normals
from twodasl_jax.rendering import rasterizer
from twodasl_jax.rendering.ambient import ambient_share

# By how far the normal turns toward the camera: edge-on, a pixel may already show the background.
_FACING_RISE = (0.2, 0.5)
# A point whose mirror image faces the camera better is trusted as if it faced it worse by so much
# of the difference.
_PREFERENCE = 0.4
# Distances from the outline of the face and from the border of the photo, over the larger side of the face.
_OUTLINE_RISE = (0.01, 0.035)
_BORDER_RISE = (0.0, 0.02)
# How far a point may lie behind what the z-buffer sees, over the same.
_DEPTH_RISE = (-0.02, -0.01)
_RESOLUTION = 512
# Distances from the nearest landmark, over the size of the face: farther away there are hair, hat,
# collar and whatever lies behind them.
_REACH_RISE = (0.5, 0.34)
# Heights above the chin, over the same: the throat ends in a collar.
_THROAT_RISE = (-0.14, 0.0)
# Shares of the light from all around where a vertex lies in no hole, and deep in one.
_HOLLOW_RISE = (0.25, 0.03)
_LIGHT_DIRECTIONS = 24


class Surface(NamedTuple):
    """What all faces of a face model have in common.

    Attributes:
      triangles: vertex indices, counter-clockwise from outside in the model frame.
      mirror: index of the vertex on the other side of the face.
      reach: how far a vertex is part of the face that photos show, from 0 to 1.
      hollow: how deep it lies in a hole, such as the mouth, from 0 to 1.
    """

    triangles: Int[np.ndarray, "F 3"]
    mirror: Int[np.ndarray, " V"]
    reach: Float32[np.ndarray, " V"]
    hollow: Float32[np.ndarray, " V"]


class PhotoView(NamedTuple):
    """A z-buffer around a face, with a margin.

    Attributes:
      low: least x, y and z of the face, image frame.
      side: larger side of the face in the photo, pixels.
      raster: what each of its pixels sees, depths in its own pixels.
    """

    low: Float[np.ndarray, "3"]
    side: float
    raster: rasterizer.Raster


@typed
def build_surface(
    mean: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    mirror: Int[np.ndarray, " V"],
    landmarks: Float[np.ndarray, "68 3"],
) -> Surface:
    """Measures the mean face.

    Args:
      mean: vertices of the mean face, model frame.
      triangles: vertex indices, counter-clockwise from outside.
      mirror: index of the vertex on the other side of the face.
      landmarks: of the mean face, model frame.
    """
    size = np.sqrt(np.prod(np.ptp(landmarks[:, :2], axis=0)))
    distance, _ = scipy.spatial.KDTree(landmarks).query(mean)
    above_chin = (mean[:, 1] - landmarks[:, 1].min()) / size
    reach = _rise(distance / size, _REACH_RISE) * _rise(above_chin, _THROAT_RISE)
    light = ambient_share(mean, triangles, _LIGHT_DIRECTIONS)
    return Surface(triangles, mirror, reach, _rise(light, _HOLLOW_RISE))


@typed
def view_face(vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"]) -> PhotoView:
    """Looks at a face as the camera does.

    Args:
      vertices: mesh in the image frame, pixels.
      triangles: vertex indices.
    """
    low, side = vertices.min(axis=0), float(np.ptp(vertices[:, :2], axis=0).max())
    size = _RESOLUTION + 3
    raster = rasterizer.rasterize(_on_grid(vertices, low, side), triangles, size, size)
    return PhotoView(low, side, raster)


@typed
def trust_in_surface(
    vertices: Float[np.ndarray, "V 3"], surface: Surface, view: PhotoView
) -> Float32[np.ndarray, " V"]:
    """Returns what changes slowly over the surface: trust by its slope, place and reach, from 0 to 1.

    Args:
      vertices: mesh in the image frame, pixels.
      surface: of the face model.
      view: of this face.
    """
    toward_camera = vertex_normals(vertices, surface.triangles)[:, 2]
    unhidden = _unhidden(vertices, view)
    other_better = np.maximum(toward_camera[surface.mirror] - toward_camera, 0)
    facing = toward_camera - _PREFERENCE * other_better * unhidden[surface.mirror]
    # What is seen through a hole is seen, whichever way its walls run.
    sloped = np.maximum(_rise(facing, _FACING_RISE), surface.hollow)
    covered = view.raster.triangle != rasterizer.NO_TRIANGLE
    from_outline = scipy.ndimage.distance_transform_edt(covered) / _RESOLUTION
    rows_columns = _on_grid(vertices, view.low, view.side)[:, 1::-1].T - 0.5
    inner = scipy.ndimage.map_coordinates(from_outline, rows_columns, order=1)
    return sloped * _rise(inner, _OUTLINE_RISE) * surface.reach


@typed
def trust_in_points(
    points: Float[np.ndarray, "N 3"], view: PhotoView, height: int, width: int
) -> Float32[np.ndarray, " N"]:
    """Returns what changes from one point to the next: whether it is hidden, or outside the photo.

    Args:
      points: on the surface, image frame.
      view: of the face.
      height: of the photo, pixels.
      width: of the photo, pixels.
    """
    x, y, _ = points.T
    from_border = np.minimum(np.minimum(x, width - x), np.minimum(y, height - y))
    return _unhidden(points, view) * _rise(from_border / view.side, _BORDER_RISE)


def _unhidden(points: Float[np.ndarray, "N 3"], view: PhotoView) -> Float32[np.ndarray, " N"]:
    on_grid = _on_grid(points, view.low, view.side)
    column, row = np.clip(on_grid[:, :2], 0, _RESOLUTION + 2).astype(int).T
    before = on_grid[:, 2] - view.raster.depth[row, column]
    return _rise(before / _RESOLUTION, _DEPTH_RISE)


def _on_grid(
    points: Float[np.ndarray, "N 3"], low: Float[np.ndarray, "3"], side: float
) -> Float[np.ndarray, "N 3"]:
    return (points - low) * (_RESOLUTION / side) + 1.5


def _rise(
    values: Float[np.ndarray, " N"], limits: tuple[float, float]
) -> Float32[np.ndarray, " N"]:
    """0 at the first limit and beyond, 1 at the second and beyond, linear between."""
    start, end = limits
    return np.clip((values - start) / (end - start), 0, 1).astype(np.float32)
