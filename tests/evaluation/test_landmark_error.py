"""Tests of the normalised mean error and its parts, by hand and against NumPy in float64."""

import hypothesis
import hypothesis.strategies as st
import jax
import numpy as np
import pytest

from twodasl_jax.evaluation import landmark_error
from twodasl_jax.evaluation.landmark_error import normalized_mean_error
from twodasl_jax.geometry.rotation import rotation_from_euler


def all_visible(points):
    return np.ones(points.shape[:-1], bool)


def error_of(predicted, truth):
    return normalized_mean_error(predicted, truth, all_visible(truth))[0]


def test_nme_by_hand():
    # The box of 3 x 12 pixels has the size 6, and the errors are 0, 3 and 6 pixels.
    truth = np.array([[0.0, 0.0], [3.0, 0.0], [3.0, 12.0]])
    predicted = truth + np.array([[0.0, 0.0], [0.0, 3.0], [6.0, 0.0]])
    assert error_of(predicted, truth) == pytest.approx(100 * 3 / 6)


def test_sizes_by_hand():
    points = np.zeros((68, 2))
    points[36], points[45], points[8] = (-3.0, 0.0), (3.0, 8.0), (0.0, 24.0)
    every = all_visible(points)
    assert landmark_error.box_size(points, every) == pytest.approx(12)
    assert landmark_error.box_diagonal(points, every) == pytest.approx(np.hypot(6, 24))
    assert landmark_error.inter_ocular_distance(points) == pytest.approx(10)
    without_chin = every.copy()
    without_chin[8] = False
    assert landmark_error.box_diagonal(points, without_chin) == pytest.approx(10)


@pytest.mark.parametrize("dimensions", [2, 3])
def test_nme_equals_numpy(dimensions):
    predicted, truth = np.random.default_rng(0).normal(size=(2, 5, 68, dimensions))
    visible = np.random.default_rng(1).uniform(size=(5, 68)) < 0.7
    truth[0, 3] = truth[4, 10] = np.nan
    expected = []
    for row in range(5):
        counted = visible[row] & ~np.isnan(truth[row]).any(axis=-1)
        p, t = predicted[row, counted], truth[row, counted]
        width, height = np.ptp(t[:, :2], axis=0)
        difference = p - t
        difference[:, 2:] -= difference[:, 2:].mean(axis=0)
        distance = np.sqrt((difference**2).sum(axis=1)).mean()
        expected.append(100 * distance / np.sqrt(width * height))
    with jax.enable_x64(True):
        errors, known = normalized_mean_error(predicted, truth, visible)
    np.testing.assert_allclose(errors, expected, rtol=1e-12)
    assert known.all()


def test_3d_error_ignores_depth_offset_only():
    truth = np.random.default_rng(0).normal(size=(5, 68, 3))
    np.testing.assert_allclose(error_of(truth + np.array([0.0, 0.0, 7.0]), truth), 0, atol=1e-4)
    assert (error_of(truth * np.array([1, 1, 2]), truth) > 1).all()


def test_match_mean_depth_keeps_2d_points():
    points = np.random.default_rng(0).normal(size=(2, 68, 2)).astype("f")
    moved = landmark_error.match_mean_depth(points + 1, points, all_visible(points))
    np.testing.assert_array_equal(moved, points + 1)


@hypothesis.given(
    angles=st.tuples(*[st.floats(-3, 3)] * 3),
    scale=st.floats(0.2, 5),
    shift=st.tuples(*[st.floats(-9, 9)] * 3),
)
def test_match_by_similarity_undoes_similarity(angles, scale, shift):
    truth = np.random.default_rng(0).normal(size=(68, 3))
    counted = all_visible(truth)
    counted[5] = False
    rotation = np.asarray(rotation_from_euler(np.array(angles, "f")))
    predicted = (scale * truth @ rotation.T + np.array(shift)).astype("f")
    predicted[5] += 3
    matched = landmark_error.match_by_similarity(predicted, truth.astype("f"), counted)
    np.testing.assert_allclose(np.asarray(matched)[counted], truth[counted], atol=1e-3)


def test_error_of_face_without_points_or_size_is_unknown():
    truth = np.random.default_rng(0).normal(size=(3, 68, 2))
    visible = all_visible(truth)
    visible[0], truth[1] = False, 5.0
    errors, known = normalized_mean_error(truth + 1, truth, visible)
    np.testing.assert_array_equal(known, [False, False, True])
    np.testing.assert_array_equal(np.isnan(errors), ~np.asarray(known))


@pytest.mark.parametrize("dimensions", [2, 3])
def test_nan_prediction_makes_only_its_own_error_nan(dimensions):
    truth = np.random.default_rng(0).normal(size=(3, 68, dimensions))
    predicted = truth + 1
    predicted[1, 20] = np.nan
    assert np.isnan(error_of(predicted, truth)).tolist() == [False, True, False]
    visible = all_visible(truth)
    visible[1, 20] = False
    assert np.isfinite(normalized_mean_error(predicted, truth, visible)[0]).all()
