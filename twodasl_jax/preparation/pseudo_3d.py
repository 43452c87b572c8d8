"""Pseudo annotations: the face model fitted to the labels of in-the-wild images.

Manual labels of the jaw follow the visible outline of the cheek, while the jaw landmarks of the
face model are fixed points of the head. On the side that faces away from the camera the two differ.
The fit therefore ignores the jaw labels of that side, and gives all other jaw labels a lower
weight.
"""

import dataclasses
import functools
from collections.abc import Callable, Iterable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, Int

from twodasl_jax.array_types import Array, typed
from twodasl_jax.data.face_crops import VISIBLE
from twodasl_jax.geometry import fitting
from twodasl_jax.geometry.coefficients import (
    coefficients_from_official,
    official_from_coefficients,
)
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.morphable_model import (
    MorphableModel,
    ShapeSpace,
    landmark_space,
    truncate,
)
from twodasl_jax.geometry.rotation import euler_from_rotation

_JAW = slice(0, 17)
_JAW_WEIGHT = 0.35
_LEFT_JAW = slice(0, 8)  # on the left of the picture
_RIGHT_JAW = slice(9, 17)
# Beyond this yaw the fit ignores the jaw labels of the far side.
_OUTLINE_YAW = np.radians(12.0)
# The standard deviation of labels relative to the size of the face, and the residual at which the
# robust loss starts.
_RELATIVE_SIGMA = 0.02
_OUTLIER_SIGMAS = 3.0
# A weak-perspective camera has six parameters. With fewer landmarks the prior would determine the
# fit.
_FEWEST_POINTS = 6
_LARGEST_CHUNK = 512
# The numbers of components for a quick estimate of the yaw.
_POSE_COMPONENTS = {"shape_count": 10, "expression_count": 5}
# The numbers of Gauss-Newton steps of a full fit and of a quick estimate.
_ITERATIONS, _POSE_ITERATIONS = 30, 10
# At this error, relative to the size of the face, the confidence is 1 / e.
_DOUBTFUL_ERROR = 0.03

# A function that wraps the sequence of chunks in a progress bar.
Progress = Callable[[Sequence[int]], Iterable[int]]


@dataclasses.dataclass(frozen=True)
class Pseudo3D:
    """The pseudo annotations of N faces.

    Attributes:
      vectors: the (N, 12 + S + E) coefficient vectors in the official layout, not whitened. The
        vector of a face with too few visible landmarks is zero.
      yaw: the (N,) yaws in radians, nan without a fit.
      error: the (N,) errors (`fit_error`), inf without a fit.
    """

    vectors: Float[np.ndarray, "N C"]
    yaw: Float[np.ndarray, " N"]
    error: Float[np.ndarray, " N"]

    @property
    def confidence(self) -> Float[np.ndarray, " N"]:
        """The confidence in each annotation, exp(-(error / 0.03)^2), from 1 down to 0."""
        # Single precision would round the confidence of all bad fits to zero.
        return np.exp(-((self.error.astype(np.float64) / _DOUBTFUL_ERROR) ** 2))


@typed
def fit_error(
    misfit: Float[Array, "*batch"], points: Int[Array, "*batch"]
) -> Float[Array, "*batch"]:
    """Returns sqrt(misfit^2 + 0.03^2 ln(68 / points)), which also grows with missing landmarks.

    The misfit alone is not sufficient, because many faces fit six landmarks well. The resulting
    confidence is exp(-(misfit / 0.03)^2) times the fraction of the 68 landmarks that the fit uses.

    Args:
      misfit: (...) root mean square distances to the fitted landmarks, relative to the size of the
        face.
      points: (...) numbers of fitted landmarks, at least one. Numbers above 68 count as 68.
    """
    return jnp.sqrt(misfit**2 + _DOUBTFUL_ERROR**2 * jnp.log(68 / jnp.minimum(points, 68)))


def drop_far_jaw(
    landmarks: Float[np.ndarray, "N P 2"],
    yaw: Float[np.ndarray, " N"],
    beyond: float = _OUTLINE_YAW,
) -> Float[np.ndarray, "N P 2"]:
    """Replaces the jaw labels of the side that faces away from the camera by nan.

    Args:
      landmarks: (N, P, 2) manual labels; the first 17 are the jaw.
      yaw: the (N,) yaws in radians. At positive yaw the nose and the far side are on the left of
        the picture.
      beyond: the yaw in radians up to which both sides are kept.
    """
    kept = landmarks.copy()
    kept[yaw > beyond, _LEFT_JAW] = np.nan
    kept[yaw < -beyond, _RIGHT_JAW] = np.nan
    return kept


