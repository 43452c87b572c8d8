"""Where the landmarks of another face model lie on ours: its average face is laid over ours, and they fall to the skin.

Two face models put "the chin" or "the bridge of the nose" on different spots. Where many photos have been explained by
either, both averages are the same face, so that the difference is one of definition.
"""

import numpy as np
import trimesh
from jaxtyping import Float

from twodasl_jax.array_types import typed
from twodasl_jax.geometry.alignment import apply_similarity, similarity_between
from twodasl_jax.geometry.mirroring import LANDMARK_MIRROR
from twodasl_jax.geometry.morphable_model import LandmarkRows, MorphableModel

_MIRROR_IMAGE = np.array([-1, 1, 1], np.float32)
# Of the iteratively reweighted least squares; shares of the largest distance below which a point counts as met.
_ITERATIONS, _NEGLIGIBLE = 30, 0.01


@typed
def transfer_landmarks(
    model: MorphableModel,
    average: Float[np.ndarray, "V 3"],
    landmarks: Float[np.ndarray, "68 3"],
) -> LandmarkRows:
    """Returns the points of the mesh that are nearest to another model's landmarks.

    Landmarks are taken as symmetric, and so are the results.

    Args:
      model: whose mesh they are placed on.
      average: (V, 3) its mean over many faces, model frame.
      landmarks: (68, 3) the other model's mean over such faces, in a frame and unit of its own that keeps left and
        right.
    """
    mesh = _symmetric(average, np.asarray(model.mirror))
    own = np.einsum("pk,pkc->pc", model.landmark_weights, mesh[np.asarray(model.landmark_vertices)])
    targets = _symmetric(_laid_over(landmarks, own), LANDMARK_MIRROR)
    triangles, mirror = np.asarray(model.triangles), np.asarray(model.mirror)
    corners = np.zeros((68, 3), np.int32)
    shares = np.zeros((68, 3), np.float32)
    for point, twin in enumerate(LANDMARK_MIRROR):
        if point <= twin:
            corner, share = _nearest_point(mesh, triangles, targets[point])
            corners[twin], shares[twin] = mirror[corner], share
            corners[point], shares[point] = corner, share
    return LandmarkRows(corners, shares)


def _laid_over(
    landmarks: Float[np.ndarray, "68 3"], own: Float[np.ndarray, "68 3"]
) -> Float[np.ndarray, "68 3"]:
    """Returns landmarks moved by the similarity that has the least sum of distances.

    Not of squares: the few that are defined differently must not move the others.
    """
    weights = np.ones(len(own), np.float32)
    for _ in range(_ITERATIONS):
        moved = np.asarray(apply_similarity(similarity_between(landmarks, own, weights), landmarks))
        distances = np.linalg.norm(moved - own, axis=1)
        weights = (1 / np.maximum(distances, _NEGLIGIBLE * distances.max())).astype(np.float32)
    return moved


def _symmetric(points: Float[np.ndarray, "P 3"], twins: np.ndarray) -> Float[np.ndarray, "P 3"]:
    return (points + points[twins] * _MIRROR_IMAGE) / 2


def _nearest_point(mesh, triangles, target) -> tuple[np.ndarray, np.ndarray]:
    """Returns the corners of the nearest triangle, and the barycentric weights of its nearest point."""
    corners = mesh[triangles]
    nearest = trimesh.triangles.closest_point(corners, np.broadcast_to(target, (len(triangles), 3)))
    row = int(np.argmin(np.linalg.norm(nearest - target, axis=1)))
    weights = trimesh.triangles.points_to_barycentric(corners[[row]], nearest[[row]])[0]
    share = np.clip(weights, 0, None)
    return triangles[row], share / share.sum()
