"""Triangle meshes on the host: vertex normals.

The arrays are NumPy arrays, because their only callers prepare pictures and point clouds.
"""

import numpy as np
from jaxtyping import Float, Int

from twodasl_jax.array_types import typed


@typed
def vertex_normals(
    vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, "V 3"]:
    """Computes outward unit normals of an image-frame mesh.

    Each is the mean of the normals of the surrounding triangles, weighted by their area; triangles
    that are not finite do not count. Triangles are counter-clockwise seen from outside in the
    right-handed model frame; the image frame is its mirror image (y down), hence the order of the
    cross product.

    Args:
      vertices: mesh in the image frame, pixels.
      triangles: vertex indices.

    Returns:
      Normals in the image frame; z > 0 faces the camera. 0 for a vertex without a triangle.
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
    """Raises `ValueError` where a triangle names a vertex that does not exist."""
    if triangles.size and not 0 <= triangles.min() <= triangles.max() < count:
        raise ValueError(
            f"triangles name the vertices {triangles.min()} to {triangles.max()}, "
            f"but there are {count}: give indices from 0 to {count - 1}"
        )
