"""Turns published coefficients into a predictions file for experiments/evaluate.py.

  python experiments/decode_coefficients.py --data_dir=FOLDER --basis=bfm68.npz --output=predictions.npz

2DASL, 3DDFA and 3DDFA_V2 publish what their networks say as whitened 62-vectors: a row-major 3x4 projection to the
120x120 crop with y up, 40 shape and 10 expression coefficients. FOLDER/annotations.npz holds `names` (N,), `roi_box`
(N, 4) and the vectors (N, 62); the basis holds the 68 landmark rows of their face model, `mean` (204,), `shape_basis`
(204, 40) and `expression_basis` (204, 10), and the whitening, `param_mean` and `param_std` (62,).

Conventions that the published figures needed: 120-pixel crops count y as 121 - y_up; a crop's frame becomes the
image's by x0 + x * width / 120 (no half pixel); z is scaled by the mean of both axes' factors.
"""

import pathlib

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from jaxtyping import Float

from twodasl_jax import programs
from twodasl_jax.array_files import read_rows
from twodasl_jax.array_types import Array
from twodasl_jax.atomic_files import replacing
from twodasl_jax.geometry.coefficients import (
    VECTOR_SIZE,
    Whitening,
    coefficients_from_official,
    unwhiten,
)
from twodasl_jax.geometry.frames import image_from_crop
from twodasl_jax.geometry.morphable_model import ShapeSpace, synthesize
from twodasl_jax.geometry.projection import camera_from_affine, picture_from_model_affine
from twodasl_jax.geometry.rotation import euler_from_rotation
from twodasl_jax.landmark_basis import read_landmark_basis

_DATA = flags.DEFINE_string("data_dir", None, "Folder of annotations.npz.", required=True)
_ARRAY = flags.DEFINE_string(
    "array", "official_2dasl_params", "Which array of annotations.npz holds the vectors."
)
_BASIS = flags.DEFINE_string("basis", None, "Landmark rows of the face model, .npz.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "File to write, .npz.", required=True)


@jax.jit
def decode(
    space: ShapeSpace,
    whitening: Whitening,
    vectors: Float[Array, "N C"],
    boxes: Float[Array, "N 4"],
) -> tuple[Float[Array, "N 68 3"], Float[Array, "N 3"]]:
    """Returns the landmarks in the image frame, and yaw, pitch and roll in degrees."""
    coefficients = coefficients_from_official(unwhiten(vectors, whitening), len(space.shape_std))
    points = synthesize(space, coefficients.shape, coefficients.expression)
    in_crops = picture_from_model_affine(coefficients.affine, points)
    pose = euler_from_rotation(camera_from_affine(coefficients.affine).rotation)
    return image_from_crop(in_crops, boxes), jnp.degrees(pose)


def main() -> None:
    path = pathlib.Path(_DATA.value) / "annotations.npz"
    rows = read_rows(path, {"names": (), "roi_box": (4,), _ARRAY.value: (VECTOR_SIZE,)})
    space, whitening = read_landmark_basis(pathlib.Path(_BASIS.value))
    vectors, boxes = (rows[name].astype(np.float32) for name in (_ARRAY.value, "roi_box"))
    landmarks, pose = decode(space, whitening, vectors, boxes)
    with replacing(_OUTPUT.value) as beside, open(beside, "wb") as file:
        np.savez_compressed(file, names=rows["names"], landmarks=landmarks, pose=pose)
    print(f"{_OUTPUT.value}: landmarks and poses of {len(vectors)} faces")


if __name__ == "__main__":
    programs.run(main)
