"""The metric in which displacements of a face are compared: it favours landmarks over skin."""

import numpy as np
from jaxtyping import Float, Int

from twodasl_jax.array_types import typed

# Share of the metric that lies on the landmarks; the rest is spread over the skin by its area.
LANDMARK_SHARE = 0.9


@typed
def vertex_metric(
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    landmark_vertices: Int[np.ndarray, "68 3"],
    landmark_weights: Float[np.ndarray, "68 3"],
) -> Float[np.ndarray, " V"]:
    """Returns how much the displacement of each vertex counts.

    Args:
      vertices: the mean face in mm.
      triangles: the triangles whose area counts.
      landmark_vertices: vertices of the landmarks.
      landmark_weights: their weights.

    Returns:
      Positive weights with sum 1.
    """
    corners = vertices[triangles]
    normal = np.cross(corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0])
    area = np.zeros(len(vertices))
    np.add.at(area, triangles, np.linalg.norm(normal, axis=1)[:, None] / 6.0)
    landmark = np.zeros(len(vertices))
    np.add.at(landmark, landmark_vertices, landmark_weights)
    area = np.maximum(area, 1e-3 * area.mean())
    return (1 - LANDMARK_SHARE) * area / area.sum() + LANDMARK_SHARE * landmark / landmark.sum()


@typed
def in_metric(
    displacements: Float[np.ndarray, "V 3 N"], metric: Float[np.ndarray, " V"]
) -> Float[np.ndarray, "D N"]:
    """Returns displacement fields as columns, so that their dot products weigh each vertex by a metric.

    Args:
      displacements: (V, 3, N) fields.
      metric: (V,) weights with sum 1.

    Returns:
      (3 V, N) columns whose squared lengths are mean squared displacements.
    """
    weighted = displacements * np.sqrt(metric.astype(np.float64))[:, None, None]
    return weighted.reshape(-1, displacements.shape[-1])
