"""Pseudo 3D annotations: the face model fitted to noisy 2D landmarks of in-the-wild images.

Manual 2D labels follow the visible outline of the cheek, while the model's jaw points are points of the head. On
the side that is turned away the two part ways, so those labels are left out, and the jaw counts less everywhere.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from twodasl_jax.array_types import Array, typed
from twodasl_jax.geometry import fitting
from twodasl_jax.geometry.coefficients import (
    Coefficients,
    coefficients_from_official,
    official_from_coefficients,
)
from twodasl_jax.geometry.morphable_model import (
    MorphableModel,
    ShapeSpace,
    landmark_space,
    synthesize,
    truncate,
)
from twodasl_jax.geometry.projection import (
    affine_from_camera,
    picture_from_model,
    picture_from_model_affine,
)
from twodasl_jax.geometry.rotation import euler_from_rotation

_JAW = slice(0, 17)
_JAW_WEIGHT = 0.35
_LEFT_JAW = slice(0, 8)  # on the left of the picture
_RIGHT_JAW = slice(9, 17)
# Beyond this yaw the outline of the far cheek is not the jaw any more.
_OUTLINE_YAW = np.radians(12.0)
# Labels are noisy at about this share of the face's size; wild ones are bent less than they ask for.
_RELATIVE_SIGMA = 0.02
_OUTLIER_SIGMAS = 3.0
# A weak-perspective camera has six numbers; with fewer points than this the prior decides everything.
_FEWEST_POINTS = 6
_LARGEST_CHUNK = 512
# Components that a pose is estimated with; Gauss-Newton steps of a fit, and of such an estimate.
_POSE_COMPONENTS = {"shape_count": 10, "expression_count": 5}
_ITERATIONS, _POSE_ITERATIONS = 30, 10
# At this error, relative to the face's size, the confidence in a fit has fallen to 1 / e.
_DOUBTFUL_ERROR = 0.03

# Wraps an iterator over chunks of faces, for a progress bar.
Progress = Callable[[Sequence[int]], Iterable[int]]


@dataclasses.dataclass(frozen=True)
class Pseudo3D:
    """Fitted annotations of N crops.

    Attributes:
      vectors: (N, 12 + S + E) coefficients in the official layout, not whitened.
      yaw: (N,) radians; nan where too few points are visible for a fit, whose vector is then zero.
      error: (N,) `fit_error`; inf without a fit.
    """

    vectors: Float[np.ndarray, "N C"]
    yaw: Float[np.ndarray, " N"]
    error: Float[np.ndarray, " N"]

    @property
    def confidence(self) -> Float[np.ndarray, " N"]:
        """How far each annotation can be trusted, from 1 down to 0 for none: exp(-(error / 0.03)^2)."""
        # In single precision all bad fits would be alike.
        return np.exp(-((self.error.astype(np.float64) / _DOUBTFUL_ERROR) ** 2))


@typed
def fit_error(
    misfit: Float[Array, "*batch"], points: Int[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """Returns sqrt(misfit^2 + 0.03^2 ln(68 / points)): the misfit, and more the fewer points were fitted.

    Six points are fitted well by many faces, so the misfit alone says little. With this one number the confidence in a
    fit is exp(-(misfit / 0.03)^2) times the share of the 68 points that it rests on.

    Args:
      misfit: (...) root mean square distance of the fit to the points it was fitted to, over the face's size.
      points: (...) how many these are, at least one; more than 68 are no better than 68.
    """
    return jnp.sqrt(misfit**2 + _DOUBTFUL_ERROR**2 * jnp.log(68 / jnp.minimum(points, 68)))


def drop_far_jaw(
    landmarks: Float[np.ndarray, "N P 2"],
    yaw: Float[np.ndarray, " N"],
    beyond: float = _OUTLINE_YAW,
) -> Float[np.ndarray, "N P 2"]:
    """Returns landmarks without (nan) the jaw labels of the side that is turned away.

    Args:
      landmarks: (N, P, 2) manual labels, of which the first 17 are the jaw's.
      yaw: (N,) radians; positive turns the nose, and so the far side, to the left of the picture.
      beyond: radians up to which both sides count as turned to the viewer.
    """
    kept = landmarks.copy()
    kept[yaw > beyond, _LEFT_JAW] = np.nan
    kept[yaw < -beyond, _RIGHT_JAW] = np.nan
    return kept


def label_weights(visibility: Int[np.ndarray, "N 68"]) -> Float[np.ndarray, "N 68"]:
    """Returns the weight of each label in the fit: hidden points none, jaw points less than the others."""
    weights = (visibility == 2).astype(np.float32)
    weights[:, _JAW] *= _JAW_WEIGHT
    return weights


def fit_pseudo_3d(
    space: ShapeSpace,
    landmarks: Float[np.ndarray, "N P 2"],
    weights: Float[np.ndarray, "N P"],
    progress: Progress = iter,
) -> Pseudo3D:
    """Fits the face model to the labels of N faces.

    All points but those of the jaw give a first yaw; it says which jaw labels to trust in the second fit.

    Args:
      space: rows of the P labelled points, of which the first 68 are the iBUG landmarks (`landmark_space`), of a face
        model that is cut to the components that are wanted.
      landmarks: (N, P, 2) labels, any picture frame, nan where there is none; the fit is in the same frame.
      weights: (N, P) precision of each label relative to the others (`label_weights`); zero for what is hidden.
      progress: wraps the iterator over chunks.
    """

    def fit_chunk(rows: Int[np.ndarray, " M"]) -> dict[str, Array]:
        yaw = _fit_batch(space, landmarks[rows], _without_jaw(weights[rows]), _ITERATIONS)["yaw"]
        trusted = drop_far_jaw(landmarks[rows], np.asarray(yaw))
        return _fit_batch(space, trusted, weights[rows], _ITERATIONS)

    return Pseudo3D(**_in_chunks(fit_chunk, len(landmarks), progress))


def estimate_yaw(
    model: MorphableModel,
    landmarks: Float[np.ndarray, "N 68 2"],
    visibility: Int[np.ndarray, "N 68"],
    progress: Progress = iter,
) -> Float[np.ndarray, " N"]:
    """Returns the yaw of N faces in radians by a quick fit to their inner points; nan where too few are visible.

    Args: as of `fit_pseudo_3d`.
    """
    space = landmark_space(truncate(model, **_POSE_COMPONENTS))
    weights = _without_jaw(label_weights(visibility))

    def fit_chunk(rows: Int[np.ndarray, " M"]) -> dict[str, Array]:
        return _fit_batch(space, landmarks[rows], weights[rows], _POSE_ITERATIONS)

    return _in_chunks(fit_chunk, len(landmarks), progress)["yaw"]


def fitted_landmarks(
    model: MorphableModel, vectors: Float[np.ndarray, "N C"]
) -> Float[np.ndarray, "N 68 2"]:
    """Returns the landmarks of fitted faces.

    Args:
      model: that was fitted.
      vectors: (N, C) coefficients in the official layout, not whitened.
    """
    found = coefficients_from_official(vectors)
    points = synthesize(landmark_space(model), found.shape, found.expression)
    return np.asarray(picture_from_model_affine(found.affine, points))[..., :2]


def _without_jaw(weights: Float[np.ndarray, "N P"]) -> Float[np.ndarray, "N P"]:
    inner = weights.copy()
    inner[:, _JAW] = 0.0
    return inner


def _in_chunks(
    fit_chunk: Callable[[Int[np.ndarray, " M"]], dict[str, Array]], count: int, progress: Progress
) -> dict[str, np.ndarray]:
    """Joins the fits of equally many rows at a time."""
    chunks = []
    size = min(_LARGEST_CHUNK, count)
    for start in progress(range(0, count, size)):
        # The last chunk is filled up with copies of its last face, so that one program serves all chunks.
        rows = np.minimum(np.arange(start, start + size), count - 1)
        chunks.append(jax.device_get(fit_chunk(rows)))
    return jax.tree.map(lambda *parts: np.concatenate(parts)[:count], *chunks)


@functools.partial(jax.jit, static_argnames="iterations")
def _fit_batch(space: ShapeSpace, landmarks, weights, iterations: int) -> dict[str, Array]:
    fit = functools.partial(_fit_one, iterations=iterations)
    return jax.vmap(fit, in_axes=(None, 0, 0))(space, landmarks, weights)


def _fit_one(space: ShapeSpace, landmarks, weights, iterations: int) -> dict[str, Array]:
    size = jnp.sqrt(jnp.prod(jnp.nanmax(landmarks, axis=0) - jnp.nanmin(landmarks, axis=0)))
    fit = fitting.fit_landmarks(
        space, landmarks, weights, _RELATIVE_SIGMA * size, _OUTLIER_SIGMAS, iterations
    )
    coefficients = Coefficients(affine_from_camera(fit.camera), fit.shape, fit.expression)
    points = picture_from_model(fit.camera, synthesize(space, fit.shape, fit.expression))
    squared = jnp.sum((points[:, :2] - landmarks) ** 2, axis=-1)
    counted = (weights > 0) & ~jnp.isnan(squared)
    count = jnp.maximum(counted.sum(), 1)
    misfit = jnp.sqrt(jnp.sum(jnp.where(counted, squared, 0.0)) / count) / size
    enough = count >= _FEWEST_POINTS
    return {
        "vectors": jnp.where(enough, official_from_coefficients(coefficients), 0.0),
        "yaw": jnp.where(enough, euler_from_rotation(fit.camera.rotation)[0], jnp.nan),
        "error": jnp.where(enough, fit_error(misfit, count), jnp.inf),
    }
