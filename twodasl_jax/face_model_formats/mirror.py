"""The vertex on the other side of a face whose mesh is not exactly symmetric."""

import numpy as np
import scipy.sparse
import scipy.spatial
from jaxtyping import Float, Int

_FLIP_X = np.array([-1.0, 1.0, 1.0])
# How many of the nearest vertices on the other side a partner is chosen from.
_CANDIDATES = 10


def vertex_mirror(points: Float[np.ndarray, "V 3"]) -> Int[np.ndarray, " V"]:
    """Returns for each vertex its partner on the other side, or itself; an involution.

    Two vertices are partners where each is the nearest one to the mirror image of the other; near the midline a vertex
    is its own. That is all of a symmetric mesh. Vertices whose nearest one has another partner are then matched among
    themselves, each with one of the nearest ten, so that the sum of the distances between them and the mirror images
    of their partners is smallest. A vertex stays its own partner where that makes the sum smaller.

    Args:
      points: (V, 3) the mean face, with x = 0 in its middle.
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
    """Returns which point on the left is the partner of each mirror image of one on the right; -1 for none."""
    neighbours = range(1, min(_CANDIDATES, len(left)) + 1)
    distance, candidates = scipy.spatial.cKDTree(left).query(images, k=neighbours)
    # By how much two are nearer as partners than each to its own mirror image, half of it.
    gain = images[:, :1] + left[candidates, 0] - distance
    return _best_matching(gain, candidates, len(left))


def _best_matching(
    gain: Float[np.ndarray, "R K"], candidates: Int[np.ndarray, "R K"], column_count: int
) -> Int[np.ndarray, " R"]:
    """Returns which candidate each row gets, each at most once and with the largest total gain; -1 for none."""
    count, width = gain.shape
    # Each row may stay alone: one more column for each, which gains nothing.
    alone = column_count + np.arange(count)[:, None]
    columns = np.concatenate([candidates, alone], axis=1)
    # Matrices of this kind drop zeros, and a constant on all of them changes nothing.
    weights = np.pad(gain, [(0, 0), (0, 1)]) + (1 + np.abs(gain).max())
    matrix = scipy.sparse.csr_array(
        (weights.ravel(), (np.repeat(np.arange(count), width + 1), columns.ravel())),
        shape=(count, column_count + count),
    )
    _, matched = scipy.sparse.csgraph.min_weight_full_bipartite_matching(matrix, maximize=True)
    return np.where(matched < column_count, matched, -1)
