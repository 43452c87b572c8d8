"""Marks where they belong, on a face whose points lie on a circle."""

import numpy as np
import pytest

from tests.helpers.small_pictures import circle_of_landmarks, photo
from twodasl_jax.rendering import layers, marks

UNHIDDEN = np.ones(68, bool)


@pytest.fixture
def landmarks():
    return circle_of_landmarks()


def turn(yaw):
    """Rotation that turns the nose by an angle in degrees toward the right of the picture."""
    cosine, sine = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    return np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]], np.float32)


def test_every_landmark_is_marked_at_its_place(landmarks):
    columns, rows = np.floor(landmarks[:, :2].T).astype(int)
    landmarks[:, :2] = np.stack([columns, rows], axis=-1) + 0.5
    image = layers.composite(photo(), [marks.landmark_layer(landmarks, UNHIDDEN, 200, 220)])
    assert (image[rows, columns] > 230).all()
    np.testing.assert_array_equal(image[:20], 90)
    np.testing.assert_array_equal(image[:, :30], 90)


def test_marks_grow_with_the_face(landmarks):
    def marked(scale):
        layer = marks.landmark_layer(landmarks * np.float32(scale), UNHIDDEN, 2000, 2200)
        return (layer.rgba[..., 3] > 128).sum()

    assert marked(10) > 40 * marked(1)


def test_landmarks_outside_the_photo_are_left_out(landmarks):
    corner = marks.landmark_layer(landmarks, UNHIDDEN, 90, 100)
    assert corner.row + corner.rgba.shape[0] <= 90
    assert corner.column + corner.rgba.shape[1] <= 100
    away = marks.landmark_layer(landmarks + np.float32(1e4), UNHIDDEN, 200, 220)
    assert away.rgba.shape == (0, 0, 4)


def centre_of(image, channel):
    """Mean position (x, y) of the pixels where one channel stands out."""
    others = np.delete(image.astype(int), channel, axis=2).max(axis=2)
    rows, columns = np.nonzero(image[..., channel] > others + 40)
    return columns.mean(), rows.mean()


def test_a_frontal_face_has_its_left_on_the_right_and_up_is_up(landmarks):
    layer = marks.pose_layer(landmarks, np.eye(3, dtype=np.float32), 200, 220)
    image = layers.composite(photo(), [layer])
    red, green, blue = (centre_of(image, channel) for channel in range(3))
    assert red[0] > 115
    assert red[1] == pytest.approx(90, abs=1)
    assert green[0] == pytest.approx(100, abs=1)
    assert green[1] < 75
    assert blue == pytest.approx((100, 90), abs=1)


@pytest.mark.parametrize("yaw", [-50, 50])
def test_the_blue_arrow_points_where_the_nose_points(landmarks, yaw):
    image = layers.composite(photo(), [marks.pose_layer(landmarks, turn(yaw), 200, 220)])
    x, y = centre_of(image, 2)
    assert np.sign(x - 100) == np.sign(yaw)
    assert abs(x - 100) > 10
    assert y == pytest.approx(90, abs=1)


def test_a_photo_of_one_pixel(landmarks):
    drawn = [
        marks.pose_layer(landmarks, turn(0), 1, 1),
        marks.landmark_layer(landmarks, UNHIDDEN, 1, 1),
    ]
    assert layers.composite(photo(1, 1), drawn).shape == (1, 1, 3)


def test_hidden_points_are_hollow_and_seen_ones_are_filled(landmarks):
    columns, rows = np.floor(landmarks[:, :2].T).astype(int)
    landmarks[:, :2] = np.stack([columns, rows], axis=-1) + 0.5
    unhidden = np.arange(68) % 2 == 0
    layer = marks.landmark_layer(landmarks * np.float32(4), unhidden, 800, 880)
    at_points = layers.composite(photo(800, 880), [layer])[rows * 4 + 2, columns * 4 + 2]
    assert (at_points[unhidden] > 230).all()
    np.testing.assert_array_equal(at_points[~unhidden], 90)
    ring = (landmarks[:, :2] * 4 + [0.0, 1.05 * 5.04]).astype(int)[~unhidden] - [
        layer.column,
        layer.row,
    ]
    assert (layer.rgba[ring[:, 1], ring[:, 0], 3] == 255).all()


def test_strokes_to_hidden_points_are_faint(landmarks):
    def opacity_between(unhidden):
        layer = marks.landmark_layer(landmarks * np.float32(4), unhidden, 800, 880)
        x, y = np.floor(landmarks[3:5, :2].mean(axis=0) * 4).astype(int)
        return int(layer.rgba[y - layer.row, x - layer.column, 3])

    hidden = UNHIDDEN.copy()
    hidden[3] = False
    assert 0 < opacity_between(hidden) < 0.6 * opacity_between(UNHIDDEN)


# Before the left half of the face and of its box, or behind it.
SCREEN = np.array([[-50, -50, 0], [100, -50, 0], [100, 250, 0], [-50, 250, 0]], np.float32)
SCREEN_TRIANGLES = np.array([[0, 3, 2], [0, 2, 1]], np.int32)


def box_opacity(landmarks, z, rotation):
    """Opacity of the box in a picture of four times the size."""
    screen = (SCREEN + np.float32([0, 0, z])) * np.float32(4)
    layer = marks.box_layer(
        screen, SCREEN_TRIANGLES, landmarks * np.float32(4), rotation, 1200, 1200
    )
    return layers.composite(np.zeros((1200, 1200, 3), np.uint8), [layer])[..., 0]


def test_the_box_is_faint_behind_the_head(landmarks):
    behind, before = (box_opacity(landmarks, z, turn(0)) for z in (-1e3, 1e3))
    np.testing.assert_array_equal(behind[:, 410:], before[:, 410:])
    assert behind[:, :390].max() == 255
    assert before[:, :390].max() == 80


def test_a_frontal_box_is_two_squares_one_in_the_other(landmarks):
    (columns,) = np.nonzero(box_opacity(landmarks, -1e3, turn(0))[360] > 180)
    # The face is 120 pixels wide, its middle at x = 100: half sides of 63 behind and 81 ahead.
    edges = [group.mean() for group in np.split(columns, np.nonzero(np.diff(columns) > 1)[0] + 1)]
    np.testing.assert_allclose((np.array(edges) + 0.5) / 4, [19, 37, 163, 181], atol=0.3)


@pytest.mark.parametrize("yaw", [-40, 40])
def test_the_box_reaches_where_the_nose_points(landmarks, yaw):
    (columns,) = np.nonzero(box_opacity(landmarks, -1e3, turn(yaw)).max(axis=0))
    assert np.sign((columns.min() + columns.max()) / 8 - 100) == np.sign(yaw)
