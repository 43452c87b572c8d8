"""The overlay: patches worked by hand, and marks where they belong."""

import numpy as np
import pytest

from twodasl_jax.rendering import overlay

OPAQUE = round(255 * 0.76)
# A square that faces the camera, from (10, 5) to (20.5, 15).
SQUARE = np.array([[10, 5, 0], [20.5, 5, 0], [20.5, 15, 0], [10, 15, 0]], np.float32)
SQUARE_TRIANGLES = np.array([[0, 3, 2], [0, 2, 1]], np.int32)
SHOWN = np.ones(4, np.float32)


@pytest.fixture
def landmarks():
    """68 points on a circle of radius 60 around the tip of the nose at (100, 90)."""
    angle = np.arange(68) * 2 * np.pi / 68
    points = np.stack([100 + 60 * np.sin(angle), 90 + 60 * np.cos(angle), 0 * angle], axis=-1)
    points[30] = (100, 90, 40)
    return points.astype(np.float32)


def photo(height=200, width=220, value=90):
    return np.full((height, width, 3), value, np.uint8)


def turn(yaw):
    """Rotation that turns the nose by an angle in degrees toward the right of the picture."""
    cosine, sine = np.cos(np.radians(yaw)), np.sin(np.radians(yaw))
    return np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]], np.float32)


def test_patches_are_mixed_by_their_opacity():
    image = photo(4, 5, value=100)
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 0] = 200
    rgba[0, :, 3] = (0, 51, 255)
    result = overlay.composite(image, [overlay.Layer(2, 1, rgba)])
    assert result[2].tolist() == [
        [100, 100, 100],
        [100, 100, 100],
        [120, 80, 80],
        [200, 0, 0],
        [100, 100, 100],
    ]
    np.testing.assert_array_equal(np.delete(result, 2, axis=0), 100)
    np.testing.assert_array_equal(image, 100)


def test_the_last_patch_is_on_top():
    patches = [np.full((2, 2, 4), (value, value, value, 255), np.uint8) for value in (10, 250)]
    layers = [overlay.Layer(0, 0, patches[0]), overlay.Layer(1, 1, patches[1])]
    result = overlay.composite(photo(4, 4), layers)
    assert result[:3, :3, 0].tolist() == [[10, 10, 90], [10, 250, 250], [90, 250, 250]]


def test_a_mesh_covers_its_pixels_with_smooth_edges():
    row, column, rgba = overlay.mesh_layer(SQUARE, SQUARE_TRIANGLES, SHOWN, 30, 40)
    assert (row, column) == (5, 10)
    assert rgba.shape == (10, 11, 4)
    np.testing.assert_array_equal(rgba[:, :10, 3], OPAQUE)
    # Half of the last column is covered.
    np.testing.assert_allclose(rgba[:, 10, 3], OPAQUE / 2, atol=1)
    assert len(np.unique(rgba[..., :3].reshape(-1, 3), axis=0)) == 1


def test_a_mesh_fades_between_its_vertices():
    fading = np.array([1, 0, 0, 1], np.float32)
    _, _, rgba = overlay.mesh_layer(SQUARE, SQUARE_TRIANGLES, fading, 30, 40)
    # The pixel centres lie 0.5, 1.5, ... of 10.5 pixels behind the opaque edge.
    expected = OPAQUE * (1 - (np.arange(10) + 0.5) / 10.5)
    np.testing.assert_allclose(rgba[5, :10, 3], expected, atol=2)


def test_the_face_is_opaque_and_what_is_far_from_it_is_not(landmarks):
    far = np.array([[100, 90, -500]], np.float32)
    opacity = overlay.opacity_around(np.concatenate([landmarks, far]), landmarks)
    np.testing.assert_array_equal(opacity, [1] * 68 + [0])


def test_strips_do_not_show(monkeypatch):
    whole = overlay.mesh_layer(SQUARE, SQUARE_TRIANGLES, SHOWN, 30, 40)
    monkeypatch.setattr(overlay, "_STRIP_SAMPLES", 100)
    cut = overlay.mesh_layer(SQUARE, SQUARE_TRIANGLES, SHOWN, 30, 40)
    np.testing.assert_array_equal(whole.rgba, cut.rgba)


def test_light_comes_from_the_upper_left():
    def brightness(normal):
        return float(overlay._lambert(np.array([[normal]], np.float32))[0, 0])

    assert brightness([0, 0, 1]) == pytest.approx(0.24 + 0.76 * 0.755 + 0.20 * 0.6, rel=1e-5)
    assert brightness([0, 0, 3]) == pytest.approx(brightness([0, 0, 1]), rel=1e-5)
    assert brightness([-0.4, -0.5, 0.76]) > brightness([0, 0, 1]) > brightness([0.4, 0.5, 0.76])
    assert brightness([0, 0, -1]) == pytest.approx(0.24)
    assert brightness([0, 0, 0]) == pytest.approx(0.24)


