"""Triangle meshes on the host: vertex normals and index checks.

The arrays are NumPy arrays, because the callers process meshes on the host.
"""

import numpy as np
from jaxtyping import Float, Int

from twodasl_jax.array_types import typed


@typed
def vertex_normals(
    vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "V 3"]:
    """Computes outward unit normals of a mesh in the image frame.

    A vertex normal is the area-weighted mean of the normals of the adjacent triangles. Triangles
    with a non-finite vertex are ignored. Triangles are counter-clockwise from outside in the
    right-handed model frame. The image frame is its mirror image (y down), which reverses the
    factors of the cross product.

    Args:
      vertices: (V, 3) vertices in the image frame, in pixels.
      triangles: (F, 3) vertex indices.

    Returns:
      (V, 3) normals in the image frame; z > 0 faces the camera. The normal of a vertex without a
      triangle is zero.

    Raises:
      ValueError: if a triangle has an index outside the vertices.
    """
    check_triangles(triangles, len(vertices))
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    doubled_areas = np.cross(c - a, b - a)
    doubled_areas[~np.isfinite(doubled_areas).all(axis=-1)] = 0
    corners = triangles.ravel()
    by_axis = [np.bincount(corners, np.repeat(axis, 3), len(vertices)) for axis in doubled_areas.T]
    sums = np.stack(by_axis, axis=-1).astype(vertices.dtype)
    lengths = np.linalg.norm(sums, axis=-1, keepdims=True)
    return sums / np.where(lengths > 0, lengths, 1)


def check_triangles(triangles: Int[np.ndarray, "F 3"], count: int) -> None:
    """Checks that every triangle refers to one of `count` vertices.

    Raises:
      ValueError: if an index is negative or not below `count`.
    """
    if triangles.size and not 0 <= triangles.min() <= triangles.max() < count:
        raise ValueError(
            f"triangles refer to the vertices {triangles.min()} to {triangles.max()}, "
            f"but there are {count}: give indices from 0 to {count - 1}"
        )
