"""Confidence in the colour that a photo shows at a point of a face.

The confidence is 0 for points that are hidden or face away from the camera. It is low for points
near the outline of the face, near the border of the photo or far from the landmarks. There, a small
reconstruction error would give the colour of something other than the face.
"""

from typing import NamedTuple

import numpy as np
import scipy.ndimage
import scipy.spatial
from jaxtyping import Float, Float32, Int

from twodasl_jax.array_types import typed
from twodasl_jax.geometry.mesh import vertex_normals
from twodasl_jax.rendering import rasterizer
from twodasl_jax.rendering.interpolation import linear_step, sample_bilinear
from twodasl_jax.rendering.marks import face_size
from twodasl_jax.rendering.visibility import ambient_visibility

# Each ramp gives the values at which a confidence is 0 and 1.
# z of the normal: a pixel on a surface seen edge-on may already show the background.
_FACING_RAMP = (0.2, 0.5)
# If the mirrored point faces the camera better, this fraction of the difference is subtracted.
_MIRROR_PREFERENCE = 0.4
# Distances from the outline of the face and from the border of the photo, relative to the larger
# side of the face.
_OUTLINE_RAMP = (0.01, 0.035)
_BORDER_RAMP = (0.0, 0.02)
# Depth relative to the z-buffer, in the same unit; negative values lie behind it.
_DEPTH_RAMP = (-0.02, -0.01)
# Distance from the nearest landmark, relative to the size of the face. Points farther away show
# hair, a hat, a collar or the background.
_LANDMARK_RAMP = (0.5, 0.34)
# Height above the chin, in the same unit: a collar may cover the throat.
_THROAT_RAMP = (-0.14, 0.0)
# Ambient visibility of a vertex outside a cavity and deep inside one.
_CAVITY_RAMP = (0.25, 0.03)
_LIGHT_DIRECTIONS = 24
_RESOLUTION = 512
_BORDER_PIXELS = 1.5  # margin on each side of the face, z-buffer pixels


class FaceSurface(NamedTuple):
    """Properties of a face model's surface, shared by all faces.

    Attributes:
      triangles: vertex indices, counter-clockwise from outside in the model frame.
      mirror: the index of each vertex's mirror vertex on the other side of the face.
      face_weight: weights from 0 to 1, 1 for vertices of the face itself.
      cavity: depth of each vertex in a cavity such as the mouth, from 0 to 1.
    """

    triangles: Int[np.ndarray, "F 3"]
    mirror: Int[np.ndarray, " V"]
    face_weight: Float32[np.ndarray, " V"]
    cavity: Float32[np.ndarray, " V"]


class FaceRaster(NamedTuple):
    """A z-buffer of one face, at a fixed resolution and with a margin.

    Attributes:
      origin: the smallest x, y and z of the face, image frame.
      side: the larger side of the face in the photo, pixels.
      raster: the raster of the face; its depths are in its own pixels.
    """

    origin: Float[np.ndarray, "3"]
    side: float
    raster: rasterizer.Raster


@typed
def build_face_surface(
    mean: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    mirror: Int[np.ndarray, " V"],
    landmarks: Float[np.ndarray, "68 3"],
) -> FaceSurface:
    """Computes the surface properties of a face model from its mean face.

    Args:
      mean: vertices of the mean face, model frame.
      triangles: vertex indices, counter-clockwise from outside.
      mirror: the index of each vertex's mirror vertex on the other side of the face.
      landmarks: landmarks of the mean face, model frame.
    """
    size = face_size(landmarks)
    distance, _ = scipy.spatial.KDTree(landmarks).query(mean)
    above_chin = (mean[:, 1] - landmarks[:, 1].min()) / size
    face_weight = _ramp(distance / size, _LANDMARK_RAMP) * _ramp(above_chin, _THROAT_RAMP)
    light = ambient_visibility(mean, triangles, _LIGHT_DIRECTIONS)
    return FaceSurface(triangles, mirror, face_weight, _ramp(light, _CAVITY_RAMP))


@typed
def rasterize_face(
    vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"]
) -> FaceRaster:
    """Rasterises a face at a fixed resolution.

    Args:
      vertices: mesh in the image frame, pixels.
      triangles: vertex indices.
    """
    origin, side = vertices.min(axis=0), float(np.ptp(vertices[:, :2], axis=0).max())
    size = _RESOLUTION + int(2 * _BORDER_PIXELS)
    raster = rasterizer.rasterize(_on_grid(vertices, origin, side), triangles, size, size)
    return FaceRaster(origin, side, raster)


@typed
def vertex_confidence(
    vertices: Float[np.ndarray, "V 3"], surface: FaceSurface, face: FaceRaster
) -> Float32[np.ndarray, " V"]:
    """Returns the factors of the confidence that vary slowly over the surface, from 0 to 1.

    These are the orientation of the surface, the distance from the outline and the face weight.

    Args:
      vertices: mesh in the image frame, pixels.
      surface: surface properties of the face model.
      face: the raster of this face.
    """
    toward_camera = vertex_normals(vertices, surface.triangles)[:, 2]
    mirror_advantage = np.maximum(toward_camera[surface.mirror] - toward_camera, 0)
    mirror_visible = _depth_confidence(vertices, face)[surface.mirror]
    facing = toward_camera - _MIRROR_PREFERENCE * mirror_advantage * mirror_visible
    # The orientation of a cavity's walls does not matter if they are visible through its opening.
    oriented = np.maximum(_ramp(facing, _FACING_RAMP), surface.cavity)
    from_outline = scipy.ndimage.distance_transform_edt(face.raster.covered) / _RESOLUTION
    on_grid = _on_grid(vertices, face.origin, face.side)
    inside = sample_bilinear(from_outline[..., None], on_grid)[:, 0]
    return oriented * _ramp(inside, _OUTLINE_RAMP) * surface.face_weight


@typed
def point_confidence(
    points: Float[np.ndarray, "N 3"], face: FaceRaster, height: int, width: int
) -> Float32[np.ndarray, " N"]:
    """Returns the factors of the confidence that may change abruptly, from 0 to 1.

    These are the visibility of a point and its distance from the border of the photo.

    Args:
      points: points on the surface, image frame.
      face: the raster of the face.
      height: the height of the photo, pixels.
      width: the width of the photo, pixels.
    """
    x, y, _ = points.T
    from_border = np.minimum(np.minimum(x, width - x), np.minimum(y, height - y))
    return _depth_confidence(points, face) * _ramp(from_border / face.side, _BORDER_RAMP)


def _depth_confidence(
    points: Float[np.ndarray, "N 3"], face: FaceRaster
) -> Float32[np.ndarray, " N"]:
    on_grid = _on_grid(points, face.origin, face.side)
    column, row = np.clip(on_grid[:, :2], 0, len(face.raster.depth) - 1).astype(int).T
    in_front = on_grid[:, 2] - face.raster.depth[row, column]
    return _ramp(in_front / _RESOLUTION, _DEPTH_RAMP)


def _on_grid(
    points: Float[np.ndarray, "N 3"], origin: Float[np.ndarray, "3"], side: float
) -> Float[np.ndarray, "N 3"]:
    return (points - origin) * (_RESOLUTION / side) + _BORDER_PIXELS


def _ramp(
    values: Float[np.ndarray, " N"], limits: tuple[float, float]
) -> Float32[np.ndarray, " N"]:
    return linear_step(values, *limits).astype(np.float32)
