"""Reconstructed meshes against true surfaces: one number for each face, in millimetres or percent."""

import numpy as np
from jaxtyping import Float

from twodasl_jax.evaluation.mesh_error import Surface, crop_around, fit_to_surface
from twodasl_jax.geometry.alignment import similarity_between

# What counts as the face, around the tip of the nose.
FACE_RADIUS_MM = 95.0
NOSE_TIP = 30

_UP = np.array([1.0, -1.0, 1.0], np.float32)
# Brows, eyes, nose and mouth; the jaw's points follow the outline in some annotations.
_INNER = slice(17, 68)


def upright(points: Float[np.ndarray, "*batch N 3"]) -> Float[np.ndarray, "*batch N 3"]:
    """Turns the image frame (y down), which is left-handed, into a right-handed one (y up), and back."""
    return points * _UP


def face_of(surface: Surface, landmarks: Float[np.ndarray, "68 3"]) -> Surface:
    """Returns the part of a surface (mm) that lies within 95 mm of its nose tip.

    Raises:
      DatasetError: there is none.
    """
    return crop_around(surface, landmarks[NOSE_TIP].astype(np.float64), FACE_RADIUS_MM)


def mean_distances(
    surface: Surface,
    true_landmarks: Float[np.ndarray, "68 3"],
    vertices: Float[np.ndarray, "R 3"],
    landmarks: Float[np.ndarray, "68 3"],
) -> tuple[float, float]:
    """Returns the mean point-to-point and point-to-plane distance of a true surface from a mesh of any topology.

    The mesh is laid onto the surface by its inner landmarks, then by ICP, with scale.

    Args:
      surface: in mm.
      true_landmarks: of the surface, mm; they only start the search, and may be rough.
      vertices: of the mesh, in any right-handed frame and unit.
      landmarks: of the mesh, in the same frame.

    Returns:
      mm, both nan where the mesh has values that are not finite.
    """
    if not (np.isfinite(vertices).all() and np.isfinite(landmarks).all()):
        return float("nan"), float("nan")
    source, target = (points[_INNER].astype(np.float32) for points in (landmarks, true_landmarks))
    start = similarity_between(source, target, np.ones(len(source), np.float32))
    fit = fit_to_surface(vertices.astype(np.float64), surface, start, with_scale=True)
    return float(fit.point_to_point.mean()), float(fit.point_to_plane.mean())