def label_weights(visibility: Int[np.ndarray, "N 68"]) -> Float[np.ndarray, "N 68"]:
    """Returns the weights of labels in the fit: zero for hidden landmarks, lower for the jaw.

    Args:
      visibility: (N, 68) 0 for unlabelled, 1 for hidden and 2 for visible landmarks.
    """
    weights = (visibility == VISIBLE).astype(np.float32)
    weights[:, _JAW] *= _JAW_WEIGHT
    return weights


def fit_pseudo_3d(
    space: ShapeSpace,
    landmarks: Float[np.ndarray, "N P 2"],
    weights: Float[np.ndarray, "N P"],
    progress: Progress = iter,
) -> Pseudo3D:
    """Fits the face model to the labels of N faces.

    A first fit without the jaw gives the yaw. The second fit includes the jaw labels that
    `drop_far_jaw` keeps at this yaw.

    Args:
      space: the shape space of the P labelled points. The first 68 are the iBUG landmarks
        (`landmark_space`).
      landmarks: (N, P, 2) labels in any picture frame, nan where missing. The fit is in the same
        frame.
      weights: (N, P) relative precisions of the labels (`label_weights`), zero for hidden ones.
      progress: wraps the sequence of chunks in a progress bar.
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
    """Estimates the yaw of N faces by a quick fit without the jaw.

    Args:
      model: the face model.
      landmarks: (N, 68, 2) labels in any picture frame, nan where missing.
      visibility: (N, 68) 0 for unlabelled, 1 for hidden and 2 for visible landmarks.
      progress: wraps the sequence of chunks in a progress bar.

    Returns:
      The (N,) yaws in radians, nan for faces with too few visible landmarks.
    """
    space = landmark_space(truncate(model, **_POSE_COMPONENTS))
    weights = _without_jaw(label_weights(visibility))

    def fit_chunk(rows: Int[np.ndarray, " M"]) -> dict[str, Array]:
        return _fit_batch(space, landmarks[rows], weights[rows], _POSE_ITERATIONS)

    return _in_chunks(fit_chunk, len(landmarks), progress)["yaw"]


def fitted_landmarks(
    model: MorphableModel, vectors: Float[np.ndarray, "N C"]
) -> Float[np.ndarray, "N 68 2"]:
    """Returns the landmarks of fitted faces in the frame of the fit.

    Args:
      model: the fitted face model.
      vectors: (N, C) coefficient vectors in the official layout, not whitened.
    """
    return np.asarray(decode(landmark_space(model), coefficients_from_official(vectors)))[..., :2]


def _without_jaw(weights: Float[np.ndarray, "N P"]) -> Float[np.ndarray, "N P"]:
    inner = weights.copy()
    inner[:, _JAW] = 0.0
    return inner


def _in_chunks(
    fit_chunk: Callable[[Int[np.ndarray, " M"]], dict[str, Array]], count: int, progress: Progress
) -> dict[str, np.ndarray]:
    """Runs a fit on chunks of equal size and concatenates the results."""
    chunks = []
    size = min(_LARGEST_CHUNK, count)
    for start in progress(range(0, count, size)):
        # The last chunk is padded with copies of its last face, so that all chunks share one
        # compiled program.
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
    points = decode(space, fit.coefficients)
    squared = jnp.sum((points[:, :2] - landmarks) ** 2, axis=-1)
    counted = (weights > 0) & ~jnp.isnan(squared)
    count = jnp.maximum(counted.sum(), 1)
    misfit = jnp.sqrt(jnp.sum(jnp.where(counted, squared, 0.0)) / count) / size
    enough = count >= _FEWEST_POINTS
    return {
        "vectors": jnp.where(enough, official_from_coefficients(fit.coefficients), 0.0),
        "yaw": jnp.where(enough, euler_from_rotation(fit.camera.rotation)[0], jnp.nan),
        "error": jnp.where(enough, fit_error(misfit, count), jnp.inf),
    }
