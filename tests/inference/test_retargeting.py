"""Tests of expression transfer from one face to another."""

import numpy as np
import pytest

from tests.helpers.fake_reconstruction import make_face
from twodasl_jax.inference.retargeting import retarget


@pytest.fixture
def calm(face_model):
    return make_face(face_model, (60, 60), yaw=20, expression=(0.3, -0.2))


@pytest.fixture
def laughing(face_model):
    return make_face(face_model, (200, 90), scale=0.8, yaw=-40, expression=(2, 1, -1))


def test_own_expression_changes_nothing(face_model, calm):
    same = retarget(face_model, calm, calm)
    for name, value in vars(calm).items():
        np.testing.assert_allclose(getattr(same, name), value, atol=1e-4)


def test_only_expression_is_transferred(face_model, calm, laughing):
    both = retarget(face_model, calm, laughing)
    np.testing.assert_array_equal(both.coefficients[52:], laughing.coefficients[52:])
    np.testing.assert_allclose(both.coefficients[:52], calm.coefficients[:52], atol=1e-4)
    for name in ("box", "euler_angles", "score"):
        assert getattr(both, name) is getattr(calm, name)
    same_face = make_face(face_model, (60, 60), yaw=20, expression=(2, 1, -1))
    np.testing.assert_allclose(both.vertices, same_face.vertices, atol=1e-3)
    np.testing.assert_allclose(both.landmarks, same_face.landmarks, atol=1e-3)


def test_retargeting_back_restores_face(face_model, calm, laughing):
    back = retarget(face_model, retarget(face_model, calm, laughing), calm)
    np.testing.assert_allclose(back.vertices, calm.vertices, atol=1e-3)
