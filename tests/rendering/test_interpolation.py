"""Interpolation against formulas."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from twodasl_jax.rendering.interpolation import lerp, linear_step, sample_bilinear


@given(x=st.floats(-3, 12), y=st.floats(-3, 9))
def test_sampling_is_bilinear_and_extends_border(x, y):
    picture = np.random.default_rng(1).integers(0, 256, (6, 9, 3), dtype=np.uint8)
    column, row = np.clip(x - 0.5, 0, 8), np.clip(y - 0.5, 0, 5)
    left, top = min(int(column), 7), min(int(row), 4)
    right, down = column - left, row - top
    block = picture[top : top + 2, left : left + 2].astype(float)
    expected = np.einsum("r,c,rck->k", [1 - down, down], [1 - right, right], block)
    sampled = sample_bilinear(picture, np.array([[x, y]], np.float64))
    np.testing.assert_allclose(sampled[0], expected, atol=1e-2)


def test_sampling_keeps_shape_and_precision():
    field = np.random.default_rng(2).random((5, 4, 2))
    points = np.array([[[0.5, 0.5, 9], [1.5, 3.5, 9]], [[2, 1, 9], [np.nan, 1, 9]]])
    sampled = sample_bilinear(field, points)
    assert sampled.dtype == np.float64
    np.testing.assert_array_equal(sampled[0], [field[0, 0], field[3, 1]])
    np.testing.assert_allclose(sampled[1, 0], field[:2, 1:3].mean(axis=(0, 1)))
    np.testing.assert_array_equal(sampled[1, 1], np.nan)


def test_lerp_interpolates_between_colours():
    start, end = np.zeros((3, 2), np.float32), np.array([10, 20], np.float32)
    mixed = lerp(start, end, np.array([0, 0.25, 1], np.float32))
    np.testing.assert_array_equal(mixed, [[0, 0], [2.5, 5], [10, 20]])


def test_linear_step_ramps_in_either_direction():
    values = np.array([-1.0, 0, 1, 2, 3])
    np.testing.assert_array_equal(linear_step(values, 0, 2), [0, 0, 0.5, 1, 1])
    np.testing.assert_array_equal(linear_step(values, 2, 0), [1, 1, 0.5, 0, 0])
