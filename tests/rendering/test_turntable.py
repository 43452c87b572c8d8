"""Turntable animation of a two-coloured square."""

import numpy as np
import pytest

from twodasl_jax.rendering.atlas import Atlas
from twodasl_jax.rendering.turntable import turntable_frames

# A square that faces the camera: its right half in the picture is red, its left half is blue.
POINTS = np.array([[-1, -1, 0], [1, -1, 0], [1, 1, 0], [-1, 1, 0]], np.float32)
TRIANGLES = np.array([[0, 1, 2], [0, 2, 3]], np.int32)
ATLAS = Atlas((POINTS[:, :2] + 1) / 2, np.arange(4), TRIANGLES)
TEXTURE = np.zeros((8, 8, 3), np.uint8)
TEXTURE[:, 4:, 0] = TEXTURE[:, :4, 2] = 255


@pytest.fixture(scope="module")
def frames():
    turning = turntable_frames(POINTS, TRIANGLES, ATLAS, TEXTURE, size=60, count=8)
    return [frame.astype(int) for frame in turning]


def painted(frame):
    return np.abs(frame - frame[0, 0]).max(axis=-1) > 60


def test_first_picture_is_frontal(frames):
    assert len(frames) == 8
    assert frames[0].shape == (60, 60, 3)
    columns = np.flatnonzero(painted(frames[0])[30])
    # The margin is 0.06 of the picture on each side.
    np.testing.assert_allclose([columns[0], columns[-1] + 1], [3.6, 56.4], atol=1)
    np.testing.assert_array_equal(frames[0][30, 15], [0, 0, 255])
    np.testing.assert_array_equal(frames[0][30, 45], [255, 0, 0])


def test_head_turns_sixty_degrees_to_both_sides(frames):
    widths = [painted(frame)[30].sum() for frame in frames]
    for quarter in (2, 6):
        np.testing.assert_allclose(widths[quarter], widths[0] / 2, atol=2)
    np.testing.assert_allclose(
        widths[1], widths[0] * np.cos(np.radians(60 * np.sin(np.pi / 4))), atol=2
    )


def test_head_returns_through_same_yaws(frames):
    np.testing.assert_allclose(frames[1], frames[3], atol=1)
    np.testing.assert_allclose(frames[5], frames[7], atol=1)


def test_head_turns_to_left_of_picture_first():
    """Positive yaw turns the nose to the left of the picture."""
    nose = np.concatenate([POINTS * 0.2 + [0, 0, 1], POINTS]).astype(np.float32)
    atlas = Atlas(
        np.tile(ATLAS.uv, (2, 1)), np.arange(8), np.concatenate([TRIANGLES, TRIANGLES + 4])
    )
    texture = np.full((8, 8, 3), 90, np.uint8)
    _, turned, *_ = turntable_frames(nose, atlas.triangles, atlas, texture, size=60, count=4)
    columns = np.flatnonzero(painted(turned.astype(int))[30])
    # Background separates the nose from the plate behind it.
    gap = np.diff(columns).argmax()
    assert columns[gap] < 28 < columns[gap + 1] + 1
    assert gap < 8


def test_oblique_surface_is_darker(frames):
    front, turned = (np.median(frames[k][painted(frames[k])].max(axis=-1)) for k in (0, 2))
    assert front == 255
    assert turned == pytest.approx(255 * (1 - 0.35 * 0.5), abs=2)
