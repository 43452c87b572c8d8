"""A grey photo, a square mesh and circular landmarks for pictures worked by hand."""

import numpy as np

# A square from (10, 5) to (20.5, 15) that faces the camera.
SQUARE = np.array([[10, 5, 0], [20.5, 5, 0], [20.5, 15, 0], [10, 15, 0]], np.float32)
SQUARE_TRIANGLES = np.array([[0, 3, 2], [0, 2, 1]], np.int32)
OPAQUE_VERTICES = np.ones(4, np.float32)


def photo(height=200, width=220, value=90):
    """Returns a photo of one grey value."""
    return np.full((height, width, 3), value, np.uint8)


def circle_of_landmarks():
    """Returns 68 landmarks: 67 on a circle of radius 60, and the tip of the nose at (100, 90)."""
    angle = np.arange(68) * 2 * np.pi / 68
    points = np.stack([100 + 60 * np.sin(angle), 90 + 60 * np.cos(angle), 0 * angle], axis=-1)
    points[30] = (100, 90, 40)
    return points.astype(np.float32)
