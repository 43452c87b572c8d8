"""Tests of ICP between surfaces of different topology, and of the remaining distances."""

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

IDENTITY = Similarity(np.ones(()), np.eye(3), np.zeros(3))


def face(rows, columns):
    """Returns half an ellipsoid with a nose and a chin, in mm, on a grid of any size."""
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
    """Applies the inverse of a similarity."""
    return (points - translation) @ rotation / scale


TRUE, OTHER = face(80, 90), face(100, 77).vertices


@pytest.mark.parametrize("with_scale", [True, False])
def test_known_motion_is_recovered(with_scale):
    scale = 1.08 if with_scale else 1.0
    rotation = Rotation.from_euler("xyz", [6, -8, 5], degrees=True).as_matrix()
    translation = np.array([3.0, -4.0, 5.0])
    fit = fit_to_surface(undo(OTHER, scale, rotation, translation), TRUE, IDENTITY, with_scale)
    assert fit.transform.scale == pytest.approx(scale, abs=2e-3)
    np.testing.assert_allclose(fit.transform.rotation, rotation, atol=2e-3)
    np.testing.assert_allclose(fit.transform.translation, translation, atol=0.1)
    # The spacing of the grids causes tangential distances; the distances along normals are small.
    assert fit.point_to_plane.mean() < 0.05
    assert fit.point_to_point.mean() < 1.5


def test_fit_without_scale_keeps_scale_of_start():
    fit = fit_to_surface(OTHER * 0.9, TRUE, IDENTITY, with_scale=False)
    assert fit.transform.scale == 1
    assert fit.point_to_plane.mean() > 1


def test_mesh_fits_itself():
    fit = fit_to_surface(TRUE.vertices, TRUE, IDENTITY, with_scale=True)
    assert fit.point_to_point.max() < 1e-3
    np.testing.assert_allclose(fit.transform.rotation, np.eye(3), atol=1e-6)


@hypothesis.settings(max_examples=8)
@hypothesis.given(
    scale=st.floats(0.2, 5),
    angles=st.tuples(*[st.floats(-3, 3)] * 3),
    shift=st.tuples(*[st.floats(-500, 500)] * 3),
)
def test_distances_do_not_depend_on_frame_of_reconstruction(scale, angles, shift):
    rotation, translation = Rotation.from_euler("xyz", angles).as_matrix(), np.array(shift)
    dented = OTHER + np.array([0, 0, 3]) * np.exp(-((OTHER[:, :1] / 30) ** 2))
    expected = fit_to_surface(dented, TRUE, IDENTITY, with_scale=True)
    start = Similarity(np.array(scale), rotation, translation)
    moved = undo(dented, scale, rotation, translation)
    fit = fit_to_surface(moved, TRUE, start, with_scale=True)
    assert fit.point_to_point.mean() == pytest.approx(expected.point_to_point.mean(), rel=1e-4)
    assert fit.point_to_plane.mean() == pytest.approx(expected.point_to_plane.mean(), rel=1e-4)


def test_distances_are_to_nearest_vertices():
    fit = fit_to_surface(OTHER, TRUE, IDENTITY, with_scale=False)
    moved = OTHER @ fit.transform.rotation.T + fit.transform.translation
    every = cdist(TRUE.vertices, moved)
    np.testing.assert_allclose(fit.point_to_point, every.min(axis=1), atol=1e-9)
    assert (fit.point_to_plane <= fit.point_to_point + 1e-9).all()


def above_and_below():
    """Returns the vertices of the plane, shifted by 0.3 along x and by +-0.4 along z.

    Rows are above, below, below and above the plane, so no small motion reduces the distances.
    """
    heights = 0.4 * np.repeat([1, -1, -1, 1], 5)[:, None]
    return plane().vertices + np.concatenate([np.full((20, 1), 0.3), 0 * heights, heights], axis=1)


def test_distances_from_plane_by_hand():
    fit = fit_to_surface(above_and_below(), plane(), IDENTITY, with_scale=False)
    np.testing.assert_allclose(fit.point_to_plane, 0.4, atol=1e-9)
    np.testing.assert_allclose(fit.point_to_point, 0.5, atol=1e-9)


def test_vertex_without_normal_counts_with_whole_distance():
    vertices, triangles = plane()
    loose = Surface(np.concatenate([vertices, [[2.3, 0.0, 5.0]]]), triangles)
    fit = fit_to_surface(above_and_below(), loose, IDENTITY, with_scale=False)
    # The row y = 0 is 0.4 above the plane.
    assert fit.point_to_point[-1] == pytest.approx(4.6)
    assert fit.point_to_plane[-1] == pytest.approx(4.6)


def test_hair_of_scan_does_not_disturb_alignment():
    vertices, triangles = TRUE
    hair = np.where(vertices[:, 1:2] > 95, [0.0, 0.0, 60.0], 0.0)
    fit = fit_to_surface(OTHER, Surface(vertices + hair, triangles), IDENTITY, with_scale=True)
    moved = fit.transform.scale * OTHER @ fit.transform.rotation.T + fit.transform.translation
    assert np.linalg.norm(moved - OTHER, axis=1).mean() < 1


def test_inaccurate_start_is_corrected():
    rotation = Rotation.from_euler("xyz", [12, -10, 8], degrees=True).as_matrix()
    start = Similarity(np.array(1.15), rotation, np.array([9.0, -8.0, 7.0]))
    fit = fit_to_surface(OTHER, TRUE, start, with_scale=True)
    moved = fit.transform.scale * OTHER @ fit.transform.rotation.T + fit.transform.translation
    np.testing.assert_allclose(moved, OTHER, atol=0.1)


def test_crop_around_by_hand():
    cropped = crop_around(plane(), np.array([0.0, 3.0, 0.0]), 1.5)
    # The corner vertices (0, 3), (1, 3), (0, 2) and (1, 2) are within 1.5.
    assert len(cropped.vertices) == 4
    assert len(cropped.triangles) == 2
    assert cropped.triangles.max() == 3
    assert set(map(tuple, cropped.vertices[:, :2])) == {(0, 3), (1, 3), (0, 2), (1, 2)}


def test_empty_crop_raises():
    with pytest.raises(DatasetError, match=r"within 95 of \[1000.0, 0.0, 0.0\]"):
        crop_around(TRUE, np.array([1000.0, 0.0, 0.0]), 95.0)


def test_bounding_box_size_by_hand():
    assert bounding_box_size(plane().vertices) == pytest.approx(np.sqrt(4 * 3))
