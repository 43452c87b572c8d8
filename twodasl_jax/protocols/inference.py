"""Runs a network of this package over a test set, as `twodasl_jax.Reconstructor` does over photos."""

import dataclasses
import re

import numpy as np
import tqdm
from jaxtyping import Float, UInt8

from twodasl_jax.errors import ConfigError, DatasetError
from twodasl_jax.geometry.coefficients import POSE_COUNT
from twodasl_jax.geometry.frames import CROP_SIZE
from twodasl_jax.imaging import detection
from twodasl_jax.imaging.photos import read_photo
from twodasl_jax.inference.reconstruction import Face, Reconstructor
from twodasl_jax.protocols.annotated_photos import AnnotatedPhotos
from twodasl_jax.protocols.predictions import Predictions

LANDMARK_INPUTS = "none, given, given+noise:SIGMA (pixels of the 120x120 crop) or detected"
DETECTOR = "the built-in detector's box"

_NOISE_SEED = 0


@dataclasses.dataclass(frozen=True)
class NetworkInput:
    """What a network sees beside the photo.

    Attributes:
      landmarks: "none", "given", "given+noise:SIGMA" or "detected": what the landmark map shows.
      own_boxes: whether crops come from the built-in detector instead of the test set.
    """

    landmarks: str
    own_boxes: bool


def predict(
    reconstructor: Reconstructor,
    source: str,
    photos: AnnotatedPhotos,
    seen: NetworkInput,
) -> Predictions:
    """Reconstructs the face of each photo.

    Args:
      reconstructor: the network and its face model.
      source: what to call it in the report.
      photos: the test set.
      seen: what the network is given.

    Raises:
      ConfigError: `seen.landmarks` is no such input.
      DatasetError: the test set does not have the landmarks that the map is to show.
      PhotoError: a picture is missing or damaged.
    """
    points = landmark_input(seen.landmarks, photos)
    faces = [
        _reconstruct(reconstructor, photos, row, points[row], seen.own_boxes)
        for row in tqdm.trange(len(photos.names), desc="faces", unit="face", disable=None)
    ]
    model = reconstructor.model
    shapes = slice(POSE_COUNT, POSE_COUNT + len(model.shape_std))

    def stacked(values, *row_shape):
        rows = [
            np.full(row_shape, np.nan, np.float32) if face is None else values(face)
            for face in faces
        ]
        return np.stack(rows).astype(np.float32)

    return Predictions(
        source,
        landmarks=stacked(lambda face: face.landmarks, 68, 3),
        vertices=stacked(lambda face: face.vertices, len(model.mean), 3),
        pose=stacked(lambda face: face.euler_angles, 3),
        shape=stacked(lambda face: face.coefficients[shapes], len(model.shape_std)),
    )


def landmark_input(kind: str, photos: AnnotatedPhotos) -> Float[np.ndarray, "N 68 2"]:
    """Returns the points that the landmark map of each face shows, image frame; all nan for none.

    Args:
      kind: see `LANDMARK_INPUTS`; given points are those of the first annotation set.
      photos: the test set.

    Raises:
      ConfigError: no such input.
      DatasetError: the test set does not have these points.
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
        raise ConfigError(f"--landmarks={kind} is none of {LANDMARK_INPUTS}.")
    given = [*photos.annotations.values()][:1]
    if not given or given[0].points.shape[1] != 68:
        raise DatasetError(
            "This test set has no 68 true points to give: choose another --landmarks."
        )
    points = np.where(given[0].visible[..., None], given[0].points[..., :2], np.nan)
    sigma = float(noise[1]) if noise else 0.0
    sides = (photos.boxes[:, 2:] - photos.boxes[:, :2])[:, None] / CROP_SIZE
    generator = np.random.default_rng(_NOISE_SEED)
    shifts = generator.normal(0, sigma, points.shape) if sigma else np.zeros_like(points)
    return (points + shifts * sides).astype(np.float32)


def _reconstruct(
    reconstructor: Reconstructor,
    photos: AnnotatedPhotos,
    row: int,
    points: Float[np.ndarray, "68 2"],
    own_boxes: bool,
) -> Face | None:
    image = read_photo(photos.photos[row])
    box = _detected_box(image, photos, row) if own_boxes else photos.boxes[row]
    if box is None:
        return None
    return reconstructor(image, boxes=box[None], landmarks=points[None])[0]


def _detected_box(
    image: UInt8[np.ndarray, "H W 3"], photos: AnnotatedPhotos, row: int
) -> Float[np.ndarray, "4"] | None:
    """Returns the found box whose centre is nearest to the annotated face's, if it lies on that face."""
    boxes = detection.detect_faces(image).boxes
    if not len(boxes):
        return None
    face = photos.boxes[row]
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    distances = np.linalg.norm(centres - (face[:2] + face[2:]) / 2, axis=1)
    nearest = int(np.argmin(distances))
    on_face = distances[nearest] < np.mean(face[2:] - face[:2]) / 2
    return boxes[nearest] if on_face else None
