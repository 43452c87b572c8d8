"""Errors of a face model that is fitted to the landmarks of annotated faces."""

import pathlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from twodasl_jax.array_types import Array
from twodasl_jax.evaluation.landmark_error import box_size, mean_error, point_distances
from twodasl_jax.evaluation.summary import bootstrap_interval
from twodasl_jax.files.array_files import read_rows
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.fitting import fit_landmarks
from twodasl_jax.geometry.landmark_sets import REGIONS
from twodasl_jax.geometry.morphable_model import MorphableModel, ShapeSpace, landmark_space
from twodasl_jax.geometry.rotation import euler_from_rotation

# The standard deviation of the residuals, relative to the size of the face.
RESIDUAL_SIGMA = 0.01


class FittedFaces(NamedTuple):
    """The fits of N faces.

    Attributes:
      landmarks: (N, 68, 3) the landmarks, in units of the size of the face.
      yaw: (N,) the yaw as Euler angle of the annotations, degrees.
      azimuth: (N,) the direction of the nose seen from above, degrees.
    """

    landmarks: Float[Array, "N 68 3"]
    yaw: Float[Array, " N"]
    azimuth: Float[Array, " N"]


def read_faces(
    path: pathlib.Path,
) -> tuple[Float[np.ndarray, "N 68 3"], Float[np.ndarray, " N"]]:
    """Returns the landmarks of annotated faces, centred and of size one, and their yaw in degrees.

    Raises:
      DatasetError: the file is missing, damaged or of another kind.
    """
    annotations = read_rows(path, {"pts68": (3, 68), "yaw": ()})
    points = annotations["pts68"].swapaxes(1, 2).astype(np.float32)
    size = np.asarray(box_size(points, np.ones(points.shape[:2], bool)))
    centred = points - points.mean(axis=1, keepdims=True)
    return centred / size[:, None, None], annotations["yaw"]


def report(
    model: MorphableModel, truth: Float[np.ndarray, "N 68 3"], yaw: Float[np.ndarray, " N"]
) -> None:
    """Prints a table of the mean errors of the fitted face model.

    Args:
      model: the face model.
      truth: (N, 68, 3) the landmarks of annotated faces of size one.
      yaw: (N,) their yaw in degrees.
    """
    fitted = fit_faces(landmark_space(model), truth[..., :2])
    print(
        f"{len(truth)} faces, {len(model.shape_std)} shape and {len(model.expression_std)} expression components; % of "
        "sqrt(width * height)\n"
        "error            mean  95 % interval"
    )
    for name, values in face_errors(fitted, truth, yaw).items():
        low, high = bootstrap_interval([values])
        print(f"{name:15}{values.mean():6.2f}   {low:5.2f} .. {high:.2f}")


@jax.jit
def fit_faces(space: ShapeSpace, landmarks: Float[Array, "N 68 2"]) -> FittedFaces:
    """Fits a face model to the landmarks of faces of size one."""
    weights = np.ones(landmarks.shape[1], np.float32)
    fits = jax.vmap(lambda face: fit_landmarks(space, face, weights, RESIDUAL_SIGMA))(landmarks)
    rotation = fits.camera.rotation
    azimuth = jnp.arctan2(-rotation[:, 0, 2], rotation[:, 2, 2])
    yaw = euler_from_rotation(rotation)[:, 0]
    return FittedFaces(decode(space, fits.coefficients), jnp.degrees(yaw), jnp.degrees(azimuth))


def face_errors(
    fitted: FittedFaces, truth: Float[np.ndarray, "N 68 3"], yaw: Float[np.ndarray, " N"]
) -> dict[str, Float[np.ndarray, " N"]]:
    """Returns the errors of each face by name: angles in degrees, all others in percent of the size of the face."""
    landmarks, size = np.asarray(fitted.landmarks), np.ones(len(truth), np.float32)
    distances = np.asarray(point_distances(landmarks[..., :2], truth[..., :2]))
    errors = {}
    for name, rows in {"all": slice(0, 68), **REGIONS}.items():
        valid = np.ones(distances[:, rows].shape, bool)
        errors[f"2D NME, {name}"] = np.asarray(mean_error(distances[:, rows], valid, size))
    depth = landmarks[..., 2] - truth[..., 2]
    errors["depth"] = 100 * np.abs(depth - depth.mean(axis=1, keepdims=True)).mean(axis=1)
    errors["yaw, degrees"] = np.abs(np.asarray(fitted.yaw) - yaw)
    errors["azimuth - yaw"] = np.abs(np.asarray(fitted.azimuth) - yaw)
    return errors
