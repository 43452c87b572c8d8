"""Pseudo 3D annotations: the face model fitted to noisy 2D landmarks of in-the-wild images.

Manual 2D labels follow the visible outline of the cheek, while the model's jaw points are points of the head. On
the side that is turned away the two part ways, so those labels are left out, and the jaw counts less everywhere.
"""

import dataclasses
from collections.abc import Callable, Iterable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from twodasl_jax.array_types import Array
from twodasl_jax.geometry import fitting
from twodasl_jax.geometry.coefficients import Coefficients, official_from_coefficients
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space, synthesize
from twodasl_jax.geometry.projection import affine_from_camera, picture_from_model
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


@dataclasses.dataclass(frozen=True)
class Pseudo3D:
    """Fitted annotations of N crops.

    Attributes:
      vectors: (N, 12 + S + E) coefficients in the official layout, not whitened.
      yaw: (N,) radians.
      error: (N,) root mean square distance of the fit to the points it was fitted to, over the face's size;
        inf where too few points are visible for a fit, whose vector is then zero.
    """

    vectors: Float[np.ndarray, "N C"]
    yaw: Float[np.ndarray, " N"]
    error: Float[np.ndarray, " N"]


def drop_far_jaw(
    landmarks: Float[np.ndarray, "N 68 2"], yaw: Float[np.ndarray, " N"]
) -> Float[np.ndarray, "N 68 2"]:
    """Returns landmarks without (nan) the jaw labels of the side that is turned away.

    Args:
      landmarks: (N, 68, 2) manual labels.
      yaw: (N,) radians; positive turns the nose, and so the far side, to the left of the picture.
    """
    kept = landmarks.copy()
    kept[yaw > _OUTLINE_YAW, _LEFT_JAW] = np.nan
    kept[yaw < -_OUTLINE_YAW, _RIGHT_JAW] = np.nan
    return kept


def label_weights(visibility: Int[np.ndarray, "N 68"]) -> Float[np.ndarray, "N 68"]:
    """Returns the weight of each label in the fit: hidden points none, jaw points less than the others."""
    weights = (visibility == 2).astype(np.float32)
    weights[:, _JAW] *= _JAW_WEIGHT
    return weights


def fit_pseudo_3d(
    model: MorphableModel,
    landmarks: Float[np.ndarray, "N 68 2"],
    visibility: Int[np.ndarray, "N 68"],
    progress: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> Pseudo3D:
    """Fits the face model to the labels of N crops.

    The inner points alone give a first yaw; it says which jaw labels to trust in the second fit.

    Args:
      model: face model, cut to the components that are wanted.
      landmarks: (N, 68, 2) labels, any picture frame, nan where there is none.
      visibility: (N, 68) as in `AnnotatedCrops`.
      progress: wraps the iterator over chunks, for a progress bar.
    """
    fit_batch = jax.jit(jax.vmap(_fit_one, in_axes=(None, 0, 0)))
    space = landmark_space(model)
    weights = label_weights(visibility)
    inner_weights = weights.copy()
    inner_weights[:, _JAW] = 0.0
    chunks = []
    size = min(_LARGEST_CHUNK, len(landmarks))
    for start in progress(range(0, len(landmarks), size)):
        # The last chunk is filled up with copies of its last face, so that one program serves all chunks.
        rows = np.minimum(np.arange(start, start + size), len(landmarks) - 1)
        yaw = fit_batch(space, landmarks[rows], inner_weights[rows]).yaw
        trusted = drop_far_jaw(landmarks[rows], np.asarray(yaw))
        chunks.append(jax.device_get(fit_batch(space, trusted, weights[rows])))
    joined = jax.tree.map(lambda *parts: np.concatenate(parts)[: len(landmarks)], *chunks)
    return Pseudo3D(joined.vectors, joined.yaw, joined.error)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class _Fitted:
    vectors: Array
    yaw: Array
    error: Array


def _fit_one(space, landmarks, weights) -> _Fitted:
    size = jnp.sqrt(jnp.prod(jnp.nanmax(landmarks, axis=0) - jnp.nanmin(landmarks, axis=0)))
    fit = fitting.fit_landmarks(space, landmarks, weights, _RELATIVE_SIGMA * size, _OUTLIER_SIGMAS)
    coefficients = Coefficients(affine_from_camera(fit.camera), fit.shape, fit.expression)
    points = picture_from_model(fit.camera, synthesize(space, fit.shape, fit.expression))
    squared = jnp.sum((points[:, :2] - landmarks) ** 2, axis=-1)
    counted = (weights > 0) & ~jnp.isnan(squared)
    mean = jnp.sum(jnp.where(counted, squared, 0.0)) / jnp.maximum(counted.sum(), 1)
    enough = counted.sum() >= _FEWEST_POINTS
    return _Fitted(
        vectors=jnp.where(enough, official_from_coefficients(coefficients), 0.0),
        yaw=jnp.where(enough, euler_from_rotation(fit.camera.rotation)[0], 0.0),
        error=jnp.where(enough, jnp.sqrt(mean) / size, jnp.inf),
    )
