"""Writes the pictures beside it that `tests/rendering/test_renders.py` compares with: `python -m tests.golden.make_renders`.

They were looked at and found good; run it again only after a change that is meant to be seen, and look at them.
"""

import pathlib

import numpy as np

from twodasl_jax import outputs
from twodasl_jax.geometry.morphable_model import landmark_space, synthesize
from twodasl_jax.geometry.projection import WeakPerspective, picture_from_model
from twodasl_jax.geometry.rotation import rotation_from_euler
from twodasl_jax.inference.reconstruction import Face
from twodasl_jax.models.face_model import embedded_face_model

FOLDER = pathlib.Path(__file__).parent
SIDE = 160


def scene():
    """Two faces of the embedded model: one at yaw 30, and a smaller one that it covers in part."""
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
    vertices, landmarks = (
        np.asarray(picture_from_model(camera, synthesize(space, shape, expression)))
        for space in (model, landmark_space(model))
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
    subject = scene()
    for name, kind in outputs.OF_PHOTO.items():
        kind.write(FOLDER / f"render_{name}.png", subject)
