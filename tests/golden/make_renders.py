"""Writes the golden pictures of `tests/rendering/test_renders.py`.

Run it as `python -m tests.golden.make_renders`, only after an intended visible change. The stored
pictures were reviewed; review them again after each run.
"""

import pathlib

import numpy as np

from twodasl_jax import outputs
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.geometry.projection import WeakPerspective, affine_from_camera
from twodasl_jax.geometry.rotation import rotation_from_euler
from twodasl_jax.inference.reconstruction import Face
from twodasl_jax.models.face_model import embedded_face_model

FOLDER = pathlib.Path(__file__).parent
SIDE = 160


def scene():
    """Returns a scene of two faces of the embedded model; the smaller one is partly hidden."""
    model = embedded_face_model()
    large = _face(model, centre=(66, 90), scale=0.5, yaw_pitch_roll=(30, -5, 8))
    small = _face(model, centre=(118, 56), scale=0.3, yaw_pitch_roll=(-50, 10, -5))
    return outputs.Scene(_photo(), (large, small), model)


def _face(model, centre, scale, yaw_pitch_roll):
    random = np.random.default_rng(30)
    shape = random.normal(size=model.shape_std.shape).astype(np.float32)
    expression = (0.5 * random.normal(size=model.expression_std.shape)).astype(np.float32)
    angles = np.array(yaw_pitch_roll, np.float32)
    camera = WeakPerspective(
        scale=np.array(scale, np.float32),
        rotation=rotation_from_euler(np.radians(angles)),
        translation=np.array([*centre, 0], np.float32),
    )
    coefficients = Coefficients(affine_from_camera(camera), shape, expression)
    vertices, landmarks = (
        np.asarray(decode(space, coefficients)) for space in (model, landmark_space(model))
    )
    return Face(
        vertices=vertices,
        landmarks=landmarks,
        coefficients=np.zeros(62, np.float32),
        box=np.array([0, 0, SIDE, SIDE], np.float32),
        euler_angles=angles,
        score=1.0,
    )


def _photo():
    x, y = np.meshgrid(np.linspace(0, 1, SIDE), np.linspace(0, 1, SIDE))
    return np.rint(np.stack([90 + 60 * x, 80 + 50 * y, 120 - 50 * x], axis=-1)).astype(np.uint8)


if __name__ == "__main__":
    drawn = scene()
    for name, kind in outputs.PHOTO_KINDS.items():
        kind.write(FOLDER / f"render_{name}.png", drawn)
