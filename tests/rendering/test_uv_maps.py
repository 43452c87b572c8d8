"""Position maps, texture sampling and hole filling on small atlases."""

import numpy as np
import pytest

from twodasl_jax.rendering import uv_maps
from twodasl_jax.rendering.atlas import Atlas

# One triangle that fills the lower left half of the square.
TRIANGLE = np.array([[0, 1, 2]], np.int32)
HALF = Atlas(np.array([[0, 0], [1, 0], [0, 1]], np.float32), np.arange(3), TRIANGLE)
CORNERS = np.array([[0, 0, 5], [8, 0, 5], [0, 4, 13]], np.float32)


def test_position_map_samples_surface_at_texel_centres():
    positions = uv_maps.position_map(uv_maps.rasterize_atlas(HALF, 4), TRIANGLE, CORNERS)
    # The texel in row 3 and column 0 has its centre at u = v = 1/8; row 1 has v = 5/8.
    np.testing.assert_allclose(positions[3, 0], [1, 0.5, 6], atol=1e-5)
    np.testing.assert_allclose(positions[1, 1], [3, 2.5, 10], atol=1e-5)
    outside = np.isnan(positions).all(axis=-1)
    np.testing.assert_array_equal(outside, np.triu(np.ones((4, 4), bool), 1))


def test_uv_of_texel_centre_gives_its_colour():
    texture = np.random.default_rng(0).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    uv = np.array([[0.125, 0.125], [0.625, 0.875], [0.25, 0.125]], np.float32)
    expected = [texture[3, 0], texture[0, 2], texture[3, :2].mean(axis=0)]
    np.testing.assert_allclose(uv_maps.sample_texture(texture, uv), expected, atol=1e-3)


def test_vertices_take_colour_at_their_uv():
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


def test_filling_keeps_charts_and_extends_them():
    covered = np.zeros((16, 16), bool)
    covered[4:9, 3:7] = True
    picture = np.where(covered[..., None], [50, 100, 150], -1e6).astype(np.float32)
    picture[4:9, 3] = (90, 100, 150)
    filled = uv_maps.fill_around_charts(picture, covered)
    np.testing.assert_array_equal(filled[covered], picture[covered])
    np.testing.assert_allclose(filled[..., 1:], np.broadcast_to([100, 150], (16, 16, 2)), atol=1e-3)
    assert 49 < filled[..., 0].min() < filled[..., 0].max() < 91
    assert filled[6, 1, 0] > filled[6, 9, 0]


def test_filling_takes_colour_of_nearest_chart():
    covered = np.zeros((32, 32), bool)
    covered[:, :10] = covered[:, 22:] = True
    picture = np.zeros((32, 32, 1), np.float32)
    picture[:, 22:] = 100
    filled = uv_maps.fill_around_charts(picture, covered)[16, :, 0]
    assert filled[10:13].max() < 40
    assert filled[19:22].min() > 60


@pytest.mark.parametrize("size", [1, 8])
def test_filling_without_charts_gives_zeros(size):
    filled = uv_maps.fill_around_charts(
        np.ones((size, size, 3), np.float32), np.zeros((size, size), bool)
    )
    np.testing.assert_array_equal(filled, 0)
