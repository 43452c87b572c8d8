"""The face model fitted to landmarks without a network: a baseline that any useful network must beat."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import tqdm
from jaxtyping import Float

from twodasl_jax.array_types import Array
from twodasl_jax.geometry import frames
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.fitting import fit_landmarks
from twodasl_jax.geometry.landmark_sets import INNER
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space
from twodasl_jax.geometry.rotation import euler_from_rotation
from twodasl_jax.protocols.annotated_photos import AnnotatedPhotos
from twodasl_jax.protocols.predictions import Predictions

# Standard deviation of the noise of detected landmarks, crop pixels. It is larger than that of single landmarks,
# because their errors are correlated.
_SIGMA = 4.0
# Residuals beyond this many sigmas are downweighted.
_OUTLIER_SIGMAS = 3.0
_MIN_LANDMARKS = 6
_CHUNK = 100


def fit_predictions(
    model: MorphableModel,
    photos: AnnotatedPhotos,
    points: Float[np.ndarray, "N 68 2"],
) -> Predictions:
    """Fits the face model to the inner landmarks of each face.

    A face with fewer than six inner landmarks has no prediction.

    Args:
      model: the face model.
      photos: the test set. Its boxes set the scale of the landmarks' noise.
      points: (N, 68, 2) landmarks in the image frame, nan if missing.
    """
    fit = jax.jit(functools.partial(_fit, model))
    in_crops = np.asarray(frames.crop_from_image(points, photos.boxes))
    chunks = []
    for start in tqdm.trange(0, len(points), _CHUNK, desc="fits", unit="chunk", disable=None):
        # The last chunk repeats the last face, so that all chunks have one size and one compiled program.
        rows = np.minimum(np.arange(start, start + _CHUNK), len(points) - 1)
        chunks.append(jax.device_get(fit(in_crops[rows], photos.boxes[rows])))
    joined = jax.tree.map(lambda *parts: np.concatenate(parts)[: len(points)], *chunks)
    return Predictions("the face model fitted to the landmarks", **joined)


def _fit(
    model: MorphableModel,
    points: Float[Array, "B 68 2"],
    boxes: Float[Array, "B 4"],
) -> dict[str, Array]:
    space, inner = landmark_space(model), jnp.asarray(INNER.parents, jnp.float32)
    fit_one = functools.partial(
        fit_landmarks, space, weights=inner, sigma=_SIGMA, outlier_scale=_OUTLIER_SIGMAS
    )
    fits = jax.vmap(lambda landmarks: fit_one(landmarks=landmarks))(points)
    enough = jnp.isfinite(points[:, INNER.parents]).all(-1).sum(-1) >= _MIN_LANDMARKS

    def masked(values):
        return jnp.where(enough.reshape(-1, *[1] * (values.ndim - 1)), values, jnp.nan)

    def projected(space):
        return masked(frames.image_from_crop(decode(space, fits.coefficients), boxes))

    return {
        "landmarks": projected(space),
        "vertices": projected(model),
        "pose": masked(jnp.degrees(euler_from_rotation(fits.camera.rotation))),
        "shape": masked(fits.shape),
    }