def test_a_mesh_that_leaves_the_photo_is_cut_off():
    row, column, rgba = overlay.mesh_layer(SQUARE - [15, 0, 0], SQUARE_TRIANGLES, SHOWN, 9, 40)
    assert (row, column) == (5, 0)
    assert rgba.shape == (4, 6, 4)
    np.testing.assert_array_equal(rgba[:, :5, 3], OPAQUE)


@pytest.mark.parametrize("shift", [(500, 0, 0), (-500, 0, 0), (0, -1e6, 0), (np.nan, 0, 0)])
def test_a_mesh_outside_the_photo_changes_nothing(shift):
    vertices = (SQUARE + shift).astype(np.float32)
    image = photo(30, 40)
    result = overlay.composite(
        image, [overlay.mesh_layer(vertices, SQUARE_TRIANGLES, SHOWN, 30, 40)]
    )
    np.testing.assert_array_equal(result, image)


def test_a_vertex_that_is_not_finite_takes_only_its_triangles_with_it():
    vertices = SQUARE.copy()
    vertices[1] = np.nan
    _, _, rgba = overlay.mesh_layer(vertices, SQUARE_TRIANGLES, SHOWN, 30, 40)
    share = (rgba[..., 3] == OPAQUE).mean()
    assert 0.4 < share < 0.6


def test_every_landmark_is_marked_at_its_place(landmarks):
    columns, rows = np.floor(landmarks[:, :2].T).astype(int)
    landmarks[:, :2] = np.stack([columns, rows], axis=-1) + 0.5
    image = overlay.composite(photo(), [overlay.landmark_layer(landmarks, 200, 220)])
    assert (image[rows, columns] > 230).all()
    np.testing.assert_array_equal(image[:20], 90)
    np.testing.assert_array_equal(image[:, :30], 90)


def test_marks_grow_with_the_face(landmarks):
    def marked(scale):
        layer = overlay.landmark_layer(landmarks * np.float32(scale), 2000, 2200)
        return (layer.rgba[..., 3] > 128).sum()

    assert marked(10) > 40 * marked(1)


def test_landmarks_outside_the_photo_are_left_out(landmarks):
    corner = overlay.landmark_layer(landmarks, 90, 100)
    assert corner.row + corner.rgba.shape[0] <= 90
    assert corner.column + corner.rgba.shape[1] <= 100
    away = overlay.landmark_layer(landmarks + np.float32(1e4), 200, 220)
    assert away.rgba.shape == (0, 0, 4)


def centre_of(image, channel):
    """Mean position (x, y) of the pixels where one channel stands out."""
    others = np.delete(image.astype(int), channel, axis=2).max(axis=2)
    rows, columns = np.nonzero(image[..., channel] > others + 40)
    return columns.mean(), rows.mean()


def test_a_frontal_face_has_its_left_on_the_right_and_up_is_up(landmarks):
    layer = overlay.pose_layer(landmarks, np.eye(3, dtype=np.float32), 200, 220)
    image = overlay.composite(photo(), [layer])
    red, green, blue = (centre_of(image, channel) for channel in range(3))
    assert red[0] > 115
    assert red[1] == pytest.approx(90, abs=1)
    assert green[0] == pytest.approx(100, abs=1)
    assert green[1] < 75
    assert blue == pytest.approx((100, 90), abs=1)


@pytest.mark.parametrize("yaw", [-50, 50])
def test_the_blue_arrow_points_where_the_nose_points(landmarks, yaw):
    image = overlay.composite(photo(), [overlay.pose_layer(landmarks, turn(yaw), 200, 220)])
    x, y = centre_of(image, 2)
    assert np.sign(x - 100) == np.sign(yaw)
    assert abs(x - 100) > 10
    assert y == pytest.approx(90, abs=1)


def test_a_face_is_mesh_then_axes_then_points(landmarks):
    layers = overlay.face_layers(SQUARE, SQUARE_TRIANGLES, SHOWN, landmarks, turn(20), 200, 220)
    expected = (
        overlay.mesh_layer(SQUARE, SQUARE_TRIANGLES, SHOWN, 200, 220),
        overlay.pose_layer(landmarks, turn(20), 200, 220),
        overlay.landmark_layer(landmarks, 200, 220),
    )
    for layer, other in zip(layers, expected, strict=True):
        assert layer[:2] == other[:2]
        np.testing.assert_array_equal(layer.rgba, other.rgba)


def test_a_photo_of_one_pixel(landmarks):
    layers = overlay.face_layers(SQUARE, SQUARE_TRIANGLES, SHOWN, landmarks, turn(0), 1, 1)
    assert overlay.composite(photo(1, 1), layers).shape == (1, 1, 3)
