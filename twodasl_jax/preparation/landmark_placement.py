"""Positions of the landmarks of a mark-up on the mesh of a face model.

Different mark-ups, and different face models, use the same name for slightly different points, such
as the chin or the outer end of a brow. Two functions measure the difference:

    place_landmarks       from labels in the mark-up and fits of the face model to the same faces
    transfer_landmarks    from the mean landmarks of another face model

Both treat a landmark and its mirrored twin together, so that the result is symmetric.

`place_landmarks` minimises, for each landmark and over fitted faces n with a label of it,

    sum_n w_n | x_n - sum_j b_j p_n(v_j) |^2,    b_j >= 0,  sum_j b_j = 1.

Here x_n is the label and p_n the projection of the face. v_1, v_2, v_3 are the vertices of a
triangle near an initial guess, or two vertices of the midline. The sum is a quadratic form of b,
whose matrix is the weighted Gram matrix of p_n(v) - x_n over the vertices.
"""

import dataclasses
import itertools

import numpy as np
import trimesh
from jaxtyping import Float, Int

from twodasl_jax.array_types import typed
from twodasl_jax.geometry.alignment import apply_similarity, similarity_between
from twodasl_jax.geometry.mirroring import LANDMARK_MIRROR
from twodasl_jax.geometry.morphable_model import LandmarkRows, MorphableModel

# The scale of the Cauchy loss of `place_landmarks`, relative to the size of the face.
_OUTLIER = 0.03

_MIRROR_IMAGE = np.array([-1, 1, 1], np.float32)
# The iterations of the reweighted least squares of `transfer_landmarks`, and the smallest distance
# in its weights, relative to the largest one.
_ITERATIONS, _NEGLIGIBLE = 30, 0.01


@dataclasses.dataclass(frozen=True)
class MarkUp:
    """The initial guess for the P landmarks of a mark-up.

    Attributes:
      guess: the (P, 3) approximate positions on the mean face, in the model frame.
      mirror: (P,) the index of the mirrored twin of each landmark, its own index on the midline.
      reach: the largest distance of a landmark from its guess, in mm.
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
    """Returns the positions of the landmarks of a mark-up, measured on labelled faces.

    Args:
      model: the face model.
      mark_up: the initial guess.
      vertices: the (N, V, 2) vertices of fitted faces, in units of the size of each face.
      labels: the (N, P, 2) labels in the same frame, nan where missing.
      weights: the (N, P) weights of the labels.
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
    """Returns the triangles near a guess.

    For a landmark of the midline these are all segments between two vertices of the midline, as
    triangles with a repeated vertex. For example, the centre of the mouth lies between the lips, in
    no triangle of the mesh.
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
    """Returns the weighted Gram matrix of the residuals of U vertices to one landmark."""
    known = ~np.isnan(label).any(axis=1) & (weight > 0)
    residuals = (points[known] - label[known, None]).astype(np.float64)
    nearest = np.min(np.sum(residuals**2, axis=-1), axis=1)
    robust = weight[known] / (1 + nearest / _OUTLIER**2)
    return np.einsum("n,nud,nvd->uv", robust, residuals, residuals, optimize=True)


def _best_place(
    gram: Float[np.ndarray, "U U"], candidates: Int[np.ndarray, "C 3"]
) -> tuple[int, Float[np.ndarray, "3"]]:
    """Returns the row of the triangle with the least sum of squares, and its vertex weights."""
    blocks = gram[candidates[:, :, None], candidates[:, None, :]]
    solutions = (_least_squares(blocks, subset) for subset in _SUBSETS)
    _, row, share = min(solutions, key=lambda solution: solution[0])
    return row, share


# The subsets of the vertices of a triangle. The minimum over a triangle lies inside it, on an edge,
# or at a vertex.
_SUBSETS = [subset for size in (1, 2, 3) for subset in itertools.combinations(range(3), size)]


def _least_squares(
    blocks: Float[np.ndarray, "C 3 3"], subset: tuple[int, ...]
) -> tuple[float, int, Float[np.ndarray, "3"]]:
    """Returns the best triangle with positive weights on a subset of its vertices only.

    Args:
      blocks: the (C, 3, 3) Gram matrix of each triangle.
      subset: the vertices with weights.

    Returns:
      The least sum of squares, the row of the triangle, and its (3,) weights.
    """
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


@typed
def transfer_landmarks(
    model: MorphableModel,
    average: Float[np.ndarray, "V 3"],
    landmarks: Float[np.ndarray, "68 3"],
) -> LandmarkRows:
    """Returns the mesh points nearest to the landmarks of another face model.

    The means of two face models over many photos are the same face. A remaining difference between
    their landmarks is therefore a difference of definition.

    Args:
      model: the face model.
      average: the (V, 3) mean of its fits to many faces, in the model frame.
      landmarks: the (68, 3) mean of the other model over such faces, in any frame and unit without
        reflection.
    """
    mesh = _symmetric(average, np.asarray(model.mirror))
    own = np.einsum("pk,pkc->pc", model.landmark_weights, mesh[np.asarray(model.landmark_vertices)])
    targets = _symmetric(_aligned(landmarks, own), LANDMARK_MIRROR)
    triangles, mirror = np.asarray(model.triangles), np.asarray(model.mirror)
    corners = np.zeros((68, 3), np.int32)
    shares = np.zeros((68, 3), np.float32)
    for point, twin in enumerate(LANDMARK_MIRROR):
        if point <= twin:
            corner, share = _nearest_point(mesh, triangles, targets[point])
            corners[twin], shares[twin] = mirror[corner], share
            corners[point], shares[point] = corner, share
    return LandmarkRows(corners, shares)


def _aligned(
    landmarks: Float[np.ndarray, "68 3"], own: Float[np.ndarray, "68 3"]
) -> Float[np.ndarray, "68 3"]:
    """Returns the landmarks after the similarity with the least sum of distances.

    In a least-squares fit, the few landmarks with another definition would move all others.
    """
    weights = np.ones(len(own), np.float32)
    for _ in range(_ITERATIONS):
        moved = np.asarray(apply_similarity(similarity_between(landmarks, own, weights), landmarks))
        distances = np.linalg.norm(moved - own, axis=1)
        weights = (1 / np.maximum(distances, _NEGLIGIBLE * distances.max())).astype(np.float32)
    return moved


def _symmetric(points: Float[np.ndarray, "P 3"], twins: np.ndarray) -> Float[np.ndarray, "P 3"]:
    return (points + points[twins] * _MIRROR_IMAGE) / 2


def _nearest_point(
    mesh: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    target: Float[np.ndarray, "3"],
) -> tuple[Int[np.ndarray, "3"], Float[np.ndarray, "3"]]:
    """Returns the nearest triangle and the barycentric weights of its nearest point."""
    corners = mesh[triangles]
    nearest = trimesh.triangles.closest_point(corners, np.broadcast_to(target, (len(triangles), 3)))
    row = int(np.argmin(np.linalg.norm(nearest - target, axis=1)))
    weights = trimesh.triangles.points_to_barycentric(corners[[row]], nearest[[row]])[0]
    share = np.clip(weights, 0, None)
    return triangles[row], share / share.sum()
