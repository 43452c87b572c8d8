"""Tests of horizontal flips of landmarks and coefficients."""

import dataclasses

import jax
import numpy as np

from twodasl_jax.geometry import mirroring
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.morphable_model import truncate


def test_mirrored_landmarks_swap_sides_by_hand():
    landmarks = np.zeros((68, 2), np.float32)
    landmarks[36], landmarks[45] = (30, 50), (100, 55)  # the outer corners of the eyes
    mirrored = np.asarray(mirroring.mirror_landmarks(landmarks))
    np.testing.assert_array_equal(mirrored[36], [20, 55])
    np.testing.assert_array_equal(mirrored[45], [90, 50])
    wide = mirroring.mirror_landmarks(landmarks, width=200)
    np.testing.assert_array_equal(wide[36], [100, 55])


def test_mirroring_landmarks_twice_is_identity():
    landmarks = np.random.default_rng(0).normal(size=(2, 68, 3)).astype("f")
    twice = mirroring.mirror_landmarks(mirroring.mirror_landmarks(landmarks))
    np.testing.assert_allclose(twice, landmarks, atol=1e-5)
    assert sorted(mirroring.LANDMARK_MIRROR) == list(range(68))


def test_landmarks_of_symmetric_mean_face_equal_their_mirror_image(face_model):
    corners = face_model.mean[face_model.landmark_vertices]
    landmarks = np.einsum("lk,lkd->ld", face_model.landmark_weights, corners)
    mirrored = mirroring.mirror_landmarks(landmarks, width=0)
    np.testing.assert_allclose(mirrored, landmarks, atol=1e-4)


def test_mirror_keeps_symmetric_and_negates_antisymmetric_components(face_model):
    mirror = mirroring.coefficient_mirror(face_model)
    np.testing.assert_allclose(mirror.shape, np.diag((-1.0) ** np.arange(40)), atol=1e-3)
    np.testing.assert_allclose(mirror.expression, np.diag((-1.0) ** np.arange(10)), atol=1e-3)


def with_mixed_components(model, random):
    """Returns an equivalent model whose mirror map is neither diagonal nor symmetric."""

    def mixed(basis, std):
        return basis * std @ (random.normal(size=(len(std), len(std))) + 3 * np.eye(len(std)))

    return dataclasses.replace(
        model,
        mean=model.mean.astype(float),
        shape_basis=mixed(model.shape_basis, model.shape_std),
        shape_std=np.ones(6),
        expression_basis=mixed(model.expression_basis, model.expression_std),
        expression_std=np.ones(3),
    )


@jax.enable_x64(True)
def test_mirrored_coefficients_decode_to_flipped_points(face_model):
    random = np.random.default_rng(0)
    model = with_mixed_components(truncate(face_model, 6, 3), random)
    face = Coefficients(random.normal(size=(3, 4)), random.normal(size=6), random.normal(size=3))
    mirror = mirroring.coefficient_mirror(model)
    mirrored = mirroring.mirror_coefficients(face, mirror)
    points = np.asarray(decode(model, face))
    flipped = points[model.mirror] * [-1, 1, 1] + [120, 0, 0]
    np.testing.assert_allclose(decode(model, mirrored), flipped, atol=1e-4)
    again = mirroring.mirror_coefficients(mirrored, mirror)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-4), again, face)
