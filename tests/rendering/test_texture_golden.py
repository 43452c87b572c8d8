"""Pictures of a face's surface, as they were when somebody looked at them."""

import pathlib

import numpy as np
import pytest
from PIL import Image

from tests.golden import make_texture_golden

FOLDER = pathlib.Path(make_texture_golden.__file__).parent


@pytest.fixture(scope="module")
def subject():
    return make_texture_golden.portrait()


def stored(name):
    return np.asarray(Image.open(FOLDER / name)).astype(int)


@pytest.mark.parametrize(
    ("draw", "name"),
    [
        (make_texture_golden.texture, "uv_texture.png"),
        (make_texture_golden.turned, "turntable.png"),
    ],
)
def test_a_picture_looks_as_it_did(subject, draw, name):
    difference = np.abs(draw(subject) - stored(name))
    assert difference.mean() < 0.5
    # Single texels at the edge of what is seen may fall to the other side.
    assert np.percentile(difference, 99.5) < 8


def test_the_position_map_is_as_it_was(subject, golden):
    positions, before = make_texture_golden.positions(subject), golden("uv_position")["positions"]
    both = np.isfinite(positions) & np.isfinite(before)
    assert (both == np.isfinite(positions)).mean() > 0.999
    np.testing.assert_allclose(positions[both], before[both], atol=0.2)
