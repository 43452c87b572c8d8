"""Decodes published or predicted coefficients into a prediction file for experiments/evaluate.py.

  python experiments/decode_coefficients.py --data_dir=FOLDER --basis=bfm68.npz --output=predictions.npz
  python experiments/decode_coefficients.py --data_dir=FOLDER --weights=mb05.npz --face_model=model.npz \\
      --first_pixel=0 --output=predictions.npz

2DASL, 3DDFA and 3DDFA_V2 publish their predictions as whitened 62-vectors: a row-major 3x4 projection to the 120x120
crop with y up, 40 shape and 10 expression coefficients. FOLDER/annotations.npz contains `names` (N,), `roi_box` (N, 4)
and the vectors (N, 62). The basis file contains the 68 landmark rows of their face model, `mean` (204,), `shape_basis`
(204, 40) and `expression_basis` (204, 10), and the whitening, `param_mean` and `param_std` (62,).

With --weights, a network predicts the vectors from FOLDER/images (`twodasl_jax/protocols/annotations.py` describes
FOLDER). It runs as in the published code of imported weights: one forward pass per crop, crops without smoothing, and
the predicted matrix unchanged. In contrast, `Reconstructor` smooths crops, applies flip averaging and replaces the
matrix by a weak-perspective one.

The published figures need these conventions. In crops, y is 121 - y_up. The image coordinate is x0 + x * width / 120,
without a half pixel. z is scaled by the mean factor of both axes. In the vectors, the centre of the first pixel is
(1, 1). 2DASL and 3DDFA use this unchanged; 3DDFA_V2 counts from 0 (--first_pixel).
"""

import functools
import pathlib
from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
import tqdm
from absl import flags
from jaxtyping import Float, PyTree, UInt8

from twodasl_jax.array_types import Array
from twodasl_jax.commands import entry_points
from twodasl_jax.errors import ConfigError
from twodasl_jax.files.array_files import read_rows
from twodasl_jax.files.atomic_files import replacing
from twodasl_jax.geometry.coefficients import (
    VECTOR_SIZE,
    Whitening,
    coefficients_from_official,
    unwhiten,
)
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.frames import crop_from_image, image_from_crop
from twodasl_jax.geometry.landmark_map import MapStyle, draw_landmark_map
from twodasl_jax.geometry.morphable_model import ShapeSpace, landmark_space
from twodasl_jax.geometry.projection import camera_from_affine
from twodasl_jax.geometry.rotation import euler_from_rotation
from twodasl_jax.imaging.crops import sample_photo
from twodasl_jax.imaging.photos import read_photo
from twodasl_jax.models.face_model import chosen_face_model
from twodasl_jax.models.weights import check_face_model, chosen_weights
from twodasl_jax.networks.regression import regress
from twodasl_jax.protocols.annotations import read_annotated_photos
from twodasl_jax.protocols.input_landmarks import INPUT_LANDMARKS, input_landmarks
from twodasl_jax.weight_formats.landmark_basis import read_landmark_basis

