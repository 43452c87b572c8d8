"""Pose errors against scipy and by hand."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest
from scipy.spatial.transform import Rotation

from twodasl_jax.evaluation.pose_error import angle_errors, geodesic_error
from twodasl_jax.geometry.rotation import rotation_from_euler

ANGLES = st.tuples(*[st.floats(-180, 180)] * 3)


def test_angles_by_hand():
    errors = angle_errors(np.array([179.0, -20.0, 0.0]), np.array([-179.0, 20.0, 400.0]))
    np.testing.assert_allclose(errors, [2, 40, 40], atol=1e-4)


def test_one_angle_is_its_own_geodesic():
    turned = np.array([[25.0, 0.0, 0.0], [0.0, -70.0, 0.0], [0.0, 0.0, 180.0]])
    np.testing.assert_allclose(geodesic_error(turned, np.zeros((3, 3))), [25, 70, 180], atol=0.05)


def test_small_angles_keep_their_digits():
    assert geodesic_error(np.array([0.01, 0.0, 0.0]), np.zeros(3)) == pytest.approx(0.01, rel=1e-3)


def test_the_two_triples_of_a_turned_head_are_one_pose():
    # A yaw beyond 90 degrees, and the folded triple that describes the same matrix.
    first, second = np.array([100.0, 10.0, 5.0]), np.array([80.0, -170.0, -175.0])
    np.testing.assert_allclose(
        *(rotation_from_euler(np.radians(triple)) for triple in (first, second)), atol=1e-5
    )
    assert geodesic_error(first, second) < 0.05
    assert angle_errors(first, second).max() > 100


@hypothesis.given(first=ANGLES, second=ANGLES)
def test_equals_scipy(first, second):
    matrices = [
        np.asarray(rotation_from_euler(np.radians(np.array(angles, "f"))), np.float64)
        for angles in (first, second)
    ]
    expected = (
        Rotation.from_matrix(matrices[0]) * Rotation.from_matrix(matrices[1]).inv()
    ).magnitude()
    error = geodesic_error(np.array(first), np.array(second))
    # Close to half a turn the sine of the half angle hardly changes.
    assert error == pytest.approx(np.degrees(expected), abs=0.1)
