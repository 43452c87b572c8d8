"""NME, yaw bins and bootstrap intervals."""

import numpy as np
import pytest

from twodasl_jax.errors import DatasetError
from twodasl_jax.evaluation.metrics import balanced_interval, normalized_mean_error, yaw_binned


def test_nme_by_hand():
    # A box of 3 x 12 pixels has size 6; errors of 0, 3 and 6 pixels.
    truth = np.array([[[0.0, 0.0], [3.0, 0.0], [3.0, 12.0]]])
    predicted = truth + np.array([[[0.0, 0.0], [0.0, 3.0], [6.0, 0.0]]])
    assert normalized_mean_error(predicted, truth)[0] == pytest.approx(100 * 3 / 6)


def test_nme_in_3d_ignores_a_common_depth_offset_only():
    random = np.random.default_rng(0)
    truth = random.normal(size=(5, 68, 3))
    lifted = truth + np.array([0.0, 0.0, 7.0])
    np.testing.assert_allclose(normalized_mean_error(lifted, truth), 0, atol=1e-12)
    assert (normalized_mean_error(truth * np.array([1, 1, 2]), truth) > 1).all()


def test_nme_leaves_its_inputs_as_they_were():
    random = np.random.default_rng(1)
    predicted, truth = random.normal(size=(2, 3, 68, 3))
    copies = predicted.copy(), truth.copy()
    normalized_mean_error(predicted, truth)
    np.testing.assert_array_equal(predicted, copies[0])
    np.testing.assert_array_equal(truth, copies[1])


def test_yaw_bins_are_closed_above():
    yaw = np.array([0.0, -30.0, 30.1, 60.0, -60.1, 90.0])
    result = yaw_binned(np.array([1.0, 3.0, 5.0, 7.0, 9.0, 11.0]), yaw)
    assert result.bins == (2, 6, 10)
    assert result.balanced == 6
    assert result.overall == 6


def test_an_empty_bin_is_named():
    with pytest.raises(DatasetError, match="from 30 to 60"):
        yaw_binned(np.ones(2), np.array([0.0, 80.0]))


def test_balanced_weighs_bins_and_overall_weighs_images():
    result = yaw_binned(np.array([1.0, 1.0, 4.0, 7.0]), np.array([0.0, 1.0, 45.0, 80.0]))
    assert result.balanced == pytest.approx(4)
    assert result.overall == pytest.approx(13 / 4)


def test_interval_has_the_width_of_the_standard_error():
    random = np.random.default_rng(2)
    yaw = np.repeat([10.0, 45.0, 75.0], 400)
    errors = random.normal(4, 1, size=1200)
    low, high = balanced_interval(errors, yaw)
    standard_error = np.sqrt(3 / 400) / 3
    assert (high - low) / (2 * 1.96) == pytest.approx(standard_error, rel=0.1)
    assert low < errors.mean() < high
