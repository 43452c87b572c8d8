"""Visibility of points and vertices of spheres."""

import numpy as np

from tests.helpers.meshes import sphere
from twodasl_jax.rendering import visibility


def test_front_of_sphere_is_visible_and_back_is_not():
    vertices, triangles = sphere((-500, 900, 4), 70)
    visible = visibility.visible_vertices(vertices, triangles)
    assert visible[vertices[:, 2] > 4 + 20].all()
    assert not visible[vertices[:, 2] < 4 - 20].any()


def test_vertices_behind_another_part_are_not_visible():
    vertices, triangles = sphere((0, 0, 0), 10)
    behind, _ = sphere((3, 0, -40), 5)
    both = np.concatenate([vertices, behind])
    visible = visibility.visible_vertices(
        both, np.concatenate([triangles, triangles + len(vertices)])
    )
    assert not visible[len(vertices) :].any()


def test_points_are_hidden_only_by_surface_in_front():
    vertices, triangles = sphere((40, 30, 0), 20)
    points = np.array([[40, 30, 20], [40, 30, 30], [40, 30, -20], [40, 48, 9]], np.float32)
    visible = visibility.visible_points(points, vertices, triangles)
    np.testing.assert_array_equal(visible, [True, True, False, True])


def test_vertices_that_are_not_finite_are_not_visible():
    vertices, triangles = sphere((0, 0, 0), 10)
    vertices[40] = np.nan
    assert not visibility.visible_vertices(vertices, triangles)[40]
    assert not visibility.visible_vertices(np.full_like(vertices, np.nan), triangles).any()


def test_points_beside_mesh_are_visible():
    vertices, triangles = sphere((40, 30, 0), 20)
    beside = np.array([[-10, 30, -90], [75, 30, -90], [40, -5, -90], [40, 61, -90]], np.float32)
    assert visibility.visible_points(beside, vertices, triangles).all()


def test_ambient_visibility_is_high_outside_and_low_in_cavity():
    outer, triangles = sphere((0, 0, 0), 10)
    outer = outer * np.float32([1, -1, 1])  # to the model frame
    inner = outer * np.float32(0.5)
    points = np.concatenate([outer, inner])
    light = visibility.ambient_visibility(
        points, np.concatenate([triangles, triangles + len(outer)]), num_directions=24
    )
    assert light[: len(outer)].min() > 0.9
    assert light[len(outer) :].max() < 0.1
