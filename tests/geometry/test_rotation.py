"""Tests of rotations: by hand, against SciPy, and near gimbal lock."""

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.linalg
from hypothesis import given
from scipy.spatial.transform import Rotation

from twodasl_jax.geometry import rotation

RIGHT_ANGLE = np.pi / 2
SEEDS = st.integers(0, 2**31)

derivative_of_small_rotation = jax.jit(jax.jacfwd(rotation.rotation_from_vector))


def angles(limit):
    return st.floats(-limit, limit, allow_nan=False)


def scipy_from_euler(yaw, pitch, roll):
    """Returns the matrix of 300W-LP; its factors are the transposes of SciPy's elementary rotations."""
    return Rotation.from_euler("XYZ", [-pitch, -yaw, -roll]).as_matrix()


@pytest.mark.parametrize(
    ("yaw_pitch_roll", "axis", "expected"),
    [
        ((30, 0, 0), (0, 0, 1), (-0.5, 0, 0.75**0.5)),  # the nose moves to the left of the image
        ((0, 30, 0), (0, 0, 1), (0, 0.5, 0.75**0.5)),  # the nose moves up
        ((0, 0, 30), (0, 1, 0), (0.5, 0.75**0.5, 0)),  # the forehead moves right: clockwise
        ((90, 90, 0), (0, 1, 0), (0, 0, -1)),  # yaw keeps y, then pitch rotates it backward
        ((0, 90, 90), (1, 0, 0), (0, 0, 1)),  # roll maps x to -y, then pitch maps -y to z
    ],
)
def test_rotation_from_euler_by_hand(yaw_pitch_roll, axis, expected):
    matrix = rotation.rotation_from_euler(jnp.radians(jnp.array(yaw_pitch_roll, float)))
    np.testing.assert_allclose(matrix @ np.array(axis, np.float32), expected, atol=1e-6)


@given(yaw=angles(np.pi), pitch=angles(np.pi), roll=angles(np.pi))
@jax.enable_x64(True)
def test_rotation_from_euler_equals_scipy(yaw, pitch, roll):
    matrix = rotation.rotation_from_euler(np.array([yaw, pitch, roll]))
    np.testing.assert_allclose(matrix, scipy_from_euler(yaw, pitch, roll), atol=1e-14)


@given(yaw=angles(RIGHT_ANGLE - 1e-4), pitch=angles(np.pi), roll=angles(np.pi))
@jax.enable_x64(True)
def test_euler_angles_round_trip(yaw, pitch, roll):
    there = rotation.rotation_from_euler(np.array([yaw, pitch, roll]))
    difference = rotation.euler_from_rotation(there) - np.array([yaw, pitch, roll])
    np.testing.assert_allclose(np.sin(difference / 2), 0, atol=1e-10)


@given(
    distance=st.floats(-9, -1).map(lambda exponent: 10**exponent),
    side=st.sampled_from([-1, 1]),
    pitch=angles(np.pi),
    roll=angles(np.pi),
)
def test_float32_rotation_near_gimbal_lock_round_trip(distance, side, pitch, roll):
    exact = scipy_from_euler(side * (RIGHT_ANGLE - distance), pitch, roll).astype(np.float32)
    again = rotation.rotation_from_euler(rotation.euler_from_rotation(exact))
    np.testing.assert_allclose(again, exact, atol=2e-6)


@pytest.mark.parametrize("side", [-1, 1])
@jax.enable_x64(True)
def test_at_gimbal_lock_roll_is_zero_and_gradient_finite(side):
    matrix = scipy_from_euler(side * RIGHT_ANGLE, 0.7, 0.3)
    np.testing.assert_allclose(
        rotation.euler_from_rotation(matrix), [side * RIGHT_ANGLE, 0.7 - side * 0.3, 0], atol=1e-9
    )
    assert np.isfinite(jax.jit(jax.jacrev(rotation.euler_from_rotation))(matrix)).all()


def test_rotation_from_6d_by_hand():
    rows = np.array([[0, 0, 2], [3, 0, 5]], np.float32)
    expected = [[0, 0, 1], [1, 0, 0], [0, 1, 0]]
    np.testing.assert_allclose(rotation.rotation_from_6d(rows), expected, atol=1e-7)


