"""Tests of the hard and the Gaussian landmark map."""

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import jax
import numpy as np
import pytest
from hypothesis import example, given

from twodasl_jax.errors import ConfigError
from twodasl_jax.geometry import landmark_map
from twodasl_jax.geometry.landmark_sets import LANDMARK_SETS, pick_points
from twodasl_jax.geometry.mirroring import mirror_landmarks

SIZE = 120
EDGES = np.array([-0.5, -1, -1e-6, -0.0, 0, 119.999, 120, -120, 240, np.nan], np.float32)
NORMAL = {"width": 32, "allow_subnormal": False}  # XLA flushes subnormal numbers to zero
ANYWHERE = st.floats(-150, 270, **NORMAL) | st.floats(**NORMAL) | st.sampled_from(EDGES.tolist())
POINTS = hnp.arrays(np.float32, (6, 2), elements=ANYWHERE, fill=st.nothing())

hard_landmark_map = jax.jit(landmark_map.hard_landmark_map)
gaussian_landmark_map = jax.jit(landmark_map.gaussian_landmark_map, static_argnames="size")


def drawn_point_by_point(points):
    expected = np.full((SIZE, SIZE), -1)
    for x, y in points:
        if 0 <= x < SIZE and 0 <= y < SIZE:
            expected[int(y), int(x)] = 1
    return expected


@given(points=POINTS)
def test_hard_map_draws_points_inside_crop_only(points):
    np.testing.assert_array_equal(hard_landmark_map(points), drawn_point_by_point(points))


@pytest.mark.parametrize(
    ("x", "column"),
    [(0, 0), (0.999, 0), (1, 1), (59.5, 59), (119.999, 119)]
    + [(x, None) for x in (-0.5, -1, -120, 120, 1e30, -1e30, np.inf, np.nan)],
)
def test_hard_map_of_single_point_by_hand(x, column):
    for point, axis in (((x, 5.5), 1), ((5.5, x), 0)):
        drawn = np.argwhere(np.asarray(hard_landmark_map(np.array([point], np.float32))) == 1)
        expected = [] if column is None else [[5, column][:: 1 if axis else -1]]
        assert drawn.tolist() == expected


def test_hard_map_equals_golden_file(golden):
    expected = golden("landmark_map")
    drawn = hard_landmark_map(expected["points"])
    np.testing.assert_array_equal(drawn, expected["hard"])


def test_hard_map_has_no_gradient():
    points = np.array([[3.5, 4.5], [np.nan, 1]], np.float32)
    gradient = jax.grad(lambda points: landmark_map.hard_landmark_map(points, size=8).sum())(points)
    np.testing.assert_array_equal(gradient, 0)


def test_map_of_mirrored_face_is_mirrored_map():
    points = np.random.default_rng(0).uniform(0, SIZE, (68, 2)).astype(np.float32)
    mirrored = hard_landmark_map(np.asarray(mirror_landmarks(points)))
    np.testing.assert_array_equal(mirrored, hard_landmark_map(points)[:, ::-1])


def test_maps_without_points_or_faces():
    np.testing.assert_array_equal(hard_landmark_map(np.zeros((2, 0, 2), np.float32)), -1)
    np.testing.assert_array_equal(gaussian_landmark_map(np.zeros((2, 0, 2), np.float32)), -1)
    assert hard_landmark_map(np.zeros((0, 68, 2), np.float32)).shape == (0, SIZE, SIZE)


@pytest.mark.parametrize("points", list(LANDMARK_SETS))
def test_draw_landmark_map_follows_style(points):
    landmarks = np.random.default_rng(1).uniform(0, SIZE, (68, 2)).astype(np.float32)
    chosen = pick_points(landmarks, LANDMARK_SETS[points])
    hard = landmark_map.draw_landmark_map(landmarks, landmark_map.MapStyle(points, "hard"))
    np.testing.assert_array_equal(hard, hard_landmark_map(chosen))
    style = landmark_map.MapStyle(points, "gaussian", 2.5)
    smooth = landmark_map.draw_landmark_map(landmarks, style)
    np.testing.assert_array_equal(smooth, landmark_map.gaussian_landmark_map(chosen, sigma=2.5))


def test_unknown_style_raises_and_lists_known_ones():
    with pytest.raises(ConfigError, match=r"'eyes': use one of .*official"):
        landmark_map.MapStyle("eyes")
    with pytest.raises(ConfigError, match=r"'soft': use one of .*gaussian"):
        landmark_map.MapStyle("all", "soft")


def test_gaussian_map_equals_golden_file(golden):
    expected = golden("landmark_map")
    drawn = gaussian_landmark_map(expected["points"] / 4, size=SIZE // 4)
    np.testing.assert_allclose(drawn, expected["gaussian_quarter_size"], atol=1e-5)


def test_gaussian_bump_by_hand():
    drawn = gaussian_landmark_map(np.array([[2.5, 4.5]], np.float32), size=8)
    assert drawn[4, 2] == 1  # at the centre of the pixel
    np.testing.assert_allclose(drawn[4, 5], 2 * np.exp(-(3**2) / (2 * 1.5**2)) - 1, rtol=1e-5)
    np.testing.assert_allclose(drawn[3, 1], 2 * np.exp(-2 / (2 * 1.5**2)) - 1, rtol=1e-5)


@given(x=st.floats(0, 31.875, width=32), y=st.floats(0, 31.875, width=32))
@example(x=0.0, y=0.0)
def test_gaussian_peak_is_in_pixel_of_point(x, y):
    drawn = np.asarray(gaussian_landmark_map(np.array([[x, y]], np.float32), size=32))
    assert drawn[int(y), int(x)] == drawn.max()
    assert drawn.min() >= -1
    assert drawn.max() <= 1


@given(
    points=hnp.arrays(np.float32, (5, 2), elements=st.floats(-50, 50, width=32) | st.just(np.nan))
)
def test_gaussian_gradient_is_finite_and_zero_for_missing_points(points):
    gradient = np.asarray(gaussian_gradient(points))
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient[np.isnan(points).any(axis=-1)], 0)


@jax.jit
@jax.grad
def gaussian_gradient(points):
    return (landmark_map.gaussian_landmark_map(points, size=16) ** 2).sum()


def test_gaussian_gradient_points_toward_brightened_pixel():
    def brightness(points):
        return landmark_map.gaussian_landmark_map(points, size=16)[5, 9]

    gradient = jax.jit(jax.grad(brightness))(np.array([[7.0, 7.0]], np.float32))[0]
    assert gradient[0] > 0 > gradient[1]
