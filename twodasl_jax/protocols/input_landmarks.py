"""Input landmarks: the landmarks that the landmark map draws for each face of a test set."""

import re

import numpy as np
from jaxtyping import Float

from twodasl_jax.errors import ConfigError, DatasetError
from twodasl_jax.geometry.frames import CROP_SIZE
from twodasl_jax.protocols.annotated_photos import AnnotatedPhotos

INPUT_LANDMARKS = "none, given, given+noise:SIGMA (pixels of the 120x120 crop) or detected"

_NOISE_SEED = 0


def input_landmarks(kind: str, photos: AnnotatedPhotos) -> Float[np.ndarray, "N 68 2"]:
    """Returns the input landmarks of each face in the image frame, nan if missing.

    Args:
      kind: one of `INPUT_LANDMARKS`: no landmarks, the visible landmarks of the first annotation set, the same with
        Gaussian noise, or the detected landmarks.
      photos: the test set.

    Raises:
      ConfigError: `kind` is unknown.
      DatasetError: the test set lacks these landmarks.
    """
    noise = re.fullmatch(r"given\+noise:(\d+(?:\.\d+)?)", kind)
    if kind == "none":
        return np.full((len(photos.names), 68, 2), np.nan, np.float32)
    if kind == "detected":
        if photos.detected is None:
            raise DatasetError(
                "This test set has no detected landmarks: choose another --landmarks."
            )
        return photos.detected
    if kind != "given" and noise is None:
        raise ConfigError(f"Unknown setting --landmarks={kind}: use {INPUT_LANDMARKS}.")
    annotation = photos.first_annotation()
    if annotation is None or annotation.points.shape[1] != 68:
        raise DatasetError("This test set has no 68 true landmarks: choose another --landmarks.")
    points = np.where(annotation.visible[..., None], annotation.points[..., :2], np.nan)
    if noise is None:
        return points.astype(np.float32)
    sides = (photos.boxes[:, 2:] - photos.boxes[:, :2])[:, None] / CROP_SIZE
    shifts = np.random.default_rng(_NOISE_SEED).normal(0, float(noise[1]), points.shape)
    return (points + shifts * sides).astype(np.float32)
