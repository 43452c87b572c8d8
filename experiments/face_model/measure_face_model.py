"""Measures how well a face model can represent annotated faces, however good a network may be.

  python experiments/face_model/measure_face_model.py --data_dir=FOLDER [--model=FILE.npz]

FOLDER/annotations.npz holds `pts68` (N, 3, 68): x right, y down, z toward the camera up to an offset,
in pixels; and `yaw` (N,) in degrees, as AFLW2000-3D has them. The model is fitted to x and y only:
weak perspective, coefficients with a standard normal prior, residuals of 1 % of the face's size,
which is sqrt(width * height) of the box around its points. Depth (mean |z| error, means aligned) and
yaw say whether the fit is a face or only a drawing that covers the points.
"""

import pathlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from jaxtyping import Float

from twodasl_jax.array_types import Array
from twodasl_jax.commands import entry_points
from twodasl_jax.errors import InputError
from twodasl_jax.evaluation.landmark_error import box_size, mean_error, point_distances
from twodasl_jax.evaluation.summary import bootstrap_interval
from twodasl_jax.files.array_files import read_rows
from twodasl_jax.geometry.fitting import fit_landmarks
from twodasl_jax.geometry.landmark_sets import REGIONS
from twodasl_jax.geometry.morphable_model import (
    MorphableModel,
    ShapeSpace,
    landmark_space,
    synthesize,
    truncate,
)
from twodasl_jax.geometry.projection import picture_from_model
from twodasl_jax.geometry.rotation import euler_from_rotation
from twodasl_jax.models.face_model import embedded_face_model, load_face_model

RESIDUAL_SIGMA = 0.01
_MODEL = flags.DEFINE_string("model", None, "A face model's .npz instead of the embedded one.")
_DATA = flags.DEFINE_string("data_dir", None, "Folder of annotations.npz.", required=True)
_SHAPE_COUNT = flags.DEFINE_integer("shape_count", 40, "How many shape components to fit.")
_EXPRESSION_COUNT = flags.DEFINE_integer(
    "expression_count", 10, "How many expression components to fit."
)


class FittedFaces(NamedTuple):
    """A face model's landmarks after the fit, in units of the face's size, and its yaw in degrees.

    `yaw` is the Euler angle of the annotations, `azimuth` the direction of the nose seen from above.
    """

    landmarks: Float[Array, "N 68 3"]
    yaw: Float[Array, " N"]
    azimuth: Float[Array, " N"]


def normalized(points: Float[np.ndarray, "N 68 3"]) -> Float[np.ndarray, "N 68 3"]:
    """Returns faces with the mean of their points at the origin and of size one."""
    size = np.asarray(box_size(points, np.ones(points.shape[:2], bool)))
    return (points - points.mean(axis=1, keepdims=True)) / size[:, None, None]


@jax.jit
def fit_faces(space: ShapeSpace, landmarks: Float[Array, "N 68 2"]) -> FittedFaces:
    """Fits a face model to faces of size one."""
    weights = np.ones(landmarks.shape[1], np.float32)
    fits = jax.vmap(lambda face: fit_landmarks(space, face, weights, RESIDUAL_SIGMA))(landmarks)
    points = picture_from_model(fits.camera, synthesize(space, fits.shape, fits.expression))
    rotation = fits.camera.rotation
    azimuth = jnp.arctan2(-rotation[:, 0, 2], rotation[:, 2, 2])
    yaw = euler_from_rotation(rotation)[:, 0]
    return FittedFaces(points, jnp.degrees(yaw), jnp.degrees(azimuth))


def face_errors(
    fitted: FittedFaces, truth: Float[np.ndarray, "N 68 3"], yaw: Float[np.ndarray, " N"]
) -> dict[str, Float[np.ndarray, " N"]]:
    """Returns each face's errors by name: in percent of the face's size, which is one; the yaw in degrees."""
    landmarks, size = np.asarray(fitted.landmarks), np.ones(len(truth), np.float32)
    distances = np.asarray(point_distances(landmarks[..., :2], truth[..., :2]))
    errors = {}
    for name, rows in {"all": slice(0, 68), **REGIONS}.items():
        every = np.ones(distances[:, rows].shape, bool)
        errors[f"2D NME, {name}"] = np.asarray(mean_error(distances[:, rows], every, size))
    depth = landmarks[..., 2] - truth[..., 2]
    errors["depth"] = 100 * np.abs(depth - depth.mean(axis=1, keepdims=True)).mean(axis=1)
    errors["yaw, degrees"] = np.abs(np.asarray(fitted.yaw) - yaw)
    errors["azimuth - yaw"] = np.abs(np.asarray(fitted.azimuth) - yaw)
    return errors


def read_model() -> MorphableModel:
    """Returns the model that the flags name, with as many components as they say."""
    counts = _SHAPE_COUNT.value, _EXPRESSION_COUNT.value
    try:
        if _MODEL.value:
            return truncate(load_face_model(_MODEL.value), *counts)
        return embedded_face_model(*counts)
    except ValueError as error:
        raise InputError(f"Cannot use the face model: {error}.") from error


def main() -> None:
    path = pathlib.Path(_DATA.value) / "annotations.npz"
    annotations = read_rows(path, {"pts68": (3, 68), "yaw": ()})
    truth = normalized(annotations["pts68"].swapaxes(1, 2).astype(np.float32))
    fitted = fit_faces(landmark_space(read_model()), truth[..., :2])
    print(
        f"{len(truth)} faces, {_SHAPE_COUNT.value} shape and {_EXPRESSION_COUNT.value} expression "
        "components; % of sqrt(width * height)\n"
        "error            mean  95 % interval"
    )
    for name, values in face_errors(fitted, truth, annotations["yaw"]).items():
        low, high = bootstrap_interval([values])
        print(f"{name:15}{values.mean():6.2f}   {low:5.2f} .. {high:.2f}")


if __name__ == "__main__":
    entry_points.run(main)
