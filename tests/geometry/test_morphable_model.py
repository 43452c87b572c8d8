"""Tests of synthesis, landmark spaces and truncated models."""

import dataclasses

import jax
import numpy as np
import pytest

from twodasl_jax.geometry import morphable_model


def test_synthesis_by_hand():
    space = morphable_model.ShapeSpace(
        mean=np.array([[1, 2, 3], [4, 5, 6]], "f"),
        shape_basis=np.array([[[1], [0], [0]], [[0], [0], [2]]], "f"),
        shape_std=np.array([10], "f"),
        expression_basis=np.array([[[0], [1], [0]], [[0], [0], [0]]], "f"),
        expression_std=np.array([4], "f"),
    )
    points = morphable_model.synthesize(space, np.array([0.5], "f"), np.array([-1], "f"))
    np.testing.assert_array_equal(points, [[6, -2, 3], [4, 5, 16]])


@jax.enable_x64(True)
def test_synthesis_equals_numpy(face_model):
    random = np.random.default_rng(0)
    model = jax.tree.map(lambda leaf: leaf.astype(float) if leaf.dtype == "f" else leaf, face_model)
    shape, expression = random.normal(size=(2, 3, 40)), random.normal(size=(2, 3, 10))
    expected = model.mean + np.einsum(
        "vdk,k,...k->...vd", model.shape_basis, model.shape_std, shape
    )
    expected += np.einsum(
        "vdk,k,...k->...vd", model.expression_basis, model.expression_std, expression
    )
    points = morphable_model.synthesize(model, shape, expression)
    np.testing.assert_allclose(points, expected, atol=1e-12)


def test_synthesize_with_equals_synthesize(face_model):
    random = np.random.default_rng(0)
    shape, expression = (random.normal(size=(2, count)).astype("f") for count in (40, 10))
    matrix = morphable_model.component_matrix(face_model)
    assert matrix.shape == (50, 3 * len(face_model.mean))
    points = morphable_model.synthesize_with(face_model.mean, shape, expression, matrix)
    expected = morphable_model.synthesize(face_model, shape, expression)
    np.testing.assert_allclose(points, expected, atol=1e-4)


def test_barycentric_points_by_hand():
    triangle = np.array([[0, 0, 0], [4, 0, 0], [0, 8, 2]], "f")
    weights = np.array([[0.25, 0.25, 0.5], [1, 0, 0]], "f")
    points = morphable_model.barycentric(triangle, np.array([[0, 1, 2], [2, 1, 0]]), weights)
    np.testing.assert_array_equal(points, [[1, 4, 1], [0, 8, 2]])


def test_zero_coefficients_give_mean_face(face_model):
    points = morphable_model.synthesize(face_model, np.zeros(40, "f"), np.zeros(10, "f"))
    np.testing.assert_array_equal(points, face_model.mean)


def test_landmark_space_gives_barycentric_points_of_whole_face(face_model):
    random = np.random.default_rng(0)
    shape, expression = random.normal(size=40).astype("f"), random.normal(size=10).astype("f")
    vertices = np.asarray(morphable_model.synthesize(face_model, shape, expression))
    expected = [
        sum(weight * vertices[corner] for corner, weight in zip(corners, weights, strict=True))
        for corners, weights in zip(
            face_model.landmark_vertices, face_model.landmark_weights, strict=True
        )
    ]
    space = morphable_model.landmark_space(face_model)
    assert space.mean.shape == (68, 3)
    landmarks = morphable_model.synthesize(space, shape, expression)
    np.testing.assert_allclose(landmarks, expected, atol=1e-4)


def test_truncated_model_equals_model_with_zero_coefficients(face_model):
    random = np.random.default_rng(0)
    shape, expression = random.normal(size=40).astype("f"), random.normal(size=10).astype("f")
    small = morphable_model.truncate(face_model, shape_count=7, expression_count=0)
    few = morphable_model.synthesize(small, shape[:7], expression[:0])
    padded = morphable_model.synthesize(face_model, shape * (np.arange(40) < 7), expression * 0)
    np.testing.assert_allclose(few, padded, atol=1e-4)
    assert small.triangles is face_model.triangles


@pytest.mark.parametrize(
    ("counts", "message"),
    [
        ((41, 10), "cannot keep 41 shape components .* has 40: choose 0 to 40"),
        ((40, 11), "cannot keep 11 expression components .* has 10: choose 0 to 10"),
        ((-1, 10), "cannot keep -1 shape components"),
    ],
)
def test_truncation_to_invalid_counts_raises(face_model, counts, message):
    with pytest.raises(ValueError, match=message):
        morphable_model.truncate(face_model, *counts)


def test_wrong_number_of_coefficients_raises_with_remedy(face_model):
    with pytest.raises(ValueError, match=r"39 shape coefficients .* 40 shape components: pass 40"):
        morphable_model.synthesize(face_model, np.zeros(39, "f"), np.zeros(10, "f"))
    with pytest.raises(ValueError, match=r"11 expression coefficients .* 10 expression"):
        morphable_model.synthesize(face_model, np.zeros(40, "f"), np.zeros(11, "f"))


def test_model_is_frozen(face_model):
    with pytest.raises(dataclasses.FrozenInstanceError):
        face_model.mean = None
