"""Distances between reconstructed meshes and true surfaces, in millimetres."""

import numpy as np
from jaxtyping import Float

from twodasl_jax.evaluation.mesh_error import Surface, crop_around, fit_to_surface
from twodasl_jax.geometry.alignment import similarity_between

# The face is the part of a surface within this radius of the nose tip.
FACE_RADIUS_MM = 95.0
NOSE_TIP = 30

_FLIP_Y = np.array([1.0, -1.0, 1.0], np.float32)
# Brows, eyes, nose and mouth. The jaw landmarks follow the outline in some annotations.
_INNER = slice(17, 68)


def flip_y(points: Float[np.ndarray, "*batch N 3"]) -> Float[np.ndarray, "*batch N 3"]:
    """Converts between the image frame (y down, left-handed) and a right-handed frame (y up)."""
    return points * _FLIP_Y


def crop_face(surface: Surface, landmarks: Float[np.ndarray, "68 3"]) -> Surface:
    """Returns the part of a surface (mm) within 95 mm of its nose tip.

    Raises:
      DatasetError: there is no such part.
    """
    return crop_around(surface, landmarks[NOSE_TIP].astype(np.float64), FACE_RADIUS_MM)


def mean_distances(
    surface: Surface,
    true_landmarks: Float[np.ndarray, "68 3"],
    vertices: Float[np.ndarray, "R 3"],
    landmarks: Float[np.ndarray, "68 3"],
) -> tuple[float, float]:
    """Returns the mean point-to-point and point-to-plane distance from a true surface to a mesh of any topology.

    The mesh is aligned to the surface with scale, first by its inner landmarks and then by ICP.

    Args:
      surface: the true surface in mm.
      true_landmarks: (68, 3) landmarks of the surface in mm. They only initialise the alignment and may be rough.
      vertices: (R, 3) vertices of the mesh, in any right-handed frame and unit.
      landmarks: (68, 3) landmarks of the mesh, in the same frame.

    Returns:
      Both distances in mm; nan if the mesh is not finite.
    """
    if not (np.isfinite(vertices).all() and np.isfinite(landmarks).all()):
        return float("nan"), float("nan")
    source, target = (points[_INNER].astype(np.float32) for points in (landmarks, true_landmarks))
    start = similarity_between(source, target, np.ones(len(source), np.float32))
    fit = fit_to_surface(vertices.astype(np.float64), surface, start, with_scale=True)
    return float(fit.point_to_point.mean()), float(fit.point_to_plane.mean())
