"""Landmarks that cannot be right, found by the face that the others agree on, and dropped.

Detectors and annotators sometimes place a point on an ear-ring, or all of them on a neighbour. Hidden
points count nowhere and are not judged, nor are jaw labels of a side that is turned away ever so little: they follow
the outline of the cheek and are off by up to 20 % of the face's size, but so they are in every manual annotation
(`pseudo_3d`).
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from twodasl_jax.geometry.landmark_sets import REGIONS
from twodasl_jax.preparation.annotated_images import AnnotatedImages, keep_faces
from twodasl_jax.preparation.pseudo_3d import drop_far_jaw, label_weights

# The median length of a vector of two independent coordinates of standard deviation one.
_RAYLEIGH_MEDIAN = np.sqrt(2 * np.log(2))
_NAMES_REPORTED = 10
# Already from this yaw on the outline of the far cheek misleads, though the fit still makes use of it.
_OUTLINE_YAW = np.radians(4.0)


@dataclasses.dataclass(frozen=True)
class OutlierLimits:
    """What counts as wild. Lengths are relative to the face's size, the geometric mean of the sides of its box.

    Attributes:
      sigmas: a point is wild beyond so many robust standard deviations of its own face's points,
      floor: but not within this distance of the fit. In sound manual annotations brows and jaw part from the face
        model by up to 8 % over whole runs of points, because they are drawn elsewhere.
      misfit: a face is dropped if the points that are left are farther off than this, root mean square,
      fewest_points: or are fewer than this.
    """

    sigmas: float = 4.0
    floor: float = 0.1
    misfit: float = 0.06
    fewest_points: int = 12


@dataclasses.dataclass(frozen=True)
class OutlierReport:
    """What was dropped.

    Attributes:
      judged: points that were compared with the fit.
      points: how many of them were wild, by the part of the face (`REGIONS`).
      faces: how many faces were dropped with all their points.
      worst: names of faces that were dropped or have lost points, the farthest off first; not more than ten.
    """

    judged: int
    points: dict[str, int]
    faces: int
    worst: tuple[str, ...]


def drop_outliers(
    images: AnnotatedImages,
    fitted: Float[np.ndarray, "N 68 2"],
    yaw: Float[np.ndarray, " N"],
    limits: OutlierLimits = OutlierLimits(),
) -> tuple[AnnotatedImages, OutlierReport]:
    """Returns faces without their wild points, and without faces of which too little is left.

    Args:
      images: the faces.
      fitted: (N, 68, 2) their landmarks after a robust fit (`fitted_landmarks`), in the same frame.
      yaw: (N,) radians, of the fit; faces without one (nan) are dropped.
      limits: what counts as wild.
    """
    judged = _judged(images, yaw)
    size = np.sqrt(np.prod(np.ptp(fitted, axis=1), axis=-1))
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.linalg.norm(images.landmarks - fitted, axis=-1) / size[:, None]
    distance = np.where(judged, distance, np.nan)
    wild = distance > np.maximum(limits.sigmas * _robust_sigma(distance), limits.floor)[:, None]
    left = judged & ~wild
    count = left.sum(axis=1)
    mean_square = np.where(left, distance**2, 0.0).sum(axis=1) / np.maximum(count, 1)
    kept = (count >= limits.fewest_points) & (mean_square <= limits.misfit**2)
    farthest = np.where(judged, distance, 0.0).max(axis=1)
    touched = np.flatnonzero(wild.any(axis=1) | ~kept)
    worst = touched[np.argsort(-farthest[touched], kind="stable")][:_NAMES_REPORTED]
    cleaned = dataclasses.replace(
        images,
        landmarks=np.where(wild[..., None], np.float32(np.nan), images.landmarks),
        visibility=np.where(wild, 0, images.visibility).astype(np.int8),
    )
    return keep_faces(cleaned, kept), OutlierReport(
        judged=int(judged.sum()),
        points={name: int(wild[:, points].sum()) for name, points in REGIONS.items()},
        faces=int((~kept).sum()),
        worst=tuple(images.names[row] for row in worst),
    )


def _judged(images: AnnotatedImages, yaw: Float[np.ndarray, " N"]) -> Bool[np.ndarray, "N 68"]:
    """Returns which points are compared with the fit."""
    trusted = ~np.isnan(drop_far_jaw(images.landmarks, yaw, _OUTLINE_YAW)).any(-1)
    return trusted & (label_weights(images.visibility) > 0) & ~np.isnan(yaw)[:, None]


def _robust_sigma(distance: Float[np.ndarray, "N 68"]) -> Float[np.ndarray, " N"]:
    """Returns the standard deviation of a coordinate in each face, by the median; nan distances are left out."""
    # numpy warns of rows of nothing but nan.
    nothing = np.isnan(distance).all(axis=1)
    filled = np.where(nothing[:, None], 0.0, distance)
    return np.nanmedian(filled, axis=1) / _RAYLEIGH_MEDIAN
