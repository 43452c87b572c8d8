"""Writes the pictures that `tests/rendering/test_texture_golden.py` compares: `python -m tests.golden.make_texture_golden`.

They were looked at before they were stored: a change of the code that changes them needs another look.
"""

import pathlib

import numpy as np
from PIL import Image

from tests.helpers.fake_reconstruction import make_face
from twodasl_jax.models.face_model import embedded_face_model
from twodasl_jax.outputs import Scene
from twodasl_jax.rendering.photo_texture import photo_texture
from twodasl_jax.rendering.turntable import turntable_frames
from twodasl_jax.rendering.uv_maps import position_map, rasterize_atlas

FOLDER = pathlib.Path(__file__).parent


def portrait():
    """The embedded model's mean face, turned, before a photo of waves; all of it from formulas."""
    row, column = np.mgrid[:200, :180]
    waves = [np.sin(row / 9), np.cos(column / 7), np.sin((row + column) / 13)]
    image = (128 + 60 * np.stack(waves, axis=-1) + row[..., None] / 4).astype(np.uint8)
    model = embedded_face_model()
    face = make_face(model, (90, 100), scale=0.7, yaw=25)
    return Scene(image, (face,), model).portraits[0]


def texture(subject, size=128):
    scene = subject.scene
    return photo_texture(scene.image, subject.face.vertices, scene.surface, scene.atlas, size)


def positions(subject, size=48):
    raster = rasterize_atlas(subject.scene.atlas, size)
    return position_map(raster, np.asarray(subject.scene.model.triangles), subject.face.vertices)


def turned(subject, size=120):
    """The last of four pictures: the head looks to the right of the picture."""
    model = subject.scene.model
    frames = turntable_frames(
        np.asarray(model.mean),
        np.asarray(model.triangles),
        subject.scene.atlas,
        texture(subject),
        size=size,
        count=4,
    )
    return list(frames)[-1]


if __name__ == "__main__":
    subject = portrait()
    Image.fromarray(texture(subject)).save(FOLDER / "uv_texture.png")
    Image.fromarray(turned(subject)).save(FOLDER / "turntable.png")
    np.savez_compressed(FOLDER / "uv_position.npz", positions=positions(subject).astype(np.float16))