@given(seed=SEEDS)
@jax.enable_x64(True)
def test_rotation_from_6d_is_gram_schmidt(seed):
    rows = np.random.default_rng(seed).normal(size=(2, 3))
    matrix = np.asarray(rotation.rotation_from_6d(rows))
    np.testing.assert_allclose(matrix @ matrix.T, np.eye(3), atol=1e-12)
    np.testing.assert_allclose(np.linalg.det(matrix), 1)
    np.testing.assert_allclose(np.cross(matrix[0], rows[0]), 0, atol=1e-12)
    np.testing.assert_allclose(matrix[2] @ rows.T, 0, atol=1e-12)
    assert matrix[1] @ rows[1] > 0
    np.testing.assert_allclose(rotation.rotation_from_6d(matrix[:2]), matrix, atol=1e-12)


@given(seed=SEEDS, exponent=st.floats(-12, 0.8))
@jax.enable_x64(True)
def test_rotation_from_vector_equals_scipy_at_any_length(seed, exponent):
    direction = np.random.default_rng(seed).normal(size=3)
    vector = direction / np.linalg.norm(direction) * 10**exponent
    expected = Rotation.from_rotvec(vector).as_matrix()
    np.testing.assert_allclose(rotation.rotation_from_vector(vector), expected, atol=1e-14)


def test_rotation_from_vector_by_hand():
    matrix = rotation.rotation_from_vector(np.array([0, 0, RIGHT_ANGLE], np.float32))
    np.testing.assert_allclose(matrix, [[0, -1, 0], [1, 0, 0], [0, 0, 1]], atol=1e-6)


@pytest.mark.parametrize("size", [0.0, 1e-5, 2e-4, 1e-3, 1e-2])
def test_float32_derivative_of_small_rotation_is_accurate(size):
    vector = size * np.array([0.6, 0.0, 0.8])
    derivative = derivative_of_small_rotation(vector.astype(np.float32))
    with jax.enable_x64(True):
        exact = derivative_of_small_rotation(vector)
    np.testing.assert_allclose(derivative, exact, atol=1e-6)


def test_derivative_of_zero_rotation_is_cross_product():
    derivative = derivative_of_small_rotation(np.zeros(3, np.float32))
    np.testing.assert_array_equal(derivative[..., 0], [[0, 0, 0], [0, 0, -1], [0, 1, 0]])
    np.testing.assert_array_equal(derivative[..., 1], [[0, 0, 1], [0, 0, 0], [-1, 0, 0]])
    np.testing.assert_array_equal(derivative[..., 2], [[0, -1, 0], [1, 0, 0], [0, 0, 0]])


@given(seed=SEEDS)
@jax.enable_x64(True)
def test_nearest_rotation_equals_polar_factor_or_kabsch(seed):
    matrix = np.random.default_rng(seed).normal(size=(3, 3))
    if np.linalg.det(matrix) > 0:
        expected = scipy.linalg.polar(matrix)[0]
    else:
        expected = Rotation.align_vectors(matrix.T, np.eye(3))[0].as_matrix()
    np.testing.assert_allclose(rotation.nearest_rotation(matrix), expected, atol=1e-7)


def test_nearest_rotation_of_stretch_or_weak_reflection_is_identity():
    for diagonal in [(2, 3, 5), (2, 3, -1)]:
        matrix = np.diag(diagonal).astype(np.float32)
        np.testing.assert_allclose(rotation.nearest_rotation(matrix), np.eye(3), atol=1e-6)


@jax.enable_x64(True)
def test_derivative_of_nearest_rotation_is_finite_at_rotation():
    """The SVD is not differentiable there, but the nearest rotation is: its derivative is R skew(R' dM)."""
    matrix = scipy_from_euler(0.3, -0.2, 0.1)
    change = np.random.default_rng(0).normal(size=(3, 3))
    jacobian = jax.jit(jax.jacrev(rotation.nearest_rotation))
    rotated = matrix.T @ change
    derivative = np.einsum("ijkl,kl->ij", jacobian(matrix), change)
    np.testing.assert_allclose(derivative, matrix @ (rotated - rotated.T) / 2, atol=1e-12)
    assert np.isfinite(jacobian(np.eye(3))).all()