_DATA = flags.DEFINE_string("data_dir", None, "The folder of annotations.npz.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "The prediction file to write, .npz.", required=True)
_ARRAY = flags.DEFINE_string(
    "array", "official_2dasl_params", "The array of annotations.npz that holds the vectors."
)
_BASIS = flags.DEFINE_string("basis", None, "The landmark rows of the vectors' face model, .npz.")
_WEIGHTS = flags.DEFINE_string(
    "weights", None, "The weights of a network that predicts the vectors instead, .npz."
)
_FACE_MODEL = flags.DEFINE_string(
    "face_model", None, "The face model of --weights, .npz; embedded by default."
)
_LANDMARKS = flags.DEFINE_string(
    "landmarks", "none", f"The input landmarks of the network: {INPUT_LANDMARKS}."
)
_FIRST_PIXEL = flags.DEFINE_float(
    "first_pixel", 1.0, "The coordinate of the centre of a crop's first pixel in the predictions."
)

# The coordinate of the centre of a crop's first pixel in the vectors.
_VECTORS_FIRST_PIXEL = 1.0
_CHUNK = 50


class Vectors(NamedTuple):
    """Coefficient vectors of N faces, and their face model.

    Attributes:
      names: the names of the faces.
      boxes: (N, 4) their crop boxes in the image frame.
      values: (N, C) the vectors in the official layout.
      space: the 68 landmarks of the face model.
    """

    names: np.ndarray
    boxes: Float[np.ndarray, "N 4"]
    values: Float[Array, "N C"]
    space: ShapeSpace


def published_vectors(folder: pathlib.Path) -> Vectors:
    """Returns the vectors that are stored with the annotations of a test set."""
    shapes = {"names": (), "roi_box": (4,), _ARRAY.value: (VECTOR_SIZE,)}
    rows = read_rows(folder / "annotations.npz", shapes)
    space, whitening = read_landmark_basis(pathlib.Path(str(_BASIS.value)))
    whitened, boxes = (rows[name].astype(np.float32) for name in (_ARRAY.value, "roi_box"))
    return Vectors(rows["names"], boxes, jax.jit(unwhiten)(whitened, whitening), space)


def predicted_vectors(folder: pathlib.Path) -> Vectors:
    """Returns the vectors that the network of --weights predicts for the photos of a test set."""
    model, weights = chosen_face_model(_FACE_MODEL.value), chosen_weights(str(_WEIGHTS.value))
    check_face_model(weights, model)
    photos = read_annotated_photos(folder)
    landmarks = np.asarray(crop_from_image(input_landmarks(_LANDMARKS.value, photos), photos.boxes))
    starts = tqdm.trange(0, len(photos.names), _CHUNK, desc="faces", unit="chunk", disable=None)
    chunks = []
    for rows in (slice(start, start + _CHUNK) for start in starts):
        crops = [
            sample_photo(read_photo(photo), box)
            for photo, box in zip(photos.photos[rows], photos.boxes[rows], strict=True)
        ]
        chunks.append(
            forward(
                weights.network(),
                weights.landmark_map,
                weights.variables,
                weights.whitening,
                np.stack(crops),
                landmarks[rows],
            )
        )
    values = np.concatenate(chunks)
    return Vectors(np.array(photos.names), photos.boxes, values, landmark_space(model))


@functools.partial(jax.jit, static_argnums=(0, 1))
def forward(
    network: nn.Module,
    style: MapStyle,
    variables: PyTree,
    whitening: Whitening,
    crops: UInt8[Array, "B 120 120 3"],
    landmarks: Float[Array, "B 68 2"],
) -> Float[Array, "B C"]:
    """Returns the vectors that a network predicts in one forward pass from crops and input landmarks, crop frame."""
    return regress(network, variables, whitening, crops, draw_landmark_map(landmarks, style))


@jax.jit
def landmarks_and_pose(
    space: ShapeSpace,
    vectors: Float[Array, "N C"],
    boxes: Float[Array, "N 4"],
    first_pixel: float,
) -> tuple[Float[Array, "N 68 3"], Float[Array, "N 3"]]:
    """Returns the landmarks in the image frame, and yaw, pitch and roll in degrees."""
    coefficients = coefficients_from_official(vectors, len(space.shape_std))
    shift = (first_pixel - _VECTORS_FIRST_PIXEL) * jnp.array([1.0, 1.0, 0.0])
    pose = euler_from_rotation(camera_from_affine(coefficients.affine).rotation)
    return image_from_crop(decode(space, coefficients) + shift, boxes), jnp.degrees(pose)


def main() -> None:
    if bool(_BASIS.value) == bool(_WEIGHTS.value):
        raise ConfigError(
            "Give either --basis for published vectors or --weights for a network, not both."
        )
    read = published_vectors if _BASIS.value else predicted_vectors
    vectors = read(pathlib.Path(_DATA.value))
    landmarks, pose = landmarks_and_pose(
        vectors.space, vectors.values, vectors.boxes, _FIRST_PIXEL.value
    )
    with replacing(_OUTPUT.value) as beside, open(beside, "wb") as file:
        np.savez_compressed(file, names=vectors.names, landmarks=landmarks, pose=pose)
    print(f"{_OUTPUT.value}: landmarks and poses of {len(vectors.names)} faces")


if __name__ == "__main__":
    entry_points.run(main)
