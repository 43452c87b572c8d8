"""Writes the golden files of `tests/rendering/test_texture_golden.py`.

Run it as `python -m tests.golden.make_texture_golden`, only after an intended visible change. The
stored files were reviewed; review them again after each run.
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


def face_view():
    """Returns the mean face of the embedded model at yaw 25 in a photo of waves."""
    row, column = np.mgrid[:200, :180]
    waves = [np.sin(row / 9), np.cos(column / 7), np.sin((row + column) / 13)]
    image = (128 + 60 * np.stack(waves, axis=-1) + row[..., None] / 4).astype(np.uint8)
    model = embedded_face_model()
    face = make_face(model, (90, 100), scale=0.7, yaw=25)
    return Scene(image, (face,), model).face_views[0]


def texture(view, size=128):
    """Returns the texture that the photo gives to the face."""
    scene = view.scene
    return photo_texture(scene.image, view.face.vertices, scene.surface, scene.atlas, size)


def positions(view, size=48):
    """Returns the position map of the face."""
    raster = rasterize_atlas(view.scene.atlas, size)
    return position_map(raster, np.asarray(view.scene.model.triangles), view.face.vertices)


def turntable(view, size=120):
    """Returns the last of four pictures; the head faces the right of the picture."""
    model = view.scene.model
    frames = turntable_frames(
        np.asarray(model.mean),
        np.asarray(model.triangles),
        view.scene.atlas,
        texture(view),
        size=size,
        count=4,
    )
    return list(frames)[-1]


if __name__ == "__main__":
    view = face_view()
    Image.fromarray(texture(view)).save(FOLDER / "uv_texture.png")
    Image.fromarray(turntable(view)).save(FOLDER / "turntable.png")
    np.savez_compressed(FOLDER / "uv_position.npz", positions=positions(view).astype(np.float16))
