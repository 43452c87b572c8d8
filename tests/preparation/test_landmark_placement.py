"""Points of a mark-up are found again where they were taken from."""

import jax
import numpy as np
import pytest

from tests.helpers import formula_faces
from twodasl_jax.geometry.morphable_model import LandmarkRows, point_space, synthesize
from twodasl_jax.geometry.projection import picture_from_model
from twodasl_jax.preparation.landmark_placement import MarkUp, place_landmarks

COUNT = 60


@pytest.fixture(scope="module")
def meshes(face_model):
    """(COUNT, V, 2) formula formula_faces, in units of about their size."""
    camera, shape, expression, _ = formula_faces.random_faces(face_model, COUNT, seed=4)
    project = jax.vmap(lambda c, s, e: picture_from_model(c, synthesize(face_model, s, e)))
    return np.asarray(project(camera, shape, expression))[..., :2] / 90


@pytest.fixture(scope="module")
def mark_up(face_model):
    """Where three points really lie: one on each side, inside a triangle, and one on an edge of the midline."""
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


def test_exact_labels_are_found(face_model, meshes, mark_up):
    labels = labels_of(meshes, mark_up)
    found = placed(face_model, mark_up, meshes, labels, np.ones(labels.shape[:2]))
    np.testing.assert_allclose(places(face_model, found), places(face_model, mark_up), atol=0.1)
    np.testing.assert_allclose(found.weights.sum(axis=1), 1, atol=1e-6)
    assert (found.weights >= 0).all()


def test_noise_missing_labels_and_strangers_do_little(face_model, meshes, mark_up):
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


def test_both_sides_are_mirror_images(face_model, meshes, mark_up):
    random = np.random.default_rng(1)
    labels = labels_of(meshes, mark_up) + random.normal(scale=0.02, size=(COUNT, 3, 2))
    found = places(
        face_model, placed(face_model, mark_up, meshes, labels, np.ones(labels.shape[:2]))
    )
    np.testing.assert_allclose(found[1], found[0] * [-1, 1, 1], atol=1e-3)
    assert abs(found[2, 0]) < 1e-3
