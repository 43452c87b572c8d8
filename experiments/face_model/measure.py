"""Measures how well a face model represents faces.

python experiments/face_model/measure.py --what=landmarks --data_dir=FOLDER [--face_model=FILE.npz]
    Landmarks of annotated faces: the error that remains if the face model is fitted to them, a lower bound for any
    network. FOLDER/annotations.npz contains `pts68` (N, 3, 68) in pixels, x right, y down, z toward the camera up to
    an offset, and `yaw` (N,) in degrees, as AFLW2000-3D has them. The face model is fitted to x and y only: weak
    perspective, coefficients with a standard normal prior, residuals of 1 % of the face's size. The size is
    sqrt(width * height) of the box around its landmarks. The errors of depth (mean |z| error after the means are
    aligned) and yaw show whether the fit is plausible in 3D.
python experiments/face_model/measure.py --what=expression_units [--expression_count=20] [--noise=0.3]
    Expression units that can be recovered from the expression coefficients. Random faces use one to four units with
    the usual strength; left and right units mostly act together. Their expressions are approximated by the nearest
    coefficients, with a random error of --noise standard deviations each, and `fit_units` recovers the units. For
    each unit, left and right together, the table lists the share of faces in which it is active, the correlation of
    recovered and true activations, the mean error if it is active, and the mean recovered activation if it is not.
"""

import pathlib

from absl import flags

from experiments import conditional_flags
from experiments.face_model.measures import expression_units, landmarks
from twodasl_jax.commands import entry_points
from twodasl_jax.errors import ConfigError, FaceModelError
from twodasl_jax.geometry.coefficients import EXPRESSION_COUNT, SHAPE_COUNT
from twodasl_jax.geometry.morphable_model import MorphableModel, truncate
from twodasl_jax.models.face_model import (
    chosen_expression_units,
    embedded_face_model,
    load_face_model,
)

_WHAT = flags.DEFINE_enum(
    "what", None, ["landmarks", "expression_units"], "The measure.", required=True
)
_FACE_MODEL = flags.DEFINE_string(
    "face_model", None, "A face model (.npz) instead of the embedded one."
)
_EXPRESSION_COUNT = flags.DEFINE_integer(
    "expression_count",
    EXPRESSION_COUNT,
    "The number of expression components to use.",
    lower_bound=1,
)
_SHAPE_COUNT = flags.DEFINE_integer(
    "shape_count", SHAPE_COUNT, "landmarks: the number of shape components to fit."
)
_DATA = flags.DEFINE_string("data_dir", None, "landmarks: the folder of annotations.npz.")
_NOISE = flags.DEFINE_float(
    "noise",
    0.0,
    "expression_units: the error of the coefficients, standard deviations.",
    lower_bound=0.0,
)
_FACES = flags.DEFINE_integer(
    "faces", 2000, "expression_units: the number of random faces.", lower_bound=2
)


def main() -> None:
    if _WHAT.value == "landmarks":
        measure_landmarks()
    else:
        measure_expression_units()


def measure_landmarks() -> None:
    """Prints the errors of a face model that is fitted to annotated faces."""
    conditional_flags.reject("--what=landmarks", _NOISE, _FACES)
    folder = pathlib.Path(conditional_flags.required(_DATA, "--what=landmarks"))
    truth, yaw = landmarks.read_faces(folder / "annotations.npz")
    landmarks.report(read_model(_SHAPE_COUNT.value), truth, yaw)


def measure_expression_units() -> None:
    """Prints how well each expression unit is recovered from the coefficients of random faces."""
    conditional_flags.reject("--what=expression_units", _DATA, _SHAPE_COUNT)
    model, units = read_model(shape_count=0), chosen_expression_units(_FACE_MODEL.value)
    if units is None:
        raise FaceModelError(
            f"{_FACE_MODEL.value} has no expression units: give a face model that has some."
        )
    expression_units.report(model, units, _FACES.value, _NOISE.value)


def read_model(shape_count: int) -> MorphableModel:
    """Returns the face model of --face_model with its first components."""
    path, counts = _FACE_MODEL.value, (shape_count, _EXPRESSION_COUNT.value)
    try:
        return truncate(load_face_model(path), *counts) if path else embedded_face_model(*counts)
    except FaceModelError:
        raise
    except ValueError as error:
        raise ConfigError(f"Cannot use the face model: {error}.") from error


if __name__ == "__main__":
    entry_points.run(main)
