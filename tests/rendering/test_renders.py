"""All pictures of the size of the photo, compared with reviewed golden pictures."""

import pathlib

import imageio.v3 as imageio
import numpy as np
import pytest

from tests.golden import make_renders
from twodasl_jax import outputs

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
PICTURES = [name for name, kind in outputs.PHOTO_KINDS.items() if kind.ending.endswith(".png")]


@pytest.fixture(scope="module")
def scene():
    return make_renders.scene()


@pytest.mark.parametrize("kind", PICTURES)
def test_picture_matches_golden(tmp_path, scene, kind):
    outputs.PHOTO_KINDS[kind].write(tmp_path / "drawn.png", scene)
    drawn, golden = (
        imageio.imread(path) for path in (tmp_path / "drawn.png", GOLDEN / f"render_{kind}.png")
    )
    assert drawn.dtype == golden.dtype
    assert drawn.shape == golden.shape
    # Rounding differs between compilers and may move a pixel on an edge to another triangle.
    difference = np.abs(drawn.astype(float) - golden) / np.iinfo(golden.dtype).max
    assert difference.mean() < 0.0005
    assert (difference > 0.05).mean() < 0.001


@pytest.mark.parametrize("kind", PICTURES)
def test_picture_shows_both_faces(tmp_path, scene, kind):
    outputs.PHOTO_KINDS[kind].write(tmp_path / "drawn.png", scene)
    drawn = imageio.imread(tmp_path / "drawn.png")
    background = scene.image if drawn.shape == scene.image.shape else np.zeros_like(drawn)
    if kind in ("normals", "pncc"):
        background = np.zeros_like(drawn)
    changed = (drawn != background).reshape(*scene.size, -1).any(axis=-1)
    for face in scene.faces:
        x, y = face.landmarks[30, :2].astype(int)
        assert changed[y - 2 : y + 3, x - 2 : x + 3].any()
