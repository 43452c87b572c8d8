"""Landmarks of another face model fall to the skin of ours."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from twodasl_jax.geometry.mirroring import LANDMARK_MIRROR
from twodasl_jax.geometry.morphable_model import landmark_space, point_space
from twodasl_jax.preparation.landmark_transfer import transfer_landmarks


def places(model, rows):
    return np.asarray(point_space(model, rows.vertices, rows.weights).mean)


@pytest.fixture
def own(face_model):
    return np.asarray(landmark_space(face_model).mean)


def test_landmarks_of_the_same_face_stay_in_whatever_frame_they_come(face_model, own):
    turn = Rotation.from_euler("xyz", [20, -30, 10], degrees=True).as_matrix().astype(np.float32)
    elsewhere = 1000 * own @ turn.T + np.float32([5, 6, 7])
    rows = transfer_landmarks(face_model, face_model.mean, elsewhere)
    symmetric = (own + own[LANDMARK_MIRROR] * np.float32([-1, 1, 1])) / 2
    np.testing.assert_allclose(places(face_model, rows), symmetric, atol=0.05)
    np.testing.assert_allclose(rows.weights.sum(axis=1), 1, atol=1e-6)


def test_a_landmark_above_the_skin_falls_to_its_nearest_point(face_model, own):
    """The bridge of the nose, where the skin is steep: moved down and outwards, only the former remains."""
    moved = own.copy()
    moved[28] += np.float32([0, -6, 4])
    rows = transfer_landmarks(face_model, face_model.mean, moved)
    found = places(face_model, rows)
    assert found[28, 1] < own[28, 1] - 3
    others = np.arange(68) != 28
    # The whole is laid over the whole, by which the others move a little.
    assert np.linalg.norm(found - own, axis=1)[others].max() < 1.0


def test_both_sides_are_mirror_images(face_model, own):
    uneven = own + np.random.default_rng(0).normal(0, 2, own.shape).astype(np.float32)
    rows = transfer_landmarks(face_model, face_model.mean, uneven)
    mirror = np.asarray(face_model.mirror)
    sides = np.arange(68) != LANDMARK_MIRROR
    np.testing.assert_array_equal(
        mirror[rows.vertices][sides], rows.vertices[LANDMARK_MIRROR][sides]
    )
    np.testing.assert_array_equal(rows.weights, rows.weights[LANDMARK_MIRROR])
