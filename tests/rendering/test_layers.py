"""Layers over a photo, composited by hand."""

import numpy as np

from tests.helpers.small_pictures import photo
from twodasl_jax.rendering import layers


def test_layers_blend_by_opacity():
    image = photo(4, 5, value=100)
    rgba = np.zeros((1, 3, 4), np.uint8)
    rgba[0, :, 0] = 200
    rgba[0, :, 3] = (0, 51, 255)
    result = layers.composite(image, [layers.Layer(2, 1, rgba)])
    assert result[2].tolist() == [
        [100, 100, 100],
        [100, 100, 100],
        [120, 80, 80],
        [200, 0, 0],
        [100, 100, 100],
    ]
    np.testing.assert_array_equal(np.delete(result, 2, axis=0), 100)
    np.testing.assert_array_equal(image, 100)


def test_last_layer_is_on_top():
    patches = [np.full((2, 2, 4), (value, value, value, 255), np.uint8) for value in (10, 250)]
    pair = [layers.Layer(0, 0, patches[0]), layers.Layer(1, 1, patches[1])]
    result = layers.composite(photo(4, 4), pair)
    assert result[:3, :3, 0].tolist() == [[10, 10, 90], [10, 250, 250], [90, 250, 250]]


def test_canvas_covers_its_window_and_transparent_disc_cuts_hole():
    canvas = layers.Canvas(layers.Window(row=20, column=10, height=30, width=40), detail=4)
    canvas.disc(np.array([30.0, 35.0]), 10, (200, 0, 0, 255))
    canvas.disc(np.array([30.0, 35.0]), 5, (255, 255, 255, 0))
    picture = layers.composite(photo(60, 60), [canvas.layer()])
    x, y = np.meshgrid(np.arange(60) + 0.5, np.arange(60) + 0.5)
    distance = np.hypot(x - 30, y - 35)
    ring = (distance > 6) & (distance < 9)
    np.testing.assert_array_equal(picture[ring], [[200, 0, 0]] * ring.sum())
    np.testing.assert_array_equal(picture[(distance < 4) | (distance > 11)], 90)


def test_window_contains_finite_points_within_picture():
    points = np.array([[3.5, 7.2], [20.1, 9.9], [np.nan, 0]])
    assert layers.window_around(points, 1.0, height=10, width=50) == (6, 2, 4, 20)
    assert layers.window_around(points[2:], 1.0, height=10, width=50) == (0, 0, 0, 0)
