"""The rasteriser against triangles worked by hand and a brute-force NumPy rasteriser."""

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import jaxtyping
import numpy as np
import pytest

from tests.helpers.meshes import sphere
from twodasl_jax.rendering import rasterizer

SQUARE = np.array([[0, 0, 5], [4, 0, 5], [4, 4, 5], [0, 4, 5]], np.float32)
SQUARE_TRIANGLES = np.array([[0, 2, 1], [0, 3, 2]], np.int32)


def brute_force(vertices, triangles, height, width):
    """Solves for the barycentric weights of every pixel in every triangle, in float64."""
    best = np.full((height, width), -1)
    weights = np.zeros((height, width, 3))
    depth = np.full((height, width), -np.inf)
    x, y = np.meshgrid(np.arange(width) + 0.5, np.arange(height) + 0.5)
    pixels = np.stack([x, y, np.ones_like(x)], axis=-1)
    for index, triangle in enumerate(triangles):
        corners = vertices[triangle].astype(np.float64)
        system = np.vstack([corners[:, :2].T, np.ones(3)])
        if not np.isfinite(corners).all() or abs(np.linalg.det(system)) < 1e-9:
            continue
        inside_weights = np.linalg.solve(system, pixels.reshape(-1, 3).T).T.reshape(pixels.shape)
        z = inside_weights @ corners[:, 2]
        nearer = (inside_weights >= 0).all(axis=-1) & (z.astype(np.float32) > depth)
        best[nearer], weights[nearer], depth[nearer] = index, inside_weights[nearer], z[nearer]
    return best, weights, depth


def test_triangle_worked_by_hand():
    vertices = np.array([[0, 0, 0], [3, 0, 3], [0, 3, 6]], np.float32)
    raster = rasterizer.rasterize(vertices, np.array([[0, 1, 2]]), height=3, width=4)
    expected = [[0, 0, 0, -1], [0, 0, -1, -1], [0, -1, -1, -1]]
    np.testing.assert_array_equal(raster.triangle, expected)
    np.testing.assert_allclose(raster.weights[0, 0], [2 / 3, 1 / 6, 1 / 6], rtol=1e-6)
    np.testing.assert_allclose(raster.depth[0, 0], 3 / 6 + 6 / 6, rtol=1e-6)
    assert raster.depth[2, 3] == -np.inf
    np.testing.assert_array_equal(raster.weights[2, 3], 0)


@pytest.mark.parametrize("order", [[0, 1, 2], [0, 2, 1]])
def test_orientation_does_not_matter(order):
    raster = rasterizer.rasterize(SQUARE, np.array([order]), height=4, width=4)
    assert (raster.triangle == 0).sum() == 10


def test_square_covers_exactly_its_pixels():
    raster = rasterizer.rasterize(SQUARE, SQUARE_TRIANGLES, height=6, width=6)
    np.testing.assert_array_equal(raster.triangle[:4, :4] >= 0, True)
    np.testing.assert_array_equal(raster.triangle[4:], rasterizer.NO_TRIANGLE)
    np.testing.assert_array_equal(raster.triangle[:, 4:], rasterizer.NO_TRIANGLE)
    np.testing.assert_array_equal(np.diag(raster.triangle)[:4], 0)


def test_nearer_triangle_wins_in_any_order():
    near = SQUARE + np.float32([0, 0, 1])
    vertices = np.concatenate([near, SQUARE])
    triangles = np.concatenate([SQUARE_TRIANGLES, SQUARE_TRIANGLES + 4])
    raster = rasterizer.rasterize(vertices, triangles, height=4, width=4)
    assert (raster.triangle < 2).all()
    raster = rasterizer.rasterize(vertices, triangles[::-1], height=4, width=4)
    assert (raster.triangle >= 2).all()


@hypothesis.given(
    vertices=hnp.arrays(np.float32, (9, 3), elements=st.floats(-8, 24, width=32)),
    triangles=hnp.arrays(np.int32, (6, 3), elements=st.integers(0, 8)),
)
@hypothesis.settings(max_examples=150, deadline=None)
def test_random_triangles_agree_with_brute_force(vertices, triangles):
    raster = rasterizer.rasterize(vertices, triangles, height=13, width=11)
    triangle, weights, depth = brute_force(vertices, triangles, height=13, width=11)
    agree = raster.triangle == triangle
    # They may differ if the pixel centre lies on an edge or two triangles are equally near.
    both = np.isfinite(raster.depth) & np.isfinite(depth)
    on_edge = (raster.weights.min(axis=-1) < 1e-4) | (weights.min(axis=-1) < 1e-4)
    equally_near = both & np.isclose(np.where(both, raster.depth, 0), np.where(both, depth, 0))
    assert (agree | on_edge | equally_near).all()
    settled = agree & both
    np.testing.assert_allclose(raster.depth[settled], depth[settled], rtol=1e-3, atol=1e-3)


def test_sphere_agrees_with_brute_force():
    vertices, triangles = sphere((20.3, 15.7, 4), 17)
    raster = rasterizer.rasterize(vertices, triangles, height=32, width=40)
    triangle, weights, depth = brute_force(vertices, triangles, height=32, width=40)
    np.testing.assert_array_equal(raster.triangle, triangle)
    np.testing.assert_allclose(raster.weights, weights, atol=1e-5)
    np.testing.assert_allclose(raster.depth, depth, rtol=1e-5)


