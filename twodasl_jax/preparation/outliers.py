"""Removal of outliers: labels that are far from a robust fit to all labels of the face.

Detectors and annotators sometimes place a landmark on an earring, or all landmarks on another face.
Two kinds of labels are never compared with the fit. Hidden landmarks do not take part in fits. Jaw
labels of the side that faces away from the camera follow the outline of the cheek, up to 20 % of
the face size away, in all manual labels (`pseudo_3d`).
"""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float

from twodasl_jax.data.face_crops import NOT_LABELLED
from twodasl_jax.geometry.landmark_sets import REGIONS
from twodasl_jax.preparation.labelled_images import LabelledImages, keep_faces
from twodasl_jax.preparation.pseudo_3d import drop_far_jaw, label_weights

# The median length of a vector of two independent coordinates with a standard deviation of one.
_RAYLEIGH_MEDIAN = np.sqrt(2 * np.log(2))
_NAMES_REPORTED = 10
# Jaw labels of the far side are not compared beyond this yaw. The fit itself uses them up to a
# larger yaw.
_OUTLINE_YAW = np.radians(4.0)


@dataclasses.dataclass(frozen=True)
class OutlierLimits:
    """Limits beyond which landmarks and faces are dropped.

    All lengths are relative to the size of the face, the geometric mean of the sides of its
    bounding box.

    Attributes:
      sigmas: the distance from the fit beyond which a landmark is an outlier, in robust standard
        deviations of the landmarks of the same face.
      floor: the distance from the fit within which no landmark is an outlier. Correct manual labels
        of whole brows and jaws differ from the face model by up to 8 %, because annotators draw
        them elsewhere.
      misfit: the largest root mean square distance of the remaining landmarks of a face from the
        fit.
      fewest_points: the smallest number of remaining landmarks of a face.
    """

    sigmas: float = 4.0
    floor: float = 0.1
    misfit: float = 0.06
    fewest_points: int = 12


@dataclasses.dataclass(frozen=True)
class OutlierReport:
    """Statistics of dropped landmarks and faces.

    Attributes:
      compared: the number of landmarks that were compared with the fit.
      points: the number of outliers in each part of the face (`REGIONS`).
      faces: the number of dropped faces.
      worst: the names of up to ten faces that were dropped or have lost landmarks, largest distance
        first.
    """

    compared: int
    points: dict[str, int]
    faces: int
    worst: tuple[str, ...]


def drop_outliers(
    images: LabelledImages,
    fitted: Float[np.ndarray, "N 68 2"],
    yaw: Float[np.ndarray, " N"],
    limits: OutlierLimits = OutlierLimits(),
) -> tuple[LabelledImages, OutlierReport]:
    """Drops outliers, and faces with too few or too inaccurate remaining landmarks.

    Args:
      images: the faces.
      fitted: their (N, 68, 2) landmarks after a robust fit (`fitted_landmarks`), in the same frame.
      yaw: the (N,) yaws of the fits in radians. Faces without a fit (nan) are dropped.
      limits: the limits.

    Returns:
      The remaining faces, and the statistics of the dropped landmarks and faces.
    """
    compared = _compared(images, yaw)
    size = np.sqrt(np.prod(np.ptp(fitted, axis=1), axis=-1))
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.linalg.norm(images.landmarks - fitted, axis=-1) / size[:, None]
    distance = np.where(compared, distance, np.nan)
    limit = np.maximum(limits.sigmas * _robust_sigma(distance), limits.floor)
    outlier = distance > limit[:, None]
    remaining = compared & ~outlier
    count = remaining.sum(axis=1)
    mean_square = np.where(remaining, distance**2, 0.0).sum(axis=1) / np.maximum(count, 1)
    kept = (count >= limits.fewest_points) & (mean_square <= limits.misfit**2)
    farthest = np.where(compared, distance, 0.0).max(axis=1)
    affected = np.flatnonzero(outlier.any(axis=1) | ~kept)
    worst = affected[np.argsort(-farthest[affected], kind="stable")][:_NAMES_REPORTED]
    cleaned = dataclasses.replace(
        images,
        landmarks=np.where(outlier[..., None], np.float32(np.nan), images.landmarks),
        visibility=np.where(outlier, NOT_LABELLED, images.visibility).astype(np.int8),
    )
    return keep_faces(cleaned, kept), OutlierReport(
        compared=int(compared.sum()),
        points={name: int(outlier[:, points].sum()) for name, points in REGIONS.items()},
        faces=int((~kept).sum()),
        worst=tuple(images.names[row] for row in worst),
    )


def _compared(images: LabelledImages, yaw: Float[np.ndarray, " N"]) -> Bool[np.ndarray, "N 68"]:
    """Returns a mask of the landmarks that are compared with the fit."""
    trusted = ~np.isnan(drop_far_jaw(images.landmarks, yaw, _OUTLINE_YAW)).any(-1)
    return trusted & (label_weights(images.visibility) > 0) & ~np.isnan(yaw)[:, None]


def _robust_sigma(distance: Float[np.ndarray, "N 68"]) -> Float[np.ndarray, " N"]:
    """Estimates the standard deviation of a coordinate in each face by the median, ignoring nan."""
    # Rows of only nan are filled to avoid NumPy's warning.
    empty = np.isnan(distance).all(axis=1)
    filled = np.where(empty[:, None], 0.0, distance)
    return np.nanmedian(filled, axis=1) / _RAYLEIGH_MEDIAN
