"""Tests of the point distance (L_2d_con, L_3d_con, L_cyc, VDC) and of the mean over a batch."""

import jax
import numpy as np
import pytest
from jax.test_util import check_grads
from jaxtyping import TypeCheckError

from twodasl_jax.losses import POINT_NORMS, batch_mean, point_distance
from twodasl_jax.losses.points import euclidean, manhattan, squared

NUMPY_NORMS = {
    "squared": lambda d: np.sum(d**2, axis=-1),
    "euclidean": lambda d: np.linalg.norm(d, axis=-1),
    "manhattan": lambda d: np.abs(d).sum(axis=-1),
}
VALUES = np.array([1.0, 2.0, 6.0, 11.0])
every_norm = pytest.mark.parametrize("name", list(POINT_NORMS))


@pytest.fixture
def points():
    random = np.random.default_rng(0)
    return random.normal(size=(4, 6, 3)), random.normal(size=(4, 6, 3)), random.uniform(size=(4, 6))


@pytest.mark.parametrize(
    ("norm", "first", "second"), [(manhattan, 3 + 4, 12), (euclidean, 5, 12), (squared, 25, 144)]
)
def test_point_distance_by_hand(norm, first, second):
    predicted = np.array([[3.0, -4.0], [0.0, 0.0], [9.0, 9.0]])
    target = np.array([[0.0, 0.0], [0.0, 12.0], [np.nan, 0.0]])
    # The weights are 1 and 3, and the crop side is 120 pixels; the third point is missing.
    unit = 120**2 if norm is squared else 120
    distance = point_distance(predicted, target, np.array([1.0, 3.0, 5.0]), norm)
    assert distance == pytest.approx((first + 3 * second) / 4 / unit)


@every_norm
def test_point_distance_equals_numpy(points, name):
    predicted, target, weights = points
    distances = NUMPY_NORMS[name]((predicted - target) / 120)
    expected = (weights * distances).sum(axis=1) / weights.sum(axis=1)
    np.testing.assert_allclose(point_distance(*points, POINT_NORMS[name]), expected, rtol=1e-5)


@every_norm
def test_example_without_points_has_zero_loss_and_gradient(points, name):
    predicted, target, weights = points
    for lost, kept in ((np.full_like(target, np.nan), weights), (target, np.zeros_like(weights))):
        cost, gradient = jax.value_and_grad(
            lambda p, t=lost, w=kept: point_distance(p, t, w, POINT_NORMS[name]).sum()
        )(predicted)
        assert cost == 0
        np.testing.assert_array_equal(gradient, 0)


@every_norm
def test_hidden_and_missing_points_are_ignored(points, name):
    predicted, target, weights = points
    weights[:, 2] = 0.0
    target[:, 4] = np.nan
    without = [np.delete(array, [2, 4], axis=1) for array in points]
    np.testing.assert_allclose(
        point_distance(predicted, target, weights, POINT_NORMS[name]),
        point_distance(*without, POINT_NORMS[name]),
        rtol=1e-5,
    )


@pytest.mark.parametrize("norm", [squared, euclidean])
def test_gradient_at_target_is_zero(points, norm):
    _, target, weights = points
    gradient = jax.grad(lambda p: point_distance(p, target, weights, norm).sum())
    np.testing.assert_array_equal(gradient(target), 0)


@every_norm
def test_gradients_equal_finite_differences(points, name):
    predicted, target, weights = points
    with jax.enable_x64(True):
        check_grads(
            lambda p: point_distance(p, target, weights, POINT_NORMS[name]), (predicted,), 1
        )


def test_jit_and_vmap_equal_loop(points):
    def distance(*arguments):
        return point_distance(*arguments, euclidean)

    loop = [distance(*(array[i] for array in points)) for i in range(4)]
    np.testing.assert_allclose(jax.vmap(distance)(*points), loop, rtol=1e-6)
    np.testing.assert_allclose(jax.jit(distance)(*points), loop, rtol=1e-6)


def test_mismatched_shapes_raise(points):
    predicted, target, weights = points
    with pytest.raises(TypeCheckError):
        point_distance(predicted[:, :1], target, weights, euclidean)
    with pytest.raises(TypeCheckError):
        point_distance(predicted, target, weights[:, :1], euclidean)


def test_batch_mean_by_hand():
    assert batch_mean(VALUES) == pytest.approx(5)


def test_mean_of_equal_shares_is_batch_mean():
    shares = [batch_mean(part) for part in np.split(VALUES, 2)]
    assert np.mean(shares) == pytest.approx(float(batch_mean(VALUES)))


def test_gradient_of_batch_mean_equals_finite_differences():
    with jax.enable_x64(True):
        check_grads(batch_mean, (VALUES,), 1)
