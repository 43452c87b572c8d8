"""Tests of the losses on coefficients: L_3d (WPDC), PDC and the prior."""

import jax
import numpy as np
import pytest
from jax.test_util import check_grads
from jaxtyping import TypeCheckError

from twodasl_jax import losses
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.morphable_model import ShapeSpace
from twodasl_jax.training.face_space import FaceSpace


def coefficients_of(random, batch=4):
    return Coefficients(
        affine=random.normal(size=(batch, 3, 4)),
        shape=random.normal(size=(batch, 5)),
        expression=random.normal(size=(batch, 3)),
    )


@pytest.fixture
def vectors():
    random = np.random.default_rng(0)
    return tuple(random.normal(size=(4, 7)) for _ in range(2))


def test_weighted_parameter_distance_by_hand():
    predicted, target = np.array([1.0, 2.0, 3.0]), np.array([1.0, 0.0, 6.0])
    # 0.5 * 0 + 0.25 * 4 + 0.25 * 9
    cost = losses.weighted_parameter_distance(predicted, target, np.array([0.5, 0.25, 0.25]))
    assert cost == pytest.approx(3.25)


def test_weighted_parameter_distance_equals_quadratic_form(vectors):
    predicted, target = vectors
    weights = np.random.default_rng(1).uniform(size=(4, 7))
    expected = [
        (p - t) @ np.diag(w) @ (p - t) for p, t, w in zip(predicted, target, weights, strict=True)
    ]
    np.testing.assert_allclose(
        losses.weighted_parameter_distance(predicted, target, weights), expected, rtol=1e-6
    )


def test_displacement_weights_by_hand():
    # The landmark is (a0, 2 a1, 0). The errors of 3 in a0 and of 2 in a1 move it by 3 and by 4.
    def landmarks(vectors):
        zero = vectors[..., 0] * 0
        point = np.stack if isinstance(vectors, np.ndarray) else jax.numpy.stack
        return point([point([vectors[..., 0], 2 * vectors[..., 1], zero], axis=-1)], axis=-2)

    weights = losses.displacement_weights(
        np.array([4.0, -1.0, 9.0]), np.array([1.0, 1.0, 0.0]), landmarks
    )
    np.testing.assert_allclose(weights, [3 / 7, 4 / 7, 0])


def official_points(vector, space):
    """Decodes as 3DDFA in NumPy: P [S; 1] with y up, then y down in a crop of 120 pixels."""
    matrix, coefficients = vector[:12].reshape(3, 4), vector[12:]
    count = len(space.shape_std)
    shape = (
        space.mean
        + space.shape_basis @ (coefficients[:count] * space.shape_std)
        + space.expression_basis @ (coefficients[count:] * space.expression_std)
    )
    points = shape @ matrix[:, :3].T + matrix[:, 3]
    return np.stack([points[:, 0], 121 - points[:, 1], points[:, 2]], axis=1)


def test_displacement_weights_replace_coefficients_one_by_one(small_landmark_space):
    space = jax.tree.map(lambda leaf: np.asarray(leaf, np.float64), small_landmark_space)
    assert isinstance(space, ShapeSpace)
    random = np.random.default_rng(2)
    size = 12 + 6 + 3
    predicted, target = random.normal(size=(2, 3, size))
    expected = np.zeros((3, size))
    for row in range(3):
        for i in range(size):
            replaced = target[row].copy()
            replaced[i] = predicted[row, i]
            moved = official_points(replaced, space) - official_points(target[row], space)
            expected[row, i] = np.sqrt((moved**2).sum())
    expected /= expected.sum(axis=1, keepdims=True)
    face_space = FaceSpace(space, space, None, None)
    with jax.enable_x64(True):
        weights = np.asarray(
            losses.displacement_weights(predicted, target, face_space.affine_landmarks)
        )
    np.testing.assert_allclose(weights, expected, rtol=1e-9)
    np.testing.assert_allclose(np.sum(weights, axis=1), 1)


def test_displacement_weights_have_no_gradient_and_are_zero_at_target():
    def landmarks(vectors):
        return vectors.reshape(*vectors.shape[:-1], 2, 3) ** 3

    predicted, target = np.random.default_rng(3).normal(size=(2, 4, 6)).astype(np.float32)
    gradient = jax.grad(lambda p: losses.displacement_weights(p, target, landmarks)[:, 0].sum())
    np.testing.assert_array_equal(gradient(predicted), 0)
    np.testing.assert_array_equal(losses.displacement_weights(target, target, landmarks), 0)


def test_parameter_distance_equals_numpy(vectors):
    predicted, target = vectors
    np.testing.assert_allclose(
        losses.parameter_distance(predicted, target),
        ((predicted - target) ** 2).mean(axis=1),
        rtol=1e-6,
    )


def test_coefficient_distance_equals_numpy():
    random = np.random.default_rng(1)
    a, b = coefficients_of(random), coefficients_of(random)
    errors = np.concatenate([a.shape - b.shape, a.expression - b.expression], axis=1)
    np.testing.assert_allclose(
        losses.coefficient_distance(a, b), (errors**2).mean(axis=1), rtol=1e-6
    )


def test_coefficient_prior_by_hand():
    ones = Coefficients(np.zeros((1, 3, 4)), np.full((1, 3), 2.0), np.zeros((1, 1)))
    assert losses.coefficient_prior(ones)[0] == pytest.approx(3 * 4 / 4)


def test_gradients_equal_finite_differences(vectors):
    predicted, target = vectors
    random = np.random.default_rng(2)
    a, b, weights = coefficients_of(random), coefficients_of(random), random.uniform(size=(4, 7))
    with jax.enable_x64(True):
        check_grads(
            lambda p: losses.weighted_parameter_distance(p, target, weights), (predicted,), 1
        )
        check_grads(lambda p: losses.parameter_distance(p, target), (predicted,), 1)
        check_grads(lambda p: losses.coefficient_distance(p, b), (a,), 1)
        check_grads(losses.coefficient_prior, (a,), 1)


def test_jit_and_vmap_equal_loop(vectors):
    loop = [losses.parameter_distance(*(array[i] for array in vectors)) for i in range(4)]
    np.testing.assert_allclose(jax.vmap(losses.parameter_distance)(*vectors), loop, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(losses.parameter_distance)(*vectors), loop, rtol=1e-6)


def test_mismatched_shapes_raise(vectors):
    predicted, target = vectors
    with pytest.raises(TypeCheckError):
        losses.parameter_distance(predicted[:1], target)
    with pytest.raises(TypeCheckError):
        losses.weighted_parameter_distance(predicted, target, target[:, :1])
    random = np.random.default_rng(3)
    with pytest.raises(TypeCheckError):
        losses.coefficient_distance(coefficients_of(random), coefficients_of(random, batch=1))
