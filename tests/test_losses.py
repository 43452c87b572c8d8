"""Losses against NumPy in float64, by hand, and by finite differences."""

import jax
import numpy as np
import pytest
from jax.test_util import check_grads
from jaxtyping import TypeCheckError

from twodasl_jax import losses
from twodasl_jax.geometry.coefficients import Coefficients


def coefficients_of(random, batch=4):
    return Coefficients(
        affine=random.normal(size=(batch, 3, 4)),
        shape=random.normal(size=(batch, 5)),
        expression=random.normal(size=(batch, 3)),
    )


@pytest.fixture
def points():
    random = np.random.default_rng(0)
    return random.normal(size=(4, 6, 3)), random.normal(size=(4, 6, 3)), random.uniform(size=(4, 6))


def test_landmark_distance_by_hand():
    predicted = np.array([[3.0, 0.0], [0.0, 0.0], [9.0, 9.0]])
    target = np.array([[0.0, 0.0], [0.0, 12.0], [np.nan, 0.0]])
    # (1 * 3 + 3 * 12) / 4 pixels of 120; the third point is missing.
    assert losses.landmark_distance(predicted, target, np.array([1.0, 3.0, 5.0])) == pytest.approx(
        39 / 4 / 120
    )


def test_landmark_distance_equals_numpy(points):
    predicted, target, weights = points
    expected = [
        sum(weights[i, k] * np.abs(predicted[i, k] - target[i, k]).sum() for k in range(6))
        / weights[i].sum()
        / 120
        for i in range(4)
    ]
    np.testing.assert_allclose(losses.landmark_distance(*points), expected, rtol=1e-6)


def test_an_example_without_points_costs_nothing_and_pulls_at_nothing(points):
    predicted, target, weights = points
    target = np.full_like(target, np.nan)
    cost, gradient = jax.value_and_grad(
        lambda p: losses.landmark_distance(p, target, weights).sum()
    )(predicted)
    assert cost == 0
    np.testing.assert_array_equal(gradient, 0)


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


def test_batch_mean_by_hand():
    assert losses.batch_mean(np.array([1.0, 2.0, 6.0])) == pytest.approx(3)


def test_gradients_equal_finite_differences(points):
    predicted, target, weights = points
    random = np.random.default_rng(2)
    a, b = coefficients_of(random), coefficients_of(random)
    with jax.enable_x64(True):
        check_grads(lambda p: losses.landmark_distance(p, target, weights), (predicted,), 1)
        check_grads(lambda p: losses.coefficient_distance(p, b), (a,), 1)
        check_grads(losses.coefficient_prior, (a,), 1)


def test_jit_and_vmap_equal_the_loop(points):
    loop = [losses.landmark_distance(*(array[i] for array in points)) for i in range(4)]
    np.testing.assert_allclose(jax.vmap(losses.landmark_distance)(*points), loop, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(losses.landmark_distance)(*points), loop, rtol=1e-6)


def test_mismatched_shapes_raise(points):
    predicted, target, weights = points
    with pytest.raises(TypeCheckError):
        losses.landmark_distance(predicted[:, :1], target, weights)
    with pytest.raises(TypeCheckError):
        losses.landmark_distance(predicted, target, weights[:, :1])
    random = np.random.default_rng(3)
    with pytest.raises(TypeCheckError):
        losses.coefficient_distance(coefficients_of(random), coefficients_of(random, batch=1))
