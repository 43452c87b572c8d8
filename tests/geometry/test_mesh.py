"""Tests of vertex normals and of the check of triangle indices."""

import numpy as np
import pytest

from tests.helpers.meshes import sphere
from twodasl_jax.geometry import mesh

TRIANGLE = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0]], np.float32)
BAD_INDEX = "there are 3: give indices from 0 to 2"


def test_normals_of_sphere_point_away_from_centre():
    centre = np.array([20, 15, 4])
    vertices, triangles = sphere(centre, 14)
    normals = mesh.vertex_normals(vertices, triangles)
    outward = (vertices - centre) / 14
    assert (np.sum(normals * outward, axis=-1) > 0.95).all()
    np.testing.assert_allclose(np.linalg.norm(normals, axis=-1), 1, atol=1e-5)


@pytest.mark.parametrize(("order", "z"), [([0, 2, 1], 1), ([0, 1, 2], -1)])
def test_triangle_that_is_counter_clockwise_on_screen_faces_camera(order, z):
    # On screen the vertices are upper left, upper right and lower left, because y points down.
    normals = mesh.vertex_normals(TRIANGLE, np.array([order]))
    np.testing.assert_array_equal(normals, [[0, 0, z]] * 3)


def test_normal_of_vertex_without_triangle_is_zero():
    vertices = np.concatenate([TRIANGLE, np.float32([[9, 9, 9]])])
    normals = mesh.vertex_normals(vertices, np.array([[0, 1, 2]]))
    np.testing.assert_array_equal(normals, [[0, 0, -1]] * 3 + [[0, 0, 0]])


def test_normals_weigh_triangles_by_area():
    # A triangle of area 1/2 in the plane z = 0 and one of area 1 in the plane x = 0 share an edge.
    vertices = np.concatenate([TRIANGLE, np.float32([[0, 0, 2]])])
    normals = mesh.vertex_normals(vertices, np.array([[0, 2, 1], [0, 3, 2]]))
    np.testing.assert_allclose(normals[0], np.array([2, 0, 1]) / np.sqrt(5), rtol=1e-6)


def test_non_finite_triangles_are_ignored():
    vertices = np.concatenate([TRIANGLE, np.float32([[np.nan, 0, 0]])])
    normals = mesh.vertex_normals(vertices, np.array([[0, 2, 1], [0, 1, 3]]))
    np.testing.assert_array_equal(normals[:3], [[0, 0, 1]] * 3)


@pytest.mark.parametrize("corner", [3, -1])
def test_index_without_vertex_raises(corner):
    triangles = np.array([[0, 1, 2], [0, 1, corner]])
    with pytest.raises(ValueError, match=BAD_INDEX):
        mesh.check_triangles(triangles, len(TRIANGLE))
    with pytest.raises(ValueError, match=BAD_INDEX):
        mesh.vertex_normals(TRIANGLE, triangles)


def test_no_triangles_are_valid():
    mesh.check_triangles(np.zeros((0, 3), np.int32), 0)
