"""Landmark and pose errors: one number per face and metric.

    metric                    compares                                divides by
    nme68_2d                  x, y of the landmarks                   sqrt(width * height) of the true landmarks' box
    nme68_2d_visible          x, y of the visible landmarks           the same
    nme68_2d_jaw, _brow, ...  x, y of the landmarks of one region     the same, of all landmarks
    nme68_2d_box_diagonal     as nme68_2d                             the diagonal of that box
    nme68_2d_inter_ocular     as nme68_2d                             the distance between the outer eye corners
    nme68_3d                  x, y, z after aligning the mean of z    as nme68_2d
    nme68_3d_similarity       x, y, z after the best similarity       as nme68_2d
    pose_rotation             the angle between the two rotations
    pose_yaw, _pitch, _roll   single angles, for faces within +-99 degrees

For test sets with another number of landmarks, the names contain that number (nme34_2d) and there are no regions.
"""

import functools
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from twodasl_jax.array_types import Array
from twodasl_jax.evaluation import landmark_error, pose_error
from twodasl_jax.geometry.landmark_sets import REGIONS
from twodasl_jax.protocols.annotated_photos import AnnotatedPhotos
from twodasl_jax.protocols.predictions import Predictions

# Single angles are only compared for faces with no angle beyond this many degrees; see `pose_error`.
_LARGEST_ANGLE = 99
_IBUG_COUNT = 68


class FaceErrors(NamedTuple):
    """The errors of N faces by one metric.

    Attributes:
      metric: the name of the metric in `report.json`.
      reference: the annotation set, or the kind of ground truth.
      unit: the unit of the values: "%", "mm" or "degrees".
      values: (N,) errors; nan if a face has no usable prediction.
      defined: (N,) whether the ground truth defines the error of a face. Other faces are excluded from all statistics.
    """

    metric: str
    reference: str
    unit: str
    values: Float[np.ndarray, " N"]
    defined: Bool[np.ndarray, " N"]


class _Comparison(NamedTuple):
    """Landmark distances and their normalisation.

    Attributes:
      distances: (N, P) distances between predicted and true landmarks.
      counted: (N, P) whether a landmark counts.
      size: (N,) the divisors of the mean distances.
    """

    distances: Float[Array, "N P"]
    counted: Bool[Array, "N P"]
    size: Float[Array, " N"]


def landmark_scores(photos: AnnotatedPhotos, predictions: Predictions) -> list[FaceErrors]:
    """Returns all landmark errors that the annotations and the predictions define."""
    scores = []
    for reference, annotation in photos.annotations.items():
        errors = _landmark_errors(
            predictions.landmarks, annotation.points, annotation.visible, photos.sizes
        )
        if annotation.visible[np.isfinite(annotation.points).all(axis=-1)].all():
            errors = {name: e for name, e in errors.items() if not name.endswith("_visible")}
        for metric, (values, defined) in jax.device_get(errors).items():
            scores.append(FaceErrors(metric, reference, "%", values, defined))
    return scores


def pose_scores(photos: AnnotatedPhotos, predictions: Predictions) -> list[FaceErrors]:
    """Returns the errors of the head pose; an empty list if annotations or predictions have none."""
    if photos.pose is None or predictions.pose is None:
        return []
    angles = np.asarray(pose_error.angle_errors(predictions.pose, photos.pose))
    rotation = np.asarray(pose_error.geodesic_error(predictions.pose, photos.pose))
    all_faces = np.ones(len(rotation), bool)
    within_limit = (np.abs(photos.pose) <= _LARGEST_ANGLE).all(axis=1)
    names = ("yaw", "pitch", "roll")
    single = [
        FaceErrors(f"pose_{name}", "original", "degrees", angles[:, axis], within_limit)
        for axis, name in enumerate(names)
    ]
    return [FaceErrors("pose_rotation", "original", "degrees", rotation, all_faces), *single]


# The program runs once or twice on small arrays, so compilation takes most of its time.
@functools.partial(jax.jit, compiler_options={"xla_backend_optimization_level": 0})
def _landmark_errors(
    predicted: Float[Array, "N P D"],
    truth: Float[Array, "N P E"],
    visible: Bool[Array, "N P"],
    sizes: Float[Array, " N"] | None,
) -> dict[str, tuple[Float[Array, " N"], Bool[Array, " N"]]]:
    """Returns the errors by metric, and whether the ground truth defines them."""
    name = f"nme{truth.shape[1]}"
    annotated = landmark_error.counted_points(truth, jnp.ones_like(visible))
    size = landmark_error.box_size(truth, annotated) if sizes is None else sizes
    comparisons = {
        f"{name}_{suffix}": comparison
        for suffix, comparison in {
            **_comparisons_2d(predicted[..., :2], truth[..., :2], annotated, size),
            **_comparisons_3d(predicted, truth, annotated, size),
        }.items()
    }
    flat = comparisons[f"{name}_2d"]
    comparisons[f"{name}_2d_visible"] = flat._replace(counted=annotated & visible)
    return {metric: _errors(comparison) for metric, comparison in comparisons.items()}


def _comparisons_2d(predicted, truth, annotated, size) -> dict[str, _Comparison]:
    flat = _Comparison(landmark_error.point_distances(predicted, truth), annotated, size)
    diagonal = landmark_error.box_diagonal(truth, annotated)
    comparisons = {"2d": flat, "2d_box_diagonal": flat._replace(size=diagonal)}
    if truth.shape[1] == _IBUG_COUNT:
        inter_ocular = landmark_error.inter_ocular_distance(truth)
        comparisons["2d_inter_ocular"] = flat._replace(size=inter_ocular)
        for region, rows in REGIONS.items():
            comparisons[f"2d_{region}"] = _Comparison(
                flat.distances[:, rows], annotated[:, rows], size
            )
    return comparisons


def _comparisons_3d(predicted, truth, annotated, size) -> dict[str, _Comparison]:
    if predicted.shape[-1] != 3 or truth.shape[-1] != 3:
        return {}
    return {
        suffix: _Comparison(
            landmark_error.point_distances(match(predicted, truth, annotated), truth),
            annotated,
            size,
        )
        for suffix, match in {
            "3d": landmark_error.match_mean_depth,
            "3d_similarity": landmark_error.match_by_similarity,
        }.items()
    }


def _errors(comparison: _Comparison) -> tuple[Float[Array, " N"], Bool[Array, " N"]]:
    # With perfect predictions, an error is nan only if the ground truth does not define it.
    perfect = comparison._replace(distances=jnp.zeros_like(comparison.distances))
    return landmark_error.mean_error(*comparison), ~jnp.isnan(landmark_error.mean_error(*perfect))
