"""Maps of a tilted plane with depth and normal in closed form."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from twodasl_jax.geometry.mesh import vertex_normals
from twodasl_jax.rendering import maps, rasterizer

# z = 30 - 0.75 x + 0.5 (y - 40) over the square from (10, 10) to (50, 50).
SLOPE_X, SLOPE_Y = -0.75, 0.5
SHAPE = (60, 70)
TRIANGLES = np.array([[0, 3, 2], [0, 2, 1]], np.int32)


def depth_of_plane(x, y):
    return 30 + SLOPE_X * x + SLOPE_Y * (y - 40)


@pytest.fixture(scope="module")
def vertices():
    x, y = np.array([[10, 10], [50, 10], [50, 50], [10, 50]]).T
    return np.stack([x, y, depth_of_plane(x, y)], axis=-1).astype(np.float32)


@pytest.fixture(scope="module")
def raster(vertices):
    return rasterizer.rasterize(vertices, TRIANGLES, *SHAPE)


def inside():
    mask = np.zeros(SHAPE, bool)
    mask[10:50, 10:50] = True
    return mask


def test_depth_of_tilted_plane(vertices, raster):
    grey, offset, scale = maps.depth_map(raster, TRIANGLES, vertices[:, 2])
    x, y = np.meshgrid(np.arange(SHAPE[1]) + 0.5, np.arange(SHAPE[0]) + 0.5)
    true = depth_of_plane(x, y)
    np.testing.assert_array_equal(grey > 0, inside())
    np.testing.assert_allclose(
        (offset + scale * grey)[inside()], true[inside()], atol=0.51 * scale + 1e-5
    )
    # The pixel centres of the square span 39 pixels in each direction.
    assert scale == pytest.approx((0.75 * 39 + 0.5 * 39) / 65534, rel=1e-5)
    assert grey[49, 10] == 65535
    assert grey[10, 49] == 1


@hypothesis.given(
    low=st.floats(-2000, 2000, width=32), spans=st.lists(st.floats(0, 2000), min_size=4, max_size=4)
)
def test_depth_is_recovered_to_half_grey_level(low, spans):
    z = np.float32(low) + np.array(spans, np.float32)
    square = np.array([[10, 10, 0], [50, 10, 0], [50, 50, 0], [10, 50, 0]], np.float32)
    square[:, 2] = z
    plain = rasterizer.rasterize(square, TRIANGLES, *SHAPE)
    grey, offset, scale = maps.depth_map(plain, TRIANGLES, z)
    # The second term is the error of single precision.
    np.testing.assert_allclose(
        (offset + scale * grey)[inside()], plain.depth[inside()], atol=scale / 2 + 1e-3
    )


def test_constant_depth_is_recovered(vertices, raster):
    grey, offset, scale = maps.depth_map(raster, TRIANGLES, np.full(4, 7, np.float32))
    np.testing.assert_allclose(offset + scale * grey[inside()].astype(float), 7, atol=1e-5)
    np.testing.assert_array_equal(grey[~inside()], 0)


def test_normal_of_tilted_plane(vertices, raster):
    normals = vertex_normals(vertices, TRIANGLES)
    picture = maps.normal_map(raster, TRIANGLES, normals)
    # With y up, the plane is z = c + SLOPE_X x - SLOPE_Y y.
    normal = np.array([-SLOPE_X, SLOPE_Y, 1]) / np.linalg.norm([-SLOPE_X, SLOPE_Y, 1])
    expected = np.rint(255 * (normal + 1) / 2)
    np.testing.assert_array_equal(picture[inside()], np.broadcast_to(expected, (1600, 3)))
    np.testing.assert_array_equal(picture[~inside()], 0)


def test_interpolated_normals_have_unit_length(raster):
    normals = np.array([[0.8, 0, 0.6], [-0.8, 0, 0.6], [-0.8, 0, 0.6], [0.8, 0, 0.6]], np.float32)
    picture = maps.normal_map(raster, TRIANGLES, normals)
    lengths = np.linalg.norm(picture[inside()] / 127.5 - 1, axis=-1)
    np.testing.assert_allclose(lengths, 1, atol=0.01)


def test_coordinates_are_interpolated_over_picture(raster):
    corners = np.array([[0, 1, 0.4], [1, 1, 0.4], [1, 0, 0.4], [0, 0, 0.4]], np.float32)
    picture = maps.coordinate_map(raster, TRIANGLES, corners)
    step = np.rint(255 * (np.arange(40) + 0.5) / 40)
    np.testing.assert_allclose(picture[30, 10:50, 0], step, atol=1)
    np.testing.assert_allclose(picture[10:50, 30, 1], step[::-1], atol=1)
    np.testing.assert_array_equal(picture[inside()][:, 2], 102)
    np.testing.assert_array_equal(picture[~inside()], 0)


def test_each_axis_of_mean_face_is_normalised_separately():
    mean = np.array([[-70, 0, -40], [70, 100, 10], [0, 50, 60]], np.float32)
    np.testing.assert_allclose(
        maps.normalised_coordinates(mean), [[0, 0, 0], [1, 1, 0.5], [0.5, 0.5, 1]]
    )


def test_maps_do_not_depend_on_strip_size(vertices, raster, monkeypatch):
    def all_maps():
        normals = vertex_normals(vertices, TRIANGLES)
        return (
            maps.depth_map(raster, TRIANGLES, vertices[:, 2]).grey,
            maps.normal_map(raster, TRIANGLES, normals),
            maps.coordinate_map(raster, TRIANGLES, np.abs(normals)),
        )

    whole = all_maps()
    monkeypatch.setattr(rasterizer, "_STRIP_PIXELS", 200)
    for in_strips, at_once in zip(all_maps(), whole, strict=True):
        np.testing.assert_array_equal(in_strips, at_once)
