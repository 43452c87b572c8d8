"""Tests of means over yaw bins, failure rates, cumulative curves and bootstrap intervals."""

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest

from twodasl_jax.evaluation import summary
from twodasl_jax.evaluation.summary import balanced_interval, yaw_binned


def test_yaw_bins_include_upper_bounds():
    yaw = np.array([0.0, -30.0, 30.1, 60.0, -60.1, 90.0])
    result = yaw_binned(np.array([1.0, 3.0, 5.0, 7.0, 9.0, 11.0]), yaw)
    assert result.bins == (2, 6, 10)
    assert result.balanced == 6
    assert result.overall == 6


def test_balanced_mean_with_empty_bin_is_nan():
    errors, yaw = np.array([1.0, 3.0]), np.array([0.0, 80.0])
    result = yaw_binned(errors, yaw)
    assert np.isnan([result.bins[1], result.balanced]).all()
    assert (result.bins[0], result.bins[2], result.overall) == (1, 3, 2)
    assert np.isnan(balanced_interval(errors, yaw)).all()


def test_balanced_mean_weighs_bins_and_overall_mean_weighs_faces():
    result = yaw_binned(np.array([1.0, 1.0, 4.0, 7.0]), np.array([0.0, 1.0, 45.0, 80.0]))
    assert result.balanced == pytest.approx(4)
    assert result.overall == pytest.approx(13 / 4)


def test_interval_has_width_of_standard_error():
    random = np.random.default_rng(2)
    yaw = np.repeat([10.0, 45.0, 75.0], 400)
    errors = random.normal(4, 1, size=1200)
    low, high = balanced_interval(errors, yaw)
    standard_error = np.sqrt(3 / 400) / 3
    assert (high - low) / (2 * 1.96) == pytest.approx(standard_error, rel=0.1)
    assert low < errors.mean() < high


def test_failures_exceed_every_threshold():
    errors = np.array([2.0, 8.0, 9.0, np.nan])
    assert summary.failure_rate(errors, 8.0) == 50
    assert summary.failure_rate(errors, 100.0) == 25
    np.testing.assert_array_equal(
        summary.cumulative_curve(errors, np.array([0.0, 2.0, 8.5, 100.0])), [0, 0.25, 0.5, 0.75]
    )


def test_area_under_curve_by_hand():
    # The curve is 1/4 from 2 on and 2/4 from 8 on, so its area up to 10 is (8 + 2) / 4.
    assert summary.area_under_curve(np.array([2.0, 8.0, 12.0, np.nan]), 10.0) == pytest.approx(0.25)


@hypothesis.given(hnp.arrays(float, st.integers(1, 30), elements=st.floats(0, 20)))
def test_area_equals_integral_of_curve(errors):
    grid = (np.arange(20000) + 0.5) / 2000
    integral = summary.cumulative_curve(errors, grid).mean()
    assert summary.area_under_curve(errors, 10.0) == pytest.approx(integral, abs=1e-3)
    assert summary.failure_rate(errors, 10.0) == pytest.approx(
        100 - 100 * summary.cumulative_curve(errors, np.array([10.0]))[0]
    )
