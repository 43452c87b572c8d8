"""Tests of pose errors, by hand and against SciPy."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from twodasl_jax.evaluation.pose_error import angle_errors, geodesic_error
from twodasl_jax.geometry.rotation import rotation_from_euler

ANGLES = st.tuples(*[st.floats(-180, 180)] * 3)


def test_angle_errors_by_hand():
    errors = angle_errors(np.array([179.0, -20.0, 0.0]), np.array([-179.0, 20.0, 400.0]))
    np.testing.assert_allclose(errors, [2, 40, 40], atol=1e-4)


def test_geodesic_error_of_single_angle_is_that_angle():
    angles = np.array([[25.0, 0.0, 0.0], [0.0, -70.0, 0.0], [0.0, 0.0, 180.0]])
    np.testing.assert_allclose(geodesic_error(angles, np.zeros((3, 3))), [25, 70, 180], atol=0.05)


def test_geodesic_error_is_accurate_for_small_angles():
    assert geodesic_error(np.array([0.01, 0.0, 0.0]), np.zeros(3)) == pytest.approx(0.01, rel=1e-3)


def test_geodesic_error_of_equivalent_triples_is_zero():
    # A yaw beyond 90 degrees, and the triple below 90 degrees with the same rotation matrix.
    first, second = np.array([100.0, 10.0, 5.0]), np.array([80.0, -170.0, -175.0])
    np.testing.assert_allclose(
        *(rotation_from_euler(np.radians(triple)) for triple in (first, second)), atol=1e-5
    )
    assert geodesic_error(first, second) < 0.05
    assert angle_errors(first, second).max() > 100


@hypothesis.given(first=ANGLES, second=ANGLES)
def test_geodesic_error_equals_scipy(first, second):
    matrices = [
        np.asarray(rotation_from_euler(np.radians(np.array(angles, "f"))), np.float64)
        for angles in (first, second)
    ]
    expected = (
        Rotation.from_matrix(matrices[0]) * Rotation.from_matrix(matrices[1]).inv()
    ).magnitude()
    error = geodesic_error(np.array(first), np.array(second))
    # Near 180 degrees the sine of half the angle hardly changes, which limits the accuracy.
    assert error == pytest.approx(np.degrees(expected), abs=0.1)
