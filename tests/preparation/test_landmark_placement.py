"""Tests of landmark placement, from labels and from another face model."""

import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from tests.helpers import formula_faces
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.mirroring import LANDMARK_MIRROR
from twodasl_jax.geometry.morphable_model import LandmarkRows, landmark_space, point_space
from twodasl_jax.geometry.projection import affine_from_camera
from twodasl_jax.preparation.landmark_placement import (
    MarkUp,
    place_landmarks,
    transfer_landmarks,
)

COUNT = 60


@pytest.fixture(scope="module")
def meshes(face_model):
    """The (COUNT, V, 2) vertices of formula faces, approximately in units of their size."""
    camera, shape, expression, _ = formula_faces.random_faces(face_model, COUNT, seed=4)
    coefficients = Coefficients(affine_from_camera(camera), shape, expression)
    return np.asarray(decode(face_model, coefficients))[..., :2] / 90


@pytest.fixture(scope="module")
def mark_up(face_model):
    """Three true positions: two mirrored ones in triangles, and one on an edge of the midline."""
    triangles, mirror = np.asarray(face_model.triangles), np.asarray(face_model.mirror)
    own = mirror == np.arange(len(mirror))
    sides = np.flatnonzero((face_model.mean[triangles][..., 0] > 20).all(1))
    corner = triangles[sides[len(sides) // 2]]
    edge = next(row for row in triangles if own[row].sum() == 2)
    edge = edge[own[edge]][[0, 1, 1]]
    return LandmarkRows(
        np.stack([corner, mirror[corner], edge]).astype(np.int32),
        np.float32([[0.2, 0.5, 0.3], [0.2, 0.5, 0.3], [0.7, 0.3, 0.0]]),
    )


def places(model, rows):
    return np.asarray(point_space(model, rows.vertices, rows.weights).mean)


def labels_of(meshes, rows):
    return np.einsum("pk,npkc->npc", rows.weights, meshes[:, rows.vertices])


def placed(model, rows, meshes, labels, weights):
    guess = places(model, rows) + np.float32([3, -4, 0]) * [[1, 1, 1], [-1, 1, 1], [0, 1, 1]]
    mark_up = MarkUp(guess, np.array([1, 0, 2]), reach=40.0)
    return place_landmarks(model, mark_up, meshes, labels, weights)


def test_exact_labels_give_exact_positions(face_model, meshes, mark_up):
    labels = labels_of(meshes, mark_up)
    found = placed(face_model, mark_up, meshes, labels, np.ones(labels.shape[:2]))
    np.testing.assert_allclose(places(face_model, found), places(face_model, mark_up), atol=0.1)
    np.testing.assert_allclose(found.weights.sum(axis=1), 1, atol=1e-6)
    assert (found.weights >= 0).all()


def test_placement_is_robust_to_noise_gaps_and_outliers(face_model, meshes, mark_up):
    random = np.random.default_rng(0)
    labels = labels_of(meshes, mark_up)
    labels = labels + random.normal(scale=0.01, size=labels.shape)
    labels[::4, 0] = np.nan
    labels[1::10] += 0.5
    weights = np.ones(labels.shape[:2])
    weights[2::10] = 0
    labels[2::10] -= 0.5
    found = placed(face_model, mark_up, meshes, labels, weights)
    off = np.linalg.norm(places(face_model, found) - places(face_model, mark_up), axis=1)
    assert (off < 3).all(), off


def test_placed_landmarks_are_symmetric(face_model, meshes, mark_up):
    random = np.random.default_rng(1)
    labels = labels_of(meshes, mark_up) + random.normal(scale=0.02, size=(COUNT, 3, 2))
    found = places(
        face_model, placed(face_model, mark_up, meshes, labels, np.ones(labels.shape[:2]))
    )
    np.testing.assert_allclose(found[1], found[0] * [-1, 1, 1], atol=1e-3)
    assert abs(found[2, 0]) < 1e-3


@pytest.fixture
def own(face_model):
    return np.asarray(landmark_space(face_model).mean)


def test_transfer_is_independent_of_frame(face_model, own):
    turn = Rotation.from_euler("xyz", [20, -30, 10], degrees=True).as_matrix().astype(np.float32)
    elsewhere = 1000 * own @ turn.T + np.float32([5, 6, 7])
    rows = transfer_landmarks(face_model, face_model.mean, elsewhere)
    symmetric = (own + own[LANDMARK_MIRROR] * np.float32([-1, 1, 1])) / 2
    np.testing.assert_allclose(places(face_model, rows), symmetric, atol=0.05)
    np.testing.assert_allclose(rows.weights.sum(axis=1), 1, atol=1e-6)


def test_transferred_landmark_is_nearest_point_of_skin(face_model, own):
    """Moves the bridge of the nose down and outward; only the movement along the skin remains."""
    moved = own.copy()
    moved[28] += np.float32([0, -6, 4])
    rows = transfer_landmarks(face_model, face_model.mean, moved)
    found = places(face_model, rows)
    assert found[28, 1] < own[28, 1] - 3
    others = np.arange(68) != 28
    # The alignment uses all landmarks, so the others move slightly.
    assert np.linalg.norm(found - own, axis=1)[others].max() < 1.0


def test_transferred_landmarks_are_symmetric(face_model, own):
    uneven = own + np.random.default_rng(0).normal(0, 2, own.shape).astype(np.float32)
    rows = transfer_landmarks(face_model, face_model.mean, uneven)
    mirror = np.asarray(face_model.mirror)
    sides = np.arange(68) != LANDMARK_MIRROR
    np.testing.assert_array_equal(
        mirror[rows.vertices][sides], rows.vertices[LANDMARK_MIRROR][sides]
    )
    np.testing.assert_array_equal(rows.weights, rows.weights[LANDMARK_MIRROR])
