"""Pictures in texture coordinates: where texels lie, and what is outside the charts."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from twodasl_jax.rendering import uv_maps
from twodasl_jax.rendering.atlas import Atlas
from twodasl_jax.rendering.bilinear import sample_bilinear

# One triangle: the half of the square below the diagonal from its upper left to its lower right corner.
TRIANGLE = np.array([[0, 1, 2]], np.int32)
HALF = Atlas(np.array([[0, 0], [1, 0], [0, 1]], np.float32), np.arange(3), TRIANGLE)
CORNERS = np.array([[0, 0, 5], [8, 0, 5], [0, 4, 13]], np.float32)


def test_the_position_map_is_the_surface_at_the_centres_of_the_texels():
    positions = uv_maps.position_map(uv_maps.rasterize_atlas(HALF, 4), TRIANGLE, CORNERS)
    # Row 3 and column 0 have the centre u = 1/8, v = 1/8; row 1 is v = 5/8.
    np.testing.assert_allclose(positions[3, 0], [1, 0.5, 6], atol=1e-5)
    np.testing.assert_allclose(positions[1, 1], [3, 2.5, 10], atol=1e-5)
    outside = np.isnan(positions).all(axis=-1)
    np.testing.assert_array_equal(outside, np.triu(np.ones((4, 4), bool), 1))


def test_the_uv_of_a_texel_finds_its_colour():
    texture = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    uv = np.array([[0.125, 0.125], [0.625, 0.875], [0.25, 0.125]], np.float32)
    expected = [texture[3, 0], texture[0, 2], texture[3, :2].mean(axis=0)]
    np.testing.assert_allclose(uv_maps.sample(texture, uv), expected, atol=1e-3)


def test_vertices_get_the_colour_of_their_place():
    texture = np.zeros((4, 4, 3), np.uint8)
    texture[0, 3], texture[3, 0] = (200, 100, 50), (7, 8, 9)
    atlas = Atlas(
        np.array([[0.125, 0.125], [0.875, 0.875], [0.125, 0.125]], np.float32),
        np.array([1, 0, 1]),
        TRIANGLE,
    )
    np.testing.assert_array_equal(
        uv_maps.vertex_colours(texture, atlas, 3), [(200, 100, 50), (7, 8, 9), (0, 0, 0)]
    )


@given(x=st.floats(-3, 12), y=st.floats(-3, 9))
def test_sampling_is_bilinear_and_goes_on_beyond_the_border(x, y):
    picture = np.random.default_rng(1).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    column, row = np.clip(x - 0.5, 0, 8), np.clip(y - 0.5, 0, 5)
    left, top = min(int(column), 7), min(int(row), 4)
    right, down = column - left, row - top
    block = picture[top : top + 2, left : left + 2].astype(float)
    expected = np.einsum("r,c,rck->k", [1 - down, down], [1 - right, right], block)
    sampled = sample_bilinear(picture, np.array([[x, y]], np.float64))
    np.testing.assert_allclose(sampled[0], expected, atol=1e-2)


def test_texels_of_the_charts_stay_and_those_around_continue_them():
    covered = np.zeros((16, 16), bool)
    covered[4:9, 3:7] = True
    picture = np.where(covered[..., None], [50, 100, 150], -1e6).astype(np.float32)
    picture[4:9, 3] = (90, 100, 150)
    filled = uv_maps.fill_around_charts(picture, covered)
    np.testing.assert_array_equal(filled[covered], picture[covered])
    np.testing.assert_allclose(filled[..., 1:], np.broadcast_to([100, 150], (16, 16, 2)), atol=1e-3)
    assert 49 < filled[..., 0].min() < filled[..., 0].max() < 91
    assert filled[6, 1, 0] > filled[6, 9, 0]


def test_next_to_a_chart_there_is_its_colour_and_not_that_of_another():
    covered = np.zeros((32, 32), bool)
    covered[:, :10] = covered[:, 22:] = True
    picture = np.zeros((32, 32, 1), np.float32)
    picture[:, 22:] = 100
    filled = uv_maps.fill_around_charts(picture, covered)[16, :, 0]
    assert filled[10:13].max() < 40
    assert filled[19:22].min() > 60


@pytest.mark.parametrize("size", [1, 8])
def test_without_charts_there_is_nothing_to_continue(size):
    filled = uv_maps.fill_around_charts(
        np.ones((size, size, 3), np.float32), np.zeros((size, size), bool)
    )
    np.testing.assert_array_equal(filled, 0)
