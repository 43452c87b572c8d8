"""Wireframes of squares worked by hand."""

import numpy as np

from tests.helpers.small_pictures import OPAQUE_VERTICES, photo
from twodasl_jax.rendering import layers, wireframe

# The diagonal runs from the lower left to the upper right.
SQUARE = np.array([[20, 20, 0], [100, 20, 0], [100, 100, 0], [20, 100, 0]], np.float32)
TRIANGLES = np.array([[0, 1, 3], [1, 2, 3]], np.int32)
VEIL, LINE = [66, 70, 80], [236, 241, 247]  # over a grey of 90


def drawn(vertices, triangles, opacity):
    layer = wireframe.wireframe_layer(vertices, triangles, opacity, 130, 130)
    return layers.composite(photo(130, 130), [layer])


def test_lines_follow_edges_over_dark_veil():
    picture = drawn(SQUARE, TRIANGLES, OPAQUE_VERTICES)
    np.testing.assert_array_equal(picture[:19], 90)
    np.testing.assert_array_equal(picture[:, 101:], 90)
    diagonal = np.arange(25, 95)
    np.testing.assert_allclose(picture[119 - diagonal, diagonal], [LINE] * 70, atol=2)
    np.testing.assert_allclose(picture[20, 30:90], [LINE] * 60, atol=2)
    inside = picture[50, np.r_[26:65, 74:95]]
    np.testing.assert_allclose(inside, np.broadcast_to(VEIL, inside.shape), atol=1)


def test_line_width_follows_triangle_height():
    picture = drawn(SQUARE, TRIANGLES, OPAQUE_VERTICES)[50, :, 0].astype(float)
    # The triangles are 80 / sqrt(2) high. The row crosses the line at 45 degrees.
    covered = ((picture[60:80] - VEIL[0]) / (LINE[0] - VEIL[0])).sum()
    expected = 0.33 * np.sqrt(80 / np.sqrt(2)) * np.sqrt(2)
    np.testing.assert_allclose(covered, expected, rtol=0.06)


def test_hidden_edges_are_not_drawn():
    behind = SQUARE * np.float32([0.5, 0.5, 1]) + np.float32([30, 30, -10])
    both = np.concatenate([SQUARE, behind])
    joined = np.concatenate([TRIANGLES, TRIANGLES + 4])
    np.testing.assert_array_equal(
        drawn(both, joined, np.ones(8, np.float32)), drawn(SQUARE, TRIANGLES, OPAQUE_VERTICES)
    )


def test_lines_fade_with_opacity():
    fading = np.array([1, 0, 0, 1], np.float32)
    top = drawn(SQUARE, TRIANGLES, fading)[20, 22:98].astype(int)
    assert (np.diff(top[:, 0]) <= 0).all()
    assert top[0, 0] > 225
    assert abs(top[-1] - 90).max() < 8


def test_lines_do_not_merge_on_small_faces():
    side = 40
    x, y = np.meshgrid(np.linspace(20, 100, side), np.linspace(20, 100, side))
    index = np.arange(side * side).reshape(side, side)
    a, b, c, d = (
        corner.ravel()
        for corner in (index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1])
    )
    triangles = np.concatenate([np.stack([a, b, d], -1), np.stack([b, c, d], -1)]).astype(np.int32)
    vertices = np.stack([x.ravel(), y.ravel(), 0 * x.ravel()], -1).astype(np.float32)
    # The triangles are two pixels wide. The mean colour stays closer to the veil than to the lines.
    mean = drawn(vertices, triangles, np.ones(side**2, np.float32))[25:95, 25:95].mean(axis=(0, 1))
    assert (mean < np.add(VEIL, LINE) / 2).all()
    assert (mean > np.add(VEIL, 15)).all()
