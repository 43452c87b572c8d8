"""A grey photo and a square mesh, whose pictures can be worked out by hand."""

import numpy as np

# A square that faces the camera, from (10, 5) to (20.5, 15).
SQUARE = np.array([[10, 5, 0], [20.5, 5, 0], [20.5, 15, 0], [10, 15, 0]], np.float32)
SQUARE_TRIANGLES = np.array([[0, 3, 2], [0, 2, 1]], np.int32)
SHOWN = np.ones(4, np.float32)


def photo(height=200, width=220, value=90):
    return np.full((height, width, 3), value, np.uint8)


def circle_of_landmarks():
    """68 points on a circle of radius 60 around the tip of the nose at (100, 90)."""
    angle = np.arange(68) * 2 * np.pi / 68
    points = np.stack([100 + 60 * np.sin(angle), 90 + 60 * np.cos(angle), 0 * angle], axis=-1)
    points[30] = (100, 90, 40)
    return points.astype(np.float32)
