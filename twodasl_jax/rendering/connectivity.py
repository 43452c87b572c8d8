"""Connectivity of a triangle mesh: its vertex graph and connected components."""

import numpy as np
import scipy.sparse
from jaxtyping import Int
from scipy.sparse.csgraph import connected_components

from twodasl_jax.array_types import typed


@typed
def vertex_graph(triangles: Int[np.ndarray, "F 3"], count: int) -> scipy.sparse.coo_array:
    """Returns the adjacency matrix of a mesh, with one entry per directed triangle edge.

    Args:
      triangles: vertex indices.
      count: the number of vertices.

    Returns:
      A sparse (count, count) matrix of ones. Repeated edges are repeated entries.
    """
    starts, ends = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    return scipy.sparse.coo_array((np.ones(len(starts)), (starts, ends)), shape=(count, count))


@typed
def component_labels(triangles: Int[np.ndarray, "F 3"], count: int) -> Int[np.ndarray, " V"]:
    """Numbers the connected components of a mesh and returns the component of each vertex.

    Args:
      triangles: vertex indices.
      count: V, the number of vertices; a vertex without a triangle is a component of its own.
    """
    _, labels = connected_components(vertex_graph(triangles, count), directed=False)
    return labels
