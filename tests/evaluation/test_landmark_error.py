"""NME against NumPy in float64 and by hand; what is missing neither helps nor harms."""

import jax
import numpy as np
import pytest

from twodasl_jax.evaluation.landmark_error import normalized_mean_error


def all_visible(points):
    return np.ones(points.shape[:-1], bool)


def error_of(predicted, truth):
    return normalized_mean_error(predicted, truth, all_visible(truth))[0]


def test_by_hand():
    # A box of 3 x 12 pixels has size 6; errors of 0, 3 and 6 pixels.
    truth = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 12.0]])
    predicted = truth + np.array([[0.0, 0.0], [0.0, 3.0], [6.0, 0.0]])
    assert error_of(predicted, truth) == pytest.approx(100 * 3 / 6)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_equals_numpy(dimensions):
    predicted, truth = np.random.default_rng(0).normal(size=(2, 5, 68, dimensions))
    visible = np.random.default_rng(1).uniform(size=(5, 68)) < 0.7
    truth[0, 3] = truth[4, 10] = np.nan
    expected = []
    for row in range(5):
        shown = visible[row] & ~np.isnan(truth[row]).any(axis=-1)
        p, t = predicted[row, shown], truth[row, shown]
        width, height = np.ptp(t[:, :2], axis=0)
        difference = p - t
        difference[:, 2:] -= difference[:, 2:].mean(axis=0)
        distance = np.sqrt((difference**2).sum(axis=1)).mean()
        expected.append(100 * distance / np.sqrt(width * height))
    with jax.enable_x64(True):
        errors, known = normalized_mean_error(predicted, truth, visible)
    np.testing.assert_allclose(errors, expected, rtol=1e-12)
    assert known.all()


def test_in_3d_a_common_depth_offset_is_ignored_and_nothing_else():
    truth = np.random.default_rng(0).normal(size=(5, 68, 3))
    np.testing.assert_allclose(error_of(truth + np.array([0.0, 0.0, 7.0]), truth), 0, atol=1e-4)
    assert (error_of(truth * np.array([1, 1, 2]), truth) > 1).all()


def test_a_face_without_points_or_size_is_unknown():
    truth = np.random.default_rng(0).normal(size=(3, 68, 2))
    visible = all_visible(truth)
    visible[0], truth[1] = False, 5.0
    errors, known = normalized_mean_error(truth + 1, truth, visible)
    np.testing.assert_array_equal(known, [False, False, True])
    np.testing.assert_array_equal(np.isnan(errors), ~np.asarray(known))
