"""Yaw bins and bootstrap intervals."""

import numpy as np
import pytest

from twodasl_jax.errors import DatasetError
from twodasl_jax.evaluation.metrics import balanced_interval, yaw_binned


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