def test_shared_edges_leave_no_gap():
    generator = np.random.default_rng(0)
    grid = np.stack(np.meshgrid(np.arange(41), np.arange(41)), axis=-1).astype(np.float64)
    grid[1:-1, 1:-1] += generator.uniform(-0.4, 0.4, (39, 39, 2))
    index = np.arange(41 * 41).reshape(41, 41)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    triangles = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
    turn = np.array([[np.cos(0.7), np.sin(0.7)], [-np.sin(0.7), np.cos(0.7)]])
    flat = np.pad((grid.reshape(-1, 2) - 20) @ turn * 4 + 32, ((0, 0), (0, 1))).astype(np.float32)
    assert (rasterizer.rasterize(flat, triangles, height=64, width=64).triangle >= 0).all()


@pytest.mark.parametrize(
    "corner", [[np.nan, 0, 0], [0, np.inf, 0], [0, 0, -np.inf]], ids=["nan", "inf", "-inf"]
)
def test_triangles_that_are_not_finite_are_skipped(corner):
    vertices = np.concatenate([SQUARE, np.array([corner], np.float32)])
    triangles = np.concatenate([SQUARE_TRIANGLES, [[0, 1, 4]]])
    raster = rasterizer.rasterize(vertices, triangles, height=4, width=4)
    assert set(np.unique(raster.triangle)) == {0, 1}


def test_triangles_without_area_are_skipped():
    triangles = np.array([[0, 0, 0], [0, 1, 1], [0, 2, 2]])
    raster = rasterizer.rasterize(SQUARE, triangles, height=4, width=4)
    assert (raster.triangle == rasterizer.NO_TRIANGLE).all()


def test_mesh_may_extend_beyond_picture():
    huge = (SQUARE - np.float32([2, 2, 0])) * np.float32([1e30, 1e30, 1])
    assert (rasterizer.rasterize(huge, SQUARE_TRIANGLES, 5, 5).triangle >= 0).all()
    beside = SQUARE + np.float32([100, -200, 0])
    assert (rasterizer.rasterize(beside, SQUARE_TRIANGLES, 5, 5).triangle < 0).all()


def test_empty_mesh_and_empty_picture():
    none = np.zeros((0, 3), np.int32)
    assert (rasterizer.rasterize(SQUARE, none, 2, 2).triangle < 0).all()
    assert rasterizer.rasterize(SQUARE, SQUARE_TRIANGLES, 0, 7).depth.shape == (0, 7)


def test_interpolated_coordinates_are_pixel_centres():
    vertices, triangles = sphere((20.3, 15.7, 4), 14)
    raster = rasterizer.rasterize(vertices, triangles, height=32, width=40)
    points = rasterizer.interpolate(raster, triangles, vertices)
    covered = raster.covered
    rows, columns = np.nonzero(covered)
    np.testing.assert_allclose(points[covered][:, 0], columns + 0.5, atol=1e-4)
    np.testing.assert_allclose(points[covered][:, 1], rows + 0.5, atol=1e-4)
    np.testing.assert_allclose(points[covered][:, 2], raster.depth[covered], atol=1e-4)
    np.testing.assert_array_equal(points[~covered], 0)


@pytest.mark.parametrize("corner", [4, -1])
def test_triangles_with_missing_vertices_raise(corner):
    triangles = np.array([[0, 1, 2], [0, 1, corner]])
    with pytest.raises(ValueError, match="there are 4: give indices from 0 to 3"):
        rasterizer.rasterize(SQUARE, triangles, 4, 4)


@pytest.mark.parametrize(
    ("vertices", "triangles"),
    [(SQUARE[:, :2], SQUARE_TRIANGLES), (SQUARE, np.zeros((2, 4), np.int32))],
)
def test_wrong_shapes_raise(vertices, triangles):
    with pytest.raises(jaxtyping.TypeCheckError):
        rasterizer.rasterize(vertices, triangles, 4, 4)


def test_joined_meshes_are_ordered_in_depth():
    near = SQUARE + np.float32([2, 2, -100])
    slanted = near + np.float32([[0, 0, 0], [0, 0, 7], [0, 0, 7], [0, 0, 0]])
    vertices, triangles = rasterizer.join_meshes([SQUARE, slanted], SQUARE_TRIANGLES)
    np.testing.assert_array_equal(
        triangles, np.concatenate([SQUARE_TRIANGLES, SQUARE_TRIANGLES + 4])
    )
    np.testing.assert_array_equal(vertices[:4], SQUARE)
    np.testing.assert_array_equal(vertices[4:, :2], slanted[:, :2])
    np.testing.assert_array_equal(np.diff(vertices[4:, 2]), np.diff(slanted[:, 2]))
    assert vertices[4:, 2].min() > 5
    triangle = rasterizer.rasterize(vertices, triangles, 6, 6).triangle
    assert (triangle[2:, 2:] >= 2).all()
    assert set(np.unique(triangle[:2, :4])) == {0, 1}


def test_mesh_that_is_not_finite_does_not_shift_others():
    broken = np.full_like(SQUARE, np.nan)
    alone, _ = rasterizer.join_meshes([SQUARE, SQUARE], SQUARE_TRIANGLES)
    vertices, _ = rasterizer.join_meshes([SQUARE, broken, SQUARE], SQUARE_TRIANGLES)
    np.testing.assert_array_equal(vertices[[0, 1, 2, 3, 8, 9, 10, 11]], alone)


def test_joining_no_meshes_gives_empty_mesh():
    vertices, triangles = rasterizer.join_meshes([], SQUARE_TRIANGLES)
    assert (vertices.shape, triangles.shape) == ((0, 3), (0, 3))
    assert (rasterizer.rasterize(vertices, triangles, 2, 2).triangle < 0).all()
