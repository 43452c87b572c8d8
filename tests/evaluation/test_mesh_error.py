"""ICP between surfaces of different topology, and distances worked by hand."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from scipy.spatial.distance import cdist
from scipy.spatial.transform import Rotation

from twodasl_jax.errors import DatasetError
from twodasl_jax.evaluation.mesh_error import (
    Surface,
    bounding_box_size,
    crop_around,
    fit_to_surface,
)
from twodasl_jax.geometry.alignment import Similarity

HERE = Similarity(np.ones(()), np.eye(3), np.zeros(3))


def face(rows, columns):
    """Half an ellipsoid with a nose and a chin, in millimetres, on a grid of any size."""
    latitude = np.radians(np.linspace(80, -80, rows))[:, None]
    longitude = np.radians(np.linspace(-85, 85, columns))[None]
    x = 75 * np.cos(latitude) * np.sin(longitude)
    y = 105 * np.sin(latitude) + 0 * longitude
    nose = 25 * np.exp(-((x / 12) ** 2) - ((y + 5) / 20) ** 2)
    chin = 8 * np.exp(-((x / 20) ** 2) - ((y + 75) / 15) ** 2)
    z = 70 * np.cos(latitude) * np.cos(longitude) + nose + chin
    return grid(x, y, z)


def grid(x, y, z):
    rows, columns = x.shape
    index = np.arange(rows * columns).reshape(rows, columns)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    triangles = np.concatenate([np.stack([a, b, c], -1), np.stack([a, c, d], -1)]).reshape(-1, 3)
    return Surface(np.stack([x, y, z], -1).reshape(-1, 3), triangles)


def plane():
    x, y = np.meshgrid(np.arange(5.0), np.arange(4.0)[::-1])
    return grid(x, y, np.zeros_like(x))


def undo(points, scale, rotation, translation):
    """The points that a similarity moves onto the given ones."""
    return (points - translation) @ rotation / scale


TRUE, OTHER = face(80, 90), face(100, 77).vertices


@pytest.mark.parametrize("with_scale", [True, False])
def test_a_known_motion_is_found_again(with_scale):
    scale = 1.08 if with_scale else 1.0
    rotation = Rotation.from_euler("xyz", [6, -8, 5], degrees=True).as_matrix()
    translation = np.array([3.0, -4.0, 5.0])
    fit = fit_to_surface(undo(OTHER, scale, rotation, translation), TRUE, HERE, with_scale)
    assert fit.transform.scale == pytest.approx(scale, abs=2e-3)
    np.testing.assert_allclose(fit.transform.rotation, rotation, atol=2e-3)
    np.testing.assert_allclose(fit.transform.translation, translation, atol=0.1)
    # What is left is the spacing of both grids, across which the surfaces slide, and nearly nothing along normals.
    assert fit.point_to_plane.mean() < 0.05
    assert fit.point_to_point.mean() < 1.5


def test_without_scale_the_scale_of_the_start_stays():
    fit = fit_to_surface(OTHER * 0.9, TRUE, HERE, with_scale=False)
    assert fit.transform.scale == 1
    assert fit.point_to_plane.mean() > 1


def test_a_mesh_fits_itself():
    fit = fit_to_surface(TRUE.vertices, TRUE, HERE, with_scale=True)
    assert fit.point_to_point.max() < 1e-3
    np.testing.assert_allclose(fit.transform.rotation, np.eye(3), atol=1e-6)


@hypothesis.settings(max_examples=8)
@hypothesis.given(
    scale=st.floats(0.2, 5),
    angles=st.tuples(*[st.floats(-3, 3)] * 3),
    shift=st.tuples(*[st.floats(-500, 500)] * 3),
)
def test_the_frame_of_the_reconstruction_does_not_matter(scale, angles, shift):
    rotation, translation = Rotation.from_euler("xyz", angles).as_matrix(), np.array(shift)
    dented = OTHER + np.array([0, 0, 3]) * np.exp(-((OTHER[:, :1] / 30) ** 2))
    expected = fit_to_surface(dented, TRUE, HERE, with_scale=True)
    start = Similarity(np.array(scale), rotation, translation)
    moved = undo(dented, scale, rotation, translation)
    fit = fit_to_surface(moved, TRUE, start, with_scale=True)
    assert fit.point_to_point.mean() == pytest.approx(expected.point_to_point.mean(), rel=1e-4)
    assert fit.point_to_plane.mean() == pytest.approx(expected.point_to_plane.mean(), rel=1e-4)


def test_distances_are_those_of_the_nearest_vertices():
    fit = fit_to_surface(OTHER, TRUE, HERE, with_scale=False)
    moved = OTHER @ fit.transform.rotation.T + fit.transform.translation
    every = cdist(TRUE.vertices, moved)
    np.testing.assert_allclose(fit.point_to_point, every.min(axis=1), atol=1e-9)
    assert (fit.point_to_plane <= fit.point_to_point + 1e-9).all()


def above_and_below():
    """The plane's vertices 0.3 aside, rows 0.4 above, below, below and above it: no small motion helps."""
    heights = 0.4 * np.repeat([1, -1, -1, 1], 5)[:, None]
    return plane().vertices + np.concatenate([np.full((20, 1), 0.3), 0 * heights, heights], axis=1)


