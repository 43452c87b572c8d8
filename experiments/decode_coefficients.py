"""Turns coefficients into a predictions file for experiments/evaluate.py: published ones, or those of a network.

  python experiments/decode_coefficients.py --data_dir=FOLDER --basis=bfm68.npz --output=predictions.npz
  python experiments/decode_coefficients.py --data_dir=FOLDER --weights=mb05.npz --face_model=model.npz \\
      --first_pixel=0 --output=predictions.npz

2DASL, 3DDFA and 3DDFA_V2 publish what their networks say as whitened 62-vectors: a row-major 3x4 projection to the
120x120 crop with y up, 40 shape and 10 expression coefficients. FOLDER/annotations.npz holds `names` (N,), `roi_box`
(N, 4) and the vectors (N, 62); the basis holds the 68 landmark rows of their face model, `mean` (204,), `shape_basis`
(204, 40) and `expression_basis` (204, 10), and the whitening, `param_mean` and `param_std` (62,).

With --weights the network is run over FOLDER/images instead (`protocols/annotations.py` says what else FOLDER holds),
as the authors of imported weights run theirs: each crop once and without smoothing, its matrix as it is.
`Reconstructor` smooths, takes the mean of a face and its mirror image, and makes a camera of the matrix.

Conventions that the published figures needed: 120-pixel crops count y as 121 - y_up; a crop's frame becomes the
image's by x0 + x * width / 120 (no half pixel); z is scaled by the mean of both axes' factors. In the vectors the first
pixel's centre is (1, 1), which 2DASL and 3DDFA take as it is; 3DDFA_V2 counts from 0 (--first_pixel).
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
from twodasl_jax.geometry.frames import crop_from_image, image_from_crop
from twodasl_jax.geometry.landmark_map import MapStyle, draw_landmark_map
from twodasl_jax.geometry.morphable_model import ShapeSpace, landmark_space, synthesize
from twodasl_jax.geometry.projection import camera_from_affine, picture_from_model_affine
from twodasl_jax.geometry.rotation import euler_from_rotation
from twodasl_jax.imaging.crops import sample_photo
from twodasl_jax.imaging.photos import read_photo
from twodasl_jax.models.face_model import chosen_face_model
from twodasl_jax.models.weights import check_face_model, chosen_weights
from twodasl_jax.networks import network_input
from twodasl_jax.protocols import inference
from twodasl_jax.protocols.annotations import read_annotated_photos
from twodasl_jax.weight_formats.landmark_basis import read_landmark_basis

_DATA = flags.DEFINE_string("data_dir", None, "Folder of annotations.npz.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "File to write, .npz.", required=True)
_ARRAY = flags.DEFINE_string(
    "array", "official_2dasl_params", "Which array of annotations.npz holds the vectors."
)
_BASIS = flags.DEFINE_string("basis", None, "Landmark rows of the vectors' face model, .npz.")
_WEIGHTS = flags.DEFINE_string("weights", None, "Weights of a network to run instead, .npz.")
_FACE_MODEL = flags.DEFINE_string(
    "face_model", None, "The face model of --weights, .npz; the embedded one if not given."
)
_LANDMARKS = flags.DEFINE_string(
    "landmarks", "none", f"What the landmark map shows the network: {inference.LANDMARK_INPUTS}."
)
_FIRST_PIXEL = flags.DEFINE_float(
    "first_pixel", 1.0, "Where the centre of a crop's first pixel lies in the predictions."
)

# Where it lies in the vectors.
_VECTORS_FIRST_PIXEL = 1.0
_CHUNK = 50


class Vectors(NamedTuple):
    """Whitened coefficients of faces, and what decodes them.

    Attributes:
      names: of the faces.
      boxes: (N, 4) their crops, image frame.
      values: (N, C) the vectors.
      whitening: theirs.
      space: the 68 landmarks of their face model.
    """

    names: np.ndarray
    boxes: Float[np.ndarray, "N 4"]
    values: Float[np.ndarray, "N C"]
    whitening: Whitening
    space: ShapeSpace


def published_vectors(folder: pathlib.Path) -> Vectors:
    """Returns the vectors that stand beside the annotations of a test set."""
    shapes = {"names": (), "roi_box": (4,), _ARRAY.value: (VECTOR_SIZE,)}
    rows = read_rows(folder / "annotations.npz", shapes)
    space, whitening = read_landmark_basis(pathlib.Path(str(_BASIS.value)))
    values, boxes = (rows[name].astype(np.float32) for name in (_ARRAY.value, "roi_box"))
    return Vectors(rows["names"], boxes, values, whitening, space)


def predicted_vectors(folder: pathlib.Path) -> Vectors:
    """Returns what the network of --weights says of the photos of a test set."""
    model, weights = chosen_face_model(_FACE_MODEL.value), chosen_weights(str(_WEIGHTS.value))
    check_face_model(weights, model)
    photos = read_annotated_photos(folder)
    points = inference.landmark_input(_LANDMARKS.value, photos)
    landmarks = np.asarray(crop_from_image(points, photos.boxes))
    chunks = []
    for start in tqdm.trange(
        0, len(photos.names), _CHUNK, desc="faces", unit="chunk", disable=None
    ):
        rows = slice(start, start + _CHUNK)
        crops = [
            sample_photo(read_photo(photo), box)
            for photo, box in zip(photos.photos[rows], photos.boxes[rows], strict=True)
        ]
        chunks.append(
            look(
                weights.network(),
                weights.landmark_map,
                weights.variables,
                np.stack(crops),
                landmarks[rows],
            )
        )
    values = np.concatenate(chunks)
    space = landmark_space(model)
    return Vectors(np.array(photos.names), photos.boxes, values, weights.whitening, space)


@functools.partial(jax.jit, static_argnums=(0, 1))
def look(
    network: nn.Module,
    style: MapStyle,
    variables: PyTree,
    crops: UInt8[Array, "B 120 120 3"],
    landmarks: Float[Array, "B 68 2"],
) -> Float[Array, "B C"]:
    """Returns what the network says of crops and landmarks, crop frame, once each."""
    inputs = network_input(crops, draw_landmark_map(landmarks, style))
    return jnp.asarray(network.apply(variables, inputs, train=False))


@jax.jit
def decode(
    space: ShapeSpace,
    whitening: Whitening,
    vectors: Float[Array, "N C"],
    boxes: Float[Array, "N 4"],
    first_pixel: float,
) -> tuple[Float[Array, "N 68 3"], Float[Array, "N 3"]]:
    """Returns the landmarks in the image frame, and yaw, pitch and roll in degrees."""
    coefficients = coefficients_from_official(unwhiten(vectors, whitening), len(space.shape_std))
    points = synthesize(space, coefficients.shape, coefficients.expression)
    in_crops = picture_from_model_affine(coefficients.affine, points)
    shift = (first_pixel - _VECTORS_FIRST_PIXEL) * jnp.array([1.0, 1.0, 0.0])
    pose = euler_from_rotation(camera_from_affine(coefficients.affine).rotation)
    return image_from_crop(in_crops + shift, boxes), jnp.degrees(pose)


def main() -> None:
    if bool(_BASIS.value) == bool(_WEIGHTS.value):
        raise ConfigError(
            "Give --basis for published vectors, or --weights for a network, and not both."
        )
    read = published_vectors if _BASIS.value else predicted_vectors
    vectors = read(pathlib.Path(_DATA.value))
    landmarks, pose = decode(
        vectors.space, vectors.whitening, vectors.values, vectors.boxes, _FIRST_PIXEL.value
    )
    with replacing(_OUTPUT.value) as beside, open(beside, "wb") as file:
        np.savez_compressed(file, names=vectors.names, landmarks=landmarks, pose=pose)
    print(f"{_OUTPUT.value}: landmarks and poses of {len(vectors.names)} faces")


if __name__ == "__main__":
    entry_points.run(main)
