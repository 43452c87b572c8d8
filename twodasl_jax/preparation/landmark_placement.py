"""Where on the mesh of a face model the points of a manual mark-up lie: placed by many fitted faces.

Annotators and annotations differ in what they call the outer end of a brow. The place of each point is chosen to
minimise, over fitted faces n that show it,

    sum_n w_n | x_n - sum_j b_j p_n(v_j) |^2,    b_j >= 0,  sum_j b_j = 1,

where x_n is the label, p_n the projection of the face, and v_1, v_2, v_3 the corners of a triangle near a first guess,
or two vertices of the midline. All that is needed of the faces is the Gram matrix of p_n(v) - x_n over the vertices. A
point and its mirror image are placed together.
"""

import dataclasses
import itertools

import numpy as np
from jaxtyping import Float, Int

from twodasl_jax.geometry.morphable_model import LandmarkRows, MorphableModel

# Residuals beyond this share of the face's size count less and less (Cauchy).
_OUTLIER = 0.03


@dataclasses.dataclass(frozen=True)
class MarkUp:
    """What is known of P points before they are placed.

    Attributes:
      guess: (P, 3) roughly where each lies on the mean face, model frame.
      mirror: (P,) the point on the other side; itself on the midline.
      reach: how far from the guess a point may lie, mm.
    """

    guess: Float[np.ndarray, "P 3"]
    mirror: Int[np.ndarray, " P"]
    reach: float


def place_landmarks(
    model: MorphableModel,
    mark_up: MarkUp,
    vertices: Float[np.ndarray, "N V 2"],
    labels: Float[np.ndarray, "N P 2"],
    weights: Float[np.ndarray, "N P"],
) -> LandmarkRows:
    """Returns where the points of a mark-up lie.

    Args:
      model: whose mesh they are placed on.
      mark_up: the points.
      vertices: (N, V, 2) fitted faces, in units of their size.
      labels: (N, P, 2) in the same frame; nan where there is none.
      weights: (N, P) how much each label counts.
    """
    corners = np.zeros((len(mark_up.guess), 3), np.int32)
    shares = np.zeros((len(mark_up.guess), 3), np.float32)
    mirror = np.asarray(model.mirror)
    for point, twin in enumerate(mark_up.mirror):
        if point > twin:
            continue
        candidates = _candidates(model, mark_up.guess[point], mark_up.reach, point == twin)
        near = np.unique(candidates)
        gram = _gram(vertices[:, near], labels[:, point], weights[:, point])
        if point < twin:
            gram += _gram(vertices[:, mirror[near]], labels[:, twin], weights[:, twin])
        chosen, share = _best_place(gram, np.searchsorted(near, candidates))
        corners[twin], shares[twin] = mirror[candidates[chosen]], share
        corners[point], shares[point] = candidates[chosen], share
    return LandmarkRows(corners, shares)


def _candidates(
    model: MorphableModel, guess: Float[np.ndarray, "3"], reach: float, midline: bool
) -> Int[np.ndarray, "C 3"]:
    """Returns the triangles within reach.

    For a point of the midline it is the segments between any two vertices there, as triangles of two corners: the
    centre of the mouth lies on no lip.
    """
    near = np.linalg.norm(model.mean - guess, axis=1) <= reach
    if not midline:
        triangles = np.asarray(model.triangles)
        return triangles[near[triangles].all(axis=1)]
    own = np.flatnonzero(near & (np.asarray(model.mirror) == np.arange(len(model.mean))))
    return np.array(list(itertools.combinations(own, 2)), np.int32)[:, [0, 1, 1]]


def _gram(
    points: Float[np.ndarray, "N U 2"],
    label: Float[np.ndarray, "N 2"],
    weight: Float[np.ndarray, " N"],
) -> Float[np.ndarray, "U U"]:
    known = ~np.isnan(label).any(axis=1) & (weight > 0)
    residuals = (points[known] - label[known, None]).astype(np.float64)
    nearest = np.min(np.sum(residuals**2, axis=-1), axis=1)
    robust = weight[known] / (1 + nearest / _OUTLIER**2)
    return np.einsum("n,nud,nvd->uv", robust, residuals, residuals, optimize=True)


def _best_place(
    gram: Float[np.ndarray, "U U"], candidates: Int[np.ndarray, "C 3"]
) -> tuple[int, Float[np.ndarray, "3"]]:
    """Returns which triangle holds the least squares, and the weights of its corners."""
    blocks = gram[candidates[:, :, None], candidates[:, None, :]]
    _, row, share = min((_least(blocks, subset) for subset in _SUBSETS), key=lambda found: found[0])
    return row, share


# Of the corners of a triangle: the least squares lie inside of it, on an edge or on a corner.
_SUBSETS = [subset for size in (1, 2, 3) for subset in itertools.combinations(range(3), size)]


def _least(
    blocks: Float[np.ndarray, "C 3 3"], subset: tuple[int, ...]
) -> tuple[float, int, Float[np.ndarray, "3"]]:
    """Returns the least squares over all triangles whose solution has positive weights on these corners alone."""
    parts = blocks[:, subset][:, :, subset]
    scale = np.trace(parts, axis1=1, axis2=2)[:, None, None]
    solved = np.linalg.solve(
        parts + 1e-9 * scale * np.eye(len(subset)), np.ones((len(parts), len(subset), 1))
    )[..., 0]
    shares = solved / solved.sum(axis=1, keepdims=True)
    costs = np.einsum("ci,cij,cj->c", shares, parts, shares)
    costs = np.where((shares >= 0).all(axis=1), costs, np.inf)
    row = int(np.argmin(costs))
    share = np.zeros(3, np.float32)
    share[list(subset)] = shares[row]
    return float(costs[row]), row, share
