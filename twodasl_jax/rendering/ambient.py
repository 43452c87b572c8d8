"""How much of the light from all around reaches the surface of a face."""

import numpy as np
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from twodasl_jax.array_types import typed
from twodasl_jax.geometry.mesh import vertex_normals
from twodasl_jax.rendering import rasterizer

_IMAGE_AXES = np.array([1, -1, 1])


@typed
def ambient_share(
    points: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"], count: int = 96
) -> Float[np.ndarray, " V"]:
    """Returns the share of the light from all around that reaches each vertex; 0 deep in a hole.

    Args:
      points: vertices of a mesh, model frame.
      triangles: vertex indices, counter-clockwise from outside.
      count: from how many directions the light comes.
    """
    height = 1 - (2 * np.arange(count) + 1) / count
    angle = np.pi * (1 + np.sqrt(5)) * np.arange(count)
    radius = np.sqrt(1 - height**2)
    directions = np.stack([radius * np.cos(angle), radius * np.sin(angle), height], axis=-1)
    normals = vertex_normals(points * _IMAGE_AXES, triangles) * _IMAGE_AXES
    reached, total = np.zeros(len(points)), np.zeros(len(points))
    for direction in directions:
        view, _ = Rotation.align_vectors([[0, 0, 1]], [direction])
        turned = view.apply(points) * _IMAGE_AXES
        weight = np.maximum(normals @ direction, 0)
        seen = rasterizer.visible_vertices(turned, triangles, tolerance=0.012)
        reached += weight * seen
        total += weight
    return reached / np.maximum(total, 1e-6)
