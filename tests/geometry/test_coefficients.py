"""Tests of both 62-vector layouts, the 7-vector pose of 300W-LP and whitening."""

import hypothesis.strategies as st
import jax
import numpy as np
import pytest
from hypothesis import given
from scipy.spatial.transform import Rotation

from twodasl_jax.geometry import coefficients
from twodasl_jax.geometry.projection import picture_from_model, picture_from_model_affine

SEEDS = st.integers(0, 2**31)


def paper_vector(random):
    """Returns a valid vector of the layout of the paper: the scale is positive, and Pi a rotation."""
    rotation = Rotation.random(rng=random).as_matrix().ravel()
    return np.concatenate(
        [random.uniform(0.1, 2, 1), random.uniform(0, 120, 2), rotation, random.normal(size=50)]
    )


def test_official_layout_by_hand():
    vector = np.arange(1, 63, dtype=np.float32)
    decoded = coefficients.coefficients_from_official(vector)
    affine = [[1, 2, 3, 4], [-5, -6, -7, 121 - 8], [9, 10, 11, 12]]
    np.testing.assert_array_equal(decoded.affine, affine)
    np.testing.assert_array_equal(decoded.shape, np.arange(13, 53))
    np.testing.assert_array_equal(decoded.expression, np.arange(53, 63))


def test_paper_layout_by_hand():
    quarter_turn = [0, -1, 0, 1, 0, 0, 0, 0, 1]
    vector = np.array([2, 50, 100, *quarter_turn, *range(50)], np.float32)
    decoded = coefficients.coefficients_from_paper(vector)
    affine = [[0, -2, 0, 50], [-2, 0, 0, 21], [0, 0, 2, 0]]
    np.testing.assert_array_equal(decoded.affine, affine)
    np.testing.assert_array_equal(decoded.shape, np.arange(40))
    np.testing.assert_array_equal(decoded.expression, np.arange(40, 50))


def test_layout_of_other_component_counts():
    decoded = coefficients.coefficients_from_official(np.zeros((5, 12 + 7 + 2), "f"), shape_count=7)
    assert (decoded.affine.shape, decoded.shape.shape) == ((5, 3, 4), (5, 7))
    assert decoded.expression.shape == (5, 2)


@given(seed=SEEDS)
@jax.enable_x64(True)
def test_official_layout_round_trip(seed):
    vector = np.random.default_rng(seed).normal(size=(2, 62)) * 100
    decoded = coefficients.coefficients_from_official(vector)
    again = coefficients.official_from_coefficients(decoded)
    np.testing.assert_allclose(again, vector, atol=1e-12)
    twice = coefficients.coefficients_from_official(again)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), twice, decoded)


@given(seed=SEEDS)
@jax.enable_x64(True)
def test_paper_layout_round_trip(seed):
    vector = paper_vector(np.random.default_rng(seed))
    decoded = coefficients.coefficients_from_paper(vector)
    again = coefficients.paper_from_coefficients(decoded)
    np.testing.assert_allclose(again, vector, atol=1e-10)
    twice = coefficients.coefficients_from_paper(again)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-10), twice, decoded)


@given(seed=SEEDS)
@jax.enable_x64(True)
def test_both_layouts_project_points_by_their_formulas(seed):
    random = np.random.default_rng(seed)
    vector, points = paper_vector(random), random.normal(size=(6, 3))
    scale, shift, rotation = vector[0], vector[1:3], vector[3:12].reshape(3, 3)
    x, y_up, z = scale * rotation @ points.T + np.array([*shift, 0])[:, None]
    expected = np.stack([x, 121 - y_up, z], axis=-1)
    decoded = coefficients.coefficients_from_paper(vector)
    np.testing.assert_allclose(picture_from_model_affine(decoded.affine, points), expected)
    affine = np.concatenate([scale * rotation, np.array([[*shift, 0]]).T], axis=1)
    official = np.concatenate([affine.ravel(), vector[12:]])
    decoded = coefficients.coefficients_from_official(official)
    np.testing.assert_allclose(picture_from_model_affine(decoded.affine, points), expected)


@pytest.mark.parametrize(
    "decode", [coefficients.coefficients_from_official, coefficients.coefficients_from_paper]
)
def test_vector_that_is_too_short_raises(decode):
    with pytest.raises(
        ValueError, match="51 entries is too short for 12 pose entries and 40 shape"
    ):
        decode(np.zeros(51, np.float32))


def test_pose7_by_hand():
    pose = np.array([0, np.pi / 2, 0, 100, 51, 7, 3], np.float32)
    camera = coefficients.camera_from_pose7(pose, image_height=450)
    # The yaw rotates the nose (0, 0, 1) to -x and the left ear (1, 0, 0) to the front.
    points = np.array([[0, 0, 1], [1, 0, 0], [0, 1, 0], [0, 0, 0]], np.float32)
    expected = [[97, 400, 7], [100, 400, 10], [100, 397, 7], [100, 400, 7]]
    np.testing.assert_allclose(picture_from_model(camera, points), expected, atol=1e-5)


@given(seed=SEEDS)
@jax.enable_x64(True)
def test_pose7_round_trip(seed):
    random = np.random.default_rng(seed)
    yaw, others = random.uniform(-1.5, 1.5, (4, 1)), random.uniform(-3, 3, (4, 2))
    angles = np.concatenate([others[:, :1], yaw, others[:, 1:]], axis=1)
    translation_and_scale = random.uniform(1e-3, 400, (4, 4))
    pose = np.concatenate([angles, translation_and_scale], axis=1)
    camera = coefficients.camera_from_pose7(pose, image_height=450)
    again = coefficients.pose7_from_camera(camera, image_height=450)
    np.testing.assert_allclose(again, pose, atol=1e-9)


def test_whitening_by_hand():
    whitening = coefficients.Whitening(np.array([1, 2], "f"), np.array([2, 4], "f"))
    np.testing.assert_array_equal(coefficients.whiten(np.array([5, 0], "f"), whitening), [2, -0.5])
    np.testing.assert_array_equal(
        coefficients.unwhiten(np.array([2, -0.5], "f"), whitening), [5, 0]
    )


@jax.enable_x64(True)
def test_whitening_equals_golden_file_and_is_invertible(golden):
    expected = golden("whitening")
    whitening = coefficients.Whitening(expected["mean"], expected["std"])
    whitened = coefficients.whiten(expected["vectors"], whitening)
    np.testing.assert_allclose(whitened, expected["whitened"], rtol=1e-9)
    np.testing.assert_allclose(coefficients.unwhiten(whitened, whitening), expected["vectors"])


@given(seed=SEEDS)
@jax.enable_x64(True)
def test_whitening_round_trip(seed):
    random = np.random.default_rng(seed)
    whitening = coefficients.Whitening(random.normal(size=62), random.uniform(1e-3, 1e3, 62))
    vector = random.normal(size=(3, 62))
    again = coefficients.unwhiten(coefficients.whiten(vector, whitening), whitening)
    np.testing.assert_allclose(again, vector, atol=1e-12)


def test_whitening_of_other_size_raises():
    whitening = coefficients.Whitening(np.zeros(62, "f"), np.ones(62, "f"))
    with pytest.raises(
        ValueError, match=r"a vector of 61 entries does not match .* mean of \(62,\)"
    ):
        coefficients.whiten(np.zeros(61, np.float32), whitening)
