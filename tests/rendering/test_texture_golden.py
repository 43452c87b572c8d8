"""Texture, turntable and position map of a face, compared with reviewed golden files."""

import pathlib

import numpy as np
import pytest
from PIL import Image

from tests.golden import make_texture_golden

FOLDER = pathlib.Path(make_texture_golden.__file__).parent


@pytest.fixture(scope="module")
def view():
    return make_texture_golden.face_view()


def stored(name):
    return np.asarray(Image.open(FOLDER / name)).astype(int)


@pytest.mark.parametrize(
    ("draw", "name"),
    [
        (make_texture_golden.texture, "uv_texture.png"),
        (make_texture_golden.turntable, "turntable.png"),
    ],
)
def test_picture_matches_golden(view, draw, name):
    difference = np.abs(draw(view) - stored(name))
    assert difference.mean() < 0.5
    # Single texels at the border of the visible surface may differ.
    assert np.percentile(difference, 99.5) < 8


def test_position_map_matches_golden(view, golden):
    positions, before = make_texture_golden.positions(view), golden("uv_position")["positions"]
    both = np.isfinite(positions) & np.isfinite(before)
    assert (both == np.isfinite(positions)).mean() > 0.999
    np.testing.assert_allclose(positions[both], before[both], atol=0.2)
