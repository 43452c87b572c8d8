"""Expression units, and the metric in which the displacements of a face are compared."""

import dataclasses
import functools

import numpy as np
from jaxtyping import Float, Int

from twodasl_jax.array_types import typed

# The share of the metric on the landmarks. The rest is spread over the skin, in proportion to its area.
LANDMARK_SHARE = 0.9


@dataclasses.dataclass(frozen=True, eq=False)
class ExpressionUnits:
    """K named expression movements of a face model. The activations of a face lie in [0, 1].

    Attributes:
      names: the names of the units, by ARKit or by the face model. Left and right are the subject's.
      displacements: (V, 3, K) the displacement of each vertex at full activation, model frame, mm.
      metric: (V,) the weight of each vertex in comparisons of displacements; sums to one.
      at_rest: (K,) the activations of the mean face, which may have parted lips.
    """

    names: tuple[str, ...]
    displacements: Float[np.ndarray, "V 3 K"]
    metric: Float[np.ndarray, " V"]
    at_rest: Float[np.ndarray, " K"]

    @functools.cached_property
    def movements(self) -> Float[np.ndarray, "D K"]:
        """The displacements as columns. Their squared length is the mean squared displacement, mm^2."""
        return in_metric(self.displacements, self.metric)


@typed
def vertex_metric(
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    landmark_vertices: Int[np.ndarray, "68 3"],
    landmark_weights: Float[np.ndarray, "68 3"],
) -> Float[np.ndarray, " V"]:
    """Returns the weight of each vertex in comparisons of displacements.

    Args:
      vertices: (V, 3) the mean face, mm.
      triangles: (F, 3) the triangles of the skin.
      landmark_vertices: (68, 3) the vertices of the triangle of each landmark.
      landmark_weights: (68, 3) the barycentric weights of each landmark.

    Returns:
      (V,) positive weights; sum to one.
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
    """Returns displacement fields as columns, scaled so that dot products weight the vertices by a metric.

    Args:
      displacements: (V, 3, N) the displacement fields.
      metric: (V,) the weights of the vertices; sum to one.

    Returns:
      (3 V, N) columns. Their squared lengths are mean squared displacements.
    """
    weighted = displacements * np.sqrt(metric.astype(np.float64))[:, None, None]
    return weighted.reshape(-1, displacements.shape[-1])
