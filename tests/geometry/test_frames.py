"""Tests of the conversions between crop and image frame, and of the crop box."""

import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import jax
import numpy as np
import pytest
from hypothesis import given

from twodasl_jax.geometry import frames
from twodasl_jax.geometry.projection import picture_from_model_affine

COORDINATES = st.floats(-1e3, 1e3)
BOXES = st.tuples(COORDINATES, COORDINATES, st.floats(1, 1e3), st.floats(1, 1e3)).map(
    lambda box: np.array([box[0], box[1], box[0] + box[2], box[1] + box[3]])
)


def test_box_of_double_height_by_hand():
    box = np.array([10, 20, 130, 260], np.float32)
    points = np.array([[0, 0, 0], [60, 60, 4], [120, 120, -1]], np.float32)
    expected = [[10, 20, 0], [70, 140, 4 * 2**0.5], [130, 260, -(2**0.5)]]
    np.testing.assert_allclose(frames.image_from_crop(points, box), expected, rtol=1e-6)


def test_box_of_crop_size_only_shifts_points():
    box = np.array([7, -3, 127, 117], np.float32)
    points = np.array([[0.5, 0.5], [119.5, 33.25]], np.float32)
    np.testing.assert_array_equal(frames.image_from_crop(points, box), points + [7, -3])


@given(
    box=BOXES,
    affine=hnp.arrays(float, (3, 4), elements=st.floats(-1e2, 1e2)),
    points=hnp.arrays(float, (5, 3), elements=COORDINATES),
)
@jax.enable_x64(True)
def test_converted_projection_equals_converted_points(box, affine, points):
    expected = frames.image_from_crop(picture_from_model_affine(affine, points), box)
    projection = frames.image_affine_from_crop(affine, box)
    np.testing.assert_allclose(
        picture_from_model_affine(projection, points), expected, rtol=1e-9, atol=1e-6
    )
    back = frames.crop_affine_from_image(projection, box)
    np.testing.assert_allclose(back, affine, rtol=1e-9, atol=1e-6)


def test_other_crop_size():
    box = np.array([0, 0, 100, 100], np.float32)
    cropped = frames.crop_from_image(np.array([[50, 25]], np.float32), box, crop_size=40)
    np.testing.assert_allclose(cropped, [[20, 10]])


@given(
    box=BOXES,
    points=hnp.arrays(float, st.tuples(st.just(4), st.integers(2, 3)), elements=COORDINATES),
)
@jax.enable_x64(True)
def test_points_round_trip(box, points):
    there = frames.image_from_crop(points, box)
    np.testing.assert_allclose(frames.crop_from_image(there, box), points, atol=1e-6)
    back = frames.image_from_crop(frames.crop_from_image(points, box), box)
    np.testing.assert_allclose(back, points, atol=1e-6)


@given(box=BOXES)
@jax.enable_x64(True)
def test_corners_of_crop_are_corners_of_box(box):
    corners = frames.image_from_crop(np.array([[0.0, 0.0], [120.0, 120.0]]), box)
    np.testing.assert_allclose(np.ravel(corners), box, atol=1e-9)


@pytest.mark.parametrize("coordinates", [1, 4])
def test_points_of_other_dimension_raise(coordinates):
    points, box = np.zeros((5, coordinates), np.float32), np.zeros(4, np.float32)
    with pytest.raises(ValueError, match=f"{coordinates} coordinates: pass x, y or x, y, z"):
        frames.image_from_crop(points, box)


def test_box_of_two_landmarks_by_hand():
    landmarks = np.array([[0, 0], [10, 4]], np.float32)
    half = 5 * 2**0.5
    expected = [5 - half, 2 - half, 5 + half, 2 + half]
    np.testing.assert_allclose(frames.box_from_landmarks(landmarks), expected, rtol=1e-6)


@given(points=hnp.arrays(float, (6, 2), elements=COORDINATES), missing=st.sets(st.integers(0, 4)))
@jax.enable_x64(True)
def test_box_is_square_around_present_landmarks(points, missing):
    with_gaps = points.copy()
    with_gaps[list(missing), 0] = np.nan
    with_gaps[list(missing)[::2], 1] = np.nan
    x0, y0, x1, y1 = frames.box_from_landmarks(with_gaps)
    present = np.delete(points, list(missing), axis=0)
    extent = np.ptp(present, axis=0).max()
    np.testing.assert_allclose([x1 - x0, y1 - y0], 2**0.5 * extent, atol=1e-9)
    centre = (present.min(axis=0) + present.max(axis=0)) / 2
    np.testing.assert_allclose([(x0 + x1) / 2, (y0 + y1) / 2], centre, atol=1e-9)


def test_gradient_of_box_is_finite_with_missing_landmark():
    landmarks = np.array([[0, 0], [np.nan, np.nan], [10, 4]], np.float32)
    jacobian = jax.jit(jax.jacrev(frames.box_from_landmarks))(landmarks)
    assert np.isfinite(jacobian).all()
    np.testing.assert_array_equal(jacobian[:, 1], 0)


def test_box_without_landmarks_is_nan():
    assert np.isnan(frames.box_from_landmarks(np.full((68, 2), np.nan, np.float32))).all()
