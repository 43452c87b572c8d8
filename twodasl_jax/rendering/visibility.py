"""Visibility of points and vertices, computed with z-buffers of a fixed resolution.

The cost and the result do not depend on the size of the photo.
"""

import numpy as np
from jaxtyping import Bool, Float, Int
from scipy.spatial.transform import Rotation

from twodasl_jax.array_types import typed
from twodasl_jax.geometry.mesh import vertex_normals
from twodasl_jax.rendering.rasterizer import rasterize

_Y_UP = np.array([1, -1, 1])
_AMBIENT_TOLERANCE = 0.012


@typed
def visible_vertices(
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    *,
    resolution: int = 256,
    tolerance: float = 0.02,
) -> Bool[np.ndarray, " V"]:
    """Returns which vertices of a mesh are visible to the camera, inside the picture or not.

    A vertex is visible if its normal faces the camera and no part of the mesh lies in front of it.

    Args:
      vertices: mesh in the image frame, pixels.
      triangles: vertex indices.
      resolution: the number of z-buffer pixels along the longer side of the mesh.
      tolerance: the largest distance behind the z-buffer, as a fraction of the longer side.

    Returns:
      True for visible vertices; False for every vertex that is not finite.
    """
    finite = np.isfinite(vertices).all(axis=-1)
    if not finite.any():
        return finite
    low, high = vertices[finite].min(axis=0), vertices[finite].max(axis=0)
    side = max(float((high - low)[:2].max()), float(np.finfo(np.float32).tiny))
    on_grid = (vertices - low) * (resolution / side)
    depth = rasterize(on_grid, triangles, resolution, resolution).depth
    column, row, z = np.where(finite, on_grid.T, 0)
    last = resolution - 1
    nearest = depth[np.minimum(row, last).astype(int), np.minimum(column, last).astype(int)]
    facing = vertex_normals(vertices, triangles)[:, 2] > 0
    return finite & facing & (z >= nearest - tolerance * resolution)


@typed
def visible_points(
    points: Float[np.ndarray, "P 3"],
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    *,
    resolution: int = 256,
    tolerance: float = 0.02,
) -> Bool[np.ndarray, " P"]:
    """Returns which points are not hidden by a mesh, inside the picture or not.

    Unlike `visible_vertices`, this function ignores normals. The normals at the corners of the eyes
    and lips point into a fold.

    Args:
      points: points in the image frame, pixels.
      vertices: mesh in the image frame, pixels, all finite.
      triangles: vertex indices.
      resolution: the number of z-buffer pixels along the longer side of the mesh.
      tolerance: the largest distance behind the z-buffer, as a fraction of the longer side.
    """
    low = vertices.min(axis=0)
    scale = resolution / np.ptp(vertices[:, :2], axis=0).max()
    x, y, z = ((points - low) * scale).T
    beside = (np.minimum(x, y) < 0) | (np.maximum(x, y) > resolution)
    if beside.all():
        return beside
    depth = rasterize((vertices - low) * scale, triangles, resolution, resolution).depth
    column, row = np.clip(np.stack([x, y]), 0, resolution - 1).astype(int)
    return beside | (z >= depth[row, column] - tolerance * resolution)


@typed
def ambient_visibility(
    points: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"], num_directions: int = 96
) -> Float[np.ndarray, " V"]:
    """Returns the fraction of ambient light that reaches each vertex (1 - ambient occlusion).

    Args:
      points: vertices of a mesh, model frame.
      triangles: vertex indices, counter-clockwise from outside.
      num_directions: the number of light directions, spread evenly over the sphere.
    """
    normals = vertex_normals(points * _Y_UP, triangles) * _Y_UP
    reached, total = np.zeros(len(points)), np.zeros(len(points))
    for direction in _fibonacci_sphere(num_directions):
        to_light, _ = Rotation.align_vectors([[0, 0, 1]], [direction])
        rotated = to_light.apply(points) * _Y_UP
        weight = np.maximum(normals @ direction, 0)
        lit = visible_vertices(rotated, triangles, tolerance=_AMBIENT_TOLERANCE)
        reached += weight * lit
        total += weight
    return reached / np.maximum(total, 1e-6)


def _fibonacci_sphere(count: int) -> Float[np.ndarray, "{count} 3"]:
    """Returns unit vectors that are spread evenly over the sphere."""
    height = 1 - (2 * np.arange(count) + 1) / count
    angle = np.pi * (1 + np.sqrt(5)) * np.arange(count)
    radius = np.sqrt(1 - height**2)
    return np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=-1)
