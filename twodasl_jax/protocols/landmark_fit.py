"""The face model fitted to landmarks without any network: what is not better than this is not the network's merit."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import tqdm
from jaxtyping import Float

from twodasl_jax.array_types import Array
from twodasl_jax.geometry import frames
from twodasl_jax.geometry.fitting import fit_landmarks
from twodasl_jax.geometry.landmark_sets import INNER
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space, synthesize
from twodasl_jax.geometry.projection import picture_from_model
from twodasl_jax.geometry.rotation import euler_from_rotation
from twodasl_jax.protocols.annotated_photos import AnnotatedPhotos
from twodasl_jax.protocols.predictions import Predictions

# Detected points are off by more than this, but alike; beyond so many sigmas they count less and less.
_SIGMA, _OUTLIER_SIGMAS = 4.0, 3.0  # crop pixels
_FEWEST_POINTS = 6
_CHUNK = 100


def fit_predictions(
    model: MorphableModel,
    photos: AnnotatedPhotos,
    points: Float[np.ndarray, "N 68 2"],
) -> Predictions:
    """Fits the face model to the inner landmarks of each face; too few of them give no prediction.

    Args:
      model: face model.
      photos: the test set; its boxes set the scale of the landmarks' noise.
      points: (N, 68, 2) image frame, nan where there is none.
    """
    fit = jax.jit(functools.partial(_fit, model))
    in_crops = np.asarray(frames.crop_from_image(points, photos.boxes))
    chunks = []
    for start in tqdm.trange(0, len(points), _CHUNK, desc="fits", unit="chunk", disable=None):
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
    search = functools.partial(
        fit_landmarks, space, weights=inner, sigma=_SIGMA, outlier_scale=_OUTLIER_SIGMAS
    )
    fits = jax.vmap(lambda landmarks: search(landmarks=landmarks))(points)
    enough = jnp.isfinite(points[:, INNER.parents]).all(-1).sum(-1) >= _FEWEST_POINTS

    def known(values):
        return jnp.where(enough.reshape(-1, *[1] * (values.ndim - 1)), values, jnp.nan)

    def projected(chosen):
        in_crop = picture_from_model(fits.camera, synthesize(chosen, fits.shape, fits.expression))
        return known(frames.image_from_crop(in_crop, boxes))

    return {
        "landmarks": projected(space),
        "vertices": projected(model),
        "pose": known(jnp.degrees(euler_from_rotation(fits.camera.rotation))),
        "shape": known(fits.shape),
    }
