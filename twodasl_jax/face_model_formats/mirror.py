"""The mirror map of a face mesh that is not exactly symmetric."""

import numpy as np
import scipy.sparse
import scipy.spatial
from jaxtyping import Float, Int

_FLIP_X = np.array([-1.0, 1.0, 1.0])
# The number of nearest vertices on the other side that are considered as partners.
_CANDIDATES = 10


def vertex_mirror(points: Float[np.ndarray, "V 3"]) -> Int[np.ndarray, " V"]:
    """Returns the index of each vertex's partner on the other side of the face, an involution.

    Two vertices are partners if each is the vertex nearest to the mirror image of the other. A vertex near the midline
    is its own partner. These pairs cover a symmetric mesh completely.

    The remaining vertices are matched among themselves, each with one of its ten nearest candidates. The matching
    minimises the sum of the distances between vertices and the mirror images of their partners. A vertex is its own
    partner if that makes the sum smaller.

    Args:
      points: (V, 3) the mean face, with its midline at x = 0.
    """
    mirror = np.arange(len(points))
    _, nearest = scipy.spatial.cKDTree(points).query(points * _FLIP_X)
    mutual = nearest[nearest] == mirror
    mirror[mutual] = nearest[mutual]
    right = np.flatnonzero(~mutual & (points[:, 0] < 0))
    left = np.flatnonzero(~mutual & (points[:, 0] > 0))
    if right.size and left.size:
        partners = _partners(points[right] * _FLIP_X, points[left])
        paired = partners >= 0
        mirror[right[paired]] = left[partners[paired]]
        mirror[left[partners[paired]]] = right[paired]
    return mirror


def _partners(
    images: Float[np.ndarray, "R 3"], left: Float[np.ndarray, "L 3"]
) -> Int[np.ndarray, " R"]:
    """Returns the index in `left` of the partner of each mirrored right vertex, -1 for none."""
    neighbours = range(1, min(_CANDIDATES, len(left)) + 1)
    distance, candidates = scipy.spatial.cKDTree(left).query(images, k=neighbours)
    # Half the reduction of the summed distance if two vertices are each other's partners instead of their own.
    gain = images[:, :1] + left[candidates, 0] - distance
    return _best_matching(gain, candidates, len(left))


def _best_matching(
    gain: Float[np.ndarray, "R K"], candidates: Int[np.ndarray, "R K"], column_count: int
) -> Int[np.ndarray, " R"]:
    """Returns the candidate of each row in the matching of largest total gain, -1 for none."""
    count, width = gain.shape
    # One extra column per row, with gain zero, lets the row stay unmatched.
    alone = column_count + np.arange(count)[:, None]
    columns = np.concatenate([candidates, alone], axis=1)
    # Sparse matrices drop zeros; a constant offset of all entries does not change the optimum.
    weights = np.pad(gain, [(0, 0), (0, 1)]) + (1 + np.abs(gain).max())
    matrix = scipy.sparse.csr_array(
        (weights.ravel(), (np.repeat(np.arange(count), width + 1), columns.ravel())),
        shape=(count, column_count + count),
    )
    _, matched = scipy.sparse.csgraph.min_weight_full_bipartite_matching(matrix, maximize=True)
    return np.where(matched < column_count, matched, -1)