def test_distances_from_a_plane_by_hand():
    fit = fit_to_surface(above_and_below(), plane(), HERE, with_scale=False)
    np.testing.assert_allclose(fit.point_to_plane, 0.4, atol=1e-9)
    np.testing.assert_allclose(fit.point_to_point, 0.5, atol=1e-9)


def test_a_vertex_without_a_normal_counts_with_its_whole_distance():
    vertices, triangles = plane()
    loose = Surface(np.concatenate([vertices, [[2.3, 0.0, 5.0]]]), triangles)
    fit = fit_to_surface(above_and_below(), loose, HERE, with_scale=False)
    # The row y = 0 lies 0.4 above the plane.
    assert fit.point_to_point[-1] == pytest.approx(4.6)
    assert fit.point_to_plane[-1] == pytest.approx(4.6)


def test_hair_that_only_the_scan_has_does_not_pull():
    vertices, triangles = TRUE
    hair = np.where(vertices[:, 1:2] > 95, [0.0, 0.0, 60.0], 0.0)
    fit = fit_to_surface(OTHER, Surface(vertices + hair, triangles), HERE, with_scale=True)
    moved = fit.transform.scale * OTHER @ fit.transform.rotation.T + fit.transform.translation
    assert np.linalg.norm(moved - OTHER, axis=1).mean() < 1


def test_a_start_that_is_far_off_is_left_behind():
    rotation = Rotation.from_euler("xyz", [12, -10, 8], degrees=True).as_matrix()
    start = Similarity(np.array(1.15), rotation, np.array([9.0, -8.0, 7.0]))
    fit = fit_to_surface(OTHER, TRUE, start, with_scale=True)
    moved = fit.transform.scale * OTHER @ fit.transform.rotation.T + fit.transform.translation
    np.testing.assert_allclose(moved, OTHER, atol=0.1)


def test_crop_by_hand():
    cropped = crop_around(plane(), np.array([0.0, 3.0, 0.0]), 1.5)
    # Of the corner's vertices (0,3), (1,3), (0,2), (1,2) all are within 1.5.
    assert len(cropped.vertices) == 4
    assert len(cropped.triangles) == 2
    assert cropped.triangles.max() == 3
    assert set(map(tuple, cropped.vertices[:, :2])) == {(0, 3), (1, 3), (0, 2), (1, 2)}


def test_a_crop_that_leaves_nothing_is_refused():
    with pytest.raises(DatasetError, match=r"within 95 of \[1000.0, 0.0, 0.0\]"):
        crop_around(TRUE, np.array([1000.0, 0.0, 0.0]), 95.0)


def test_size_by_hand():
    assert bounding_box_size(plane().vertices) == pytest.approx(np.sqrt(4 * 3))
