"""Predictions of a network of this package on a test set, made by `twodasl_jax.Reconstructor`."""

import numpy as np
import tqdm
from jaxtyping import Float, UInt8

from twodasl_jax.geometry.coefficients import POSE_COUNT
from twodasl_jax.imaging import detection
from twodasl_jax.imaging.photos import read_photo
from twodasl_jax.inference.reconstruction import Face, Reconstructor
from twodasl_jax.protocols.annotated_photos import AnnotatedPhotos
from twodasl_jax.protocols.predictions import Predictions

DETECTOR = "the built-in detector's box"


def predict(
    reconstructor: Reconstructor,
    source: str,
    photos: AnnotatedPhotos,
    landmarks: Float[np.ndarray, "N 68 2"],
    detect: bool,
) -> Predictions:
    """Reconstructs the face of each photo.

    Args:
      reconstructor: the network with its face model.
      source: the name of the method in the report.
      photos: the test set.
      landmarks: (N, 68, 2) input landmarks in the image frame, nan if missing; see `input_landmarks`.
      detect: whether crops come from the built-in detector instead of the test set. A face that it misses has no
        prediction.

    Raises:
      PhotoError: an image is missing or damaged.
    """
    faces = [
        _reconstruct(reconstructor, photos, row, landmarks[row], detect)
        for row in tqdm.trange(len(photos.names), desc="faces", unit="face", disable=None)
    ]
    model = reconstructor.model
    shape_entries = slice(POSE_COUNT, POSE_COUNT + len(model.shape_std))

    def stack(value_of, *row_shape):
        rows = [
            np.full(row_shape, np.nan, np.float32) if face is None else value_of(face)
            for face in faces
        ]
        return np.stack(rows).astype(np.float32)

    return Predictions(
        source,
        landmarks=stack(lambda face: face.landmarks, 68, 3),
        vertices=stack(lambda face: face.vertices, len(model.mean), 3),
        pose=stack(lambda face: face.euler_angles, 3),
        shape=stack(lambda face: face.coefficients[shape_entries], len(model.shape_std)),
    )


def _reconstruct(
    reconstructor: Reconstructor,
    photos: AnnotatedPhotos,
    row: int,
    landmarks: Float[np.ndarray, "68 2"],
    detect: bool,
) -> Face | None:
    image = read_photo(photos.photos[row])
    box = _detected_box(image, photos.boxes[row]) if detect else photos.boxes[row]
    if box is None:
        return None
    return reconstructor(image, boxes=box[None], landmarks=landmarks[None])[0]


def _detected_box(
    image: UInt8[np.ndarray, "H W 3"], true_box: Float[np.ndarray, "4"]
) -> Float[np.ndarray, "4"] | None:
    """Returns the detected box nearest to the annotated face, or None if none lies on that face."""
    boxes = detection.detect_faces(image).boxes
    if not len(boxes):
        return None
    centres = (boxes[:, :2] + boxes[:, 2:]) / 2
    distances = np.linalg.norm(centres - (true_box[:2] + true_box[2:]) / 2, axis=1)
    nearest = int(np.argmin(distances))
    on_face = distances[nearest] < np.mean(true_box[2:] - true_box[:2]) / 2
    return boxes[nearest] if on_face else None
