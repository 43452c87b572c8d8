"""Marks of a face with landmarks on a circle."""

import numpy as np
import pytest

from tests.helpers.small_pictures import circle_of_landmarks, photo
from twodasl_jax.rendering import layers, marks

ALL_VISIBLE = np.ones(68, bool)


@pytest.fixture
def landmarks():
    return circle_of_landmarks()


def rotation_by(yaw):
    """Returns a rotation that turns the nose by degrees toward the right of the picture."""
    cosine, sine = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    return np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]], np.float32)


def test_landmarks_are_drawn_at_their_positions(landmarks):
    columns, rows = np.floor(landmarks[:, :2].T).astype(int)
    landmarks[:, :2] = np.stack([columns, rows], axis=-1) + 0.5
    image = layers.composite(photo(), [marks.landmark_layer(landmarks, ALL_VISIBLE, 200, 220)])
    assert (image[rows, columns] > 230).all()
    np.testing.assert_array_equal(image[:20], 90)
    np.testing.assert_array_equal(image[:, :30], 90)


def test_marks_scale_with_face(landmarks):
    def marked(scale):
        layer = marks.landmark_layer(landmarks * np.float32(scale), ALL_VISIBLE, 2000, 2200)
        return (layer.rgba[..., 3] > 128).sum()

    assert marked(10) > 40 * marked(1)


def test_landmark_layer_is_clipped_to_photo(landmarks):
    corner = marks.landmark_layer(landmarks, ALL_VISIBLE, 90, 100)
    assert corner.row + corner.rgba.shape[0] <= 90
    assert corner.column + corner.rgba.shape[1] <= 100
    away = marks.landmark_layer(landmarks + np.float32(1e4), ALL_VISIBLE, 200, 220)
    assert away.rgba.shape == (0, 0, 4)


def centre_of(image, channel):
    """Returns the mean position (x, y) of pixels with one dominant channel."""
    others = np.delete(image.astype(int), channel, axis=2).max(axis=2)
    rows, columns = np.nonzero(image[..., channel] > others + 40)
    return columns.mean(), rows.mean()


def test_pose_axes_of_frontal_face(landmarks):
    layer = marks.pose_layer(landmarks, np.eye(3, dtype=np.float32), 200, 220)
    image = layers.composite(photo(), [layer])
    red, green, blue = (centre_of(image, channel) for channel in range(3))
    assert red[0] > 115
    assert red[1] == pytest.approx(90, abs=1)
    assert green[0] == pytest.approx(100, abs=1)
    assert green[1] < 75
    assert blue == pytest.approx((100, 90), abs=1)


@pytest.mark.parametrize("yaw", [-50, 50])
def test_z_axis_points_where_nose_points(landmarks, yaw):
    image = layers.composite(photo(), [marks.pose_layer(landmarks, rotation_by(yaw), 200, 220)])
    x, y = centre_of(image, 2)
    assert np.sign(x - 100) == np.sign(yaw)
    assert abs(x - 100) > 10
    assert y == pytest.approx(90, abs=1)


def test_marks_are_drawn_on_photo_of_one_pixel(landmarks):
    drawn = [
        marks.pose_layer(landmarks, rotation_by(0), 1, 1),
        marks.landmark_layer(landmarks, ALL_VISIBLE, 1, 1),
    ]
    assert layers.composite(photo(1, 1), drawn).shape == (1, 1, 3)


def test_hidden_landmarks_are_rings_and_visible_landmarks_are_discs(landmarks):
    columns, rows = np.floor(landmarks[:, :2].T).astype(int)
    landmarks[:, :2] = np.stack([columns, rows], axis=-1) + 0.5
    visible = np.arange(68) % 2 == 0
    layer = marks.landmark_layer(landmarks * np.float32(4), visible, 800, 880)
    at_points = layers.composite(photo(800, 880), [layer])[rows * 4 + 2, columns * 4 + 2]
    assert (at_points[visible] > 230).all()
    np.testing.assert_array_equal(at_points[~visible], 90)
    ring = (landmarks[:, :2] * 4 + [0.0, 1.05 * 5.04]).astype(int)[~visible] - [
        layer.column,
        layer.row,
    ]
    assert (layer.rgba[ring[:, 1], ring[:, 0], 3] == 255).all()


def test_strokes_to_hidden_landmarks_are_faint(landmarks):
    def opacity_between(visible):
        layer = marks.landmark_layer(landmarks * np.float32(4), visible, 800, 880)
        x, y = np.floor(landmarks[3:5, :2].mean(axis=0) * 4).astype(int)
        return int(layer.rgba[y - layer.row, x - layer.column, 3])

    hidden = ALL_VISIBLE.copy()
    hidden[3] = False
    assert 0 < opacity_between(hidden) < 0.6 * opacity_between(ALL_VISIBLE)


# A screen in front of or behind the left half of the face and its box.
SCREEN = np.array([[-50, -50, 0], [100, -50, 0], [100, 250, 0], [-50, 250, 0]], np.float32)
SCREEN_TRIANGLES = np.array([[0, 3, 2], [0, 2, 1]], np.int32)


def box_opacity(landmarks, z, rotation):
    """Returns the opacity of the box in a picture enlarged four times."""
    screen = (SCREEN + np.float32([0, 0, z])) * np.float32(4)
    layer = marks.box_layer(
        screen, SCREEN_TRIANGLES, landmarks * np.float32(4), rotation, 1200, 1200
    )
    return layers.composite(np.zeros((1200, 1200, 3), np.uint8), [layer])[..., 0]


def test_box_is_faint_behind_head(landmarks):
    behind, in_front = (box_opacity(landmarks, z, rotation_by(0)) for z in (-1e3, 1e3))
    np.testing.assert_array_equal(behind[:, 410:], in_front[:, 410:])
    assert behind[:, :390].max() == 255
    assert in_front[:, :390].max() == 80


def test_frontal_box_is_two_nested_squares(landmarks):
    (columns,) = np.nonzero(box_opacity(landmarks, -1e3, rotation_by(0))[360] > 180)
    # The face is 120 pixels wide, centred at x = 100: the half sides are 63 behind and 81 in front.
    edges = [group.mean() for group in np.split(columns, np.nonzero(np.diff(columns) > 1)[0] + 1)]
    np.testing.assert_allclose((np.array(edges) + 0.5) / 4, [19, 37, 163, 181], atol=0.3)


@pytest.mark.parametrize("yaw", [-40, 40])
def test_box_extends_where_nose_points(landmarks, yaw):
    (columns,) = np.nonzero(box_opacity(landmarks, -1e3, rotation_by(yaw)).max(axis=0))
    assert np.sign((columns.min() + columns.max()) / 8 - 100) == np.sign(yaw)
