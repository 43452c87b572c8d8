"""Marks over a face: its 68 landmarks, the axes of its pose and a box around its head."""

import itertools

import numpy as np
from jaxtyping import Bool, Float, Int

from twodasl_jax.array_types import typed
from twodasl_jax.rendering.layers import Canvas, Colour, Layer, window_around
from twodasl_jax.rendering.visibility import visible_points

_NOSE_TIP = 30
# Landmarks along each stroke: jaw, brows, nose, eyes, lips.
_STROKES = (
    range(17),
    range(17, 22),
    range(22, 27),
    range(27, 31),
    range(31, 36),
    (*range(36, 42), 36),
    (*range(42, 48), 42),
    (*range(48, 60), 48),
    (*range(60, 68), 60),
)
_STROKE_ENDS = np.array([ends for stroke in _STROKES for ends in itertools.pairwise(stroke)])

_POINT_COLOUR: Colour = (255, 255, 255, 255)
_POINT_RIM_COLOUR: Colour = (22, 28, 40, 200)
_HOLE: Colour = (255, 255, 255, 0)
_STROKE_COLOUR: Colour = (255, 255, 255, 165)
_STROKE_RIM_COLOUR: Colour = (22, 28, 40, 90)
_HIDDEN_STROKE_COLOUR: Colour = (255, 255, 255, 70)
_AXIS_COLOURS: tuple[Colour, ...] = ((226, 74, 68, 255), (86, 176, 92, 255), (62, 122, 224, 255))
_BOX_COLOUR: Colour = (255, 214, 90, 255)
_HIDDEN_BOX_COLOUR: Colour = (255, 214, 90, 80)
_BOX_GLASS_COLOUR: Colour = (255, 214, 90, 34)

# Lengths of the marks relative to the size of the face.
_POINT_RADIUS = 0.0105
_STROKE_WIDTH = 0.0055
_AXIS_LENGTH = 0.42
_AXIS_WIDTH = 0.012
_BOX_WIDTH = 0.009
# Width of the dark rim of a stroke relative to the stroke.
_STROKE_RIM = 2.2
# Radius of the dark rim of a visible point, and of rim, ring and hole of a hidden point, relative
# to the radius of a point.
_RIM = 1.45
_HIDDEN_RIM, _RING, _RING_HOLE = 1.70, 1.30, 0.75

# Sides of the box behind and in front of the head, and its depth beyond the tip of the nose,
# relative to the longer side of the face.
_BOX_SIDES = np.array([1.05, 1.35])
_BOX_REACH = 0.2
_BOX_FRONT = slice(4, 8)  # the corners in front of the head
_BOX_EDGES = np.array(
    [(0, 1), (1, 2), (2, 3), (3, 0), (0, 4), (1, 5), (2, 6), (3, 7), (4, 5), (5, 6), (6, 7), (7, 4)]
)
_BOX_PIECES = 96  # per edge; each piece is visible or hidden


@typed
def face_size(landmarks: Float[np.ndarray, "68 3"]) -> float:
    """Returns the size of a face: the square root of the area of the landmarks' bounding box.

    Unlike the width, it changes little with the yaw of the head.
    """
    return float(np.sqrt(np.prod(np.ptp(landmarks[:, :2], axis=0))))


@typed
def landmark_layer(
    landmarks: Float[np.ndarray, "68 3"],
    visible: Bool[np.ndarray, "68"],
    height: int,
    width: int,
) -> Layer:
    """Draws the 68 landmarks and the strokes between them along jaw, brows, nose, eyes and lips.

    A hidden landmark is drawn as a ring, and the strokes to it are faint.

    Args:
      landmarks: the 68 iBUG landmarks, image frame.
      visible: False for landmarks that are hidden (`visibility.visible_points`).
      height: the height of the photo, pixels.
      width: the width of the photo, pixels.
    """
    points = landmarks[:, :2]
    size = face_size(landmarks)
    radius = max(_POINT_RADIUS * size, 0.85)
    canvas = Canvas(window_around(points, 2 * radius, height, width), detail=radius / 2)
    stroke_width = max(_STROKE_WIDTH * size, 0.7)
    visible_strokes = visible[_STROKE_ENDS].all(axis=1)
    for ends in _STROKE_ENDS[~visible_strokes]:
        canvas.line(points[ends], stroke_width, _HIDDEN_STROKE_COLOUR)
    for ends in _STROKE_ENDS[visible_strokes]:
        canvas.line(points[ends], _STROKE_RIM * stroke_width, _STROKE_RIM_COLOUR)
        canvas.line(points[ends], stroke_width, _STROKE_COLOUR)
    for point in points[~visible]:
        canvas.disc(point, _HIDDEN_RIM * radius, _POINT_RIM_COLOUR)
        canvas.disc(point, _RING * radius, _POINT_COLOUR)
        canvas.disc(point, _RING_HOLE * radius, _HOLE)
    for point in points[visible]:
        canvas.disc(point, _RIM * radius, _POINT_RIM_COLOUR)
        canvas.disc(point, radius, _POINT_COLOUR)
    return canvas.layer()


@typed
def pose_layer(
    landmarks: Float[np.ndarray, "68 3"],
    rotation: Float[np.ndarray, "3 3"],
    height: int,
    width: int,
) -> Layer:
    """Draws the axes of the model frame at the tip of the nose.

    x (red) points to the subject's left, y (green) up and z (blue) out of the face.

    Args:
      landmarks: the 68 iBUG landmarks, image frame.
      rotation: rotation from the model frame to the camera (x right, y up, z toward the camera).
      height: the height of the photo, pixels.
      width: the width of the photo, pixels.
    """
    size = face_size(landmarks)
    axis_width = max(_AXIS_WIDTH * size, 1.0)
    origin = landmarks[_NOSE_TIP, :2]
    x, y, toward_camera = rotation
    tips = origin + _AXIS_LENGTH * size * np.stack([x, -y], axis=-1)
    points = np.concatenate([origin[None], tips])
    canvas = Canvas(window_around(points, 3 * axis_width, height, width), detail=axis_width)
    for axis in np.argsort(toward_camera):
        _draw_arrow(canvas, origin, tips[axis], axis_width, _AXIS_COLOURS[axis])
    return canvas.layer()


@typed
def box_layer(
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    landmarks: Float[np.ndarray, "68 3"],
    rotation: Float[np.ndarray, "3 3"],
    height: int,
    width: int,
) -> Layer:
    """Draws a box around the head that widens in the direction of the face.

    Edges that the head hides are faint.

    Args:
      vertices: mesh in the image frame, pixels, all finite.
      triangles: vertex indices.
      landmarks: the 68 iBUG landmarks, image frame.
      rotation: rotation from the model frame to the camera (x right, y up, z toward the camera).
      height: the height of the photo, pixels.
      width: the width of the photo, pixels.
    """
    corners = _box_corners(landmarks, rotation)
    start, end = corners[_BOX_EDGES].swapaxes(0, 1)[:, :, None]
    points = start + (end - start) * np.linspace(0, 1, _BOX_PIECES + 1)[:, None]
    visible = visible_points(points.reshape(-1, 3), vertices, triangles)
    visible = visible.reshape(points.shape[:2])
    visible = visible[:, :-1] & visible[:, 1:]
    line_width = max(_BOX_WIDTH * face_size(landmarks), 1.0)
    canvas = Canvas(window_around(corners, 2 * line_width, height, width), detail=line_width)
    canvas.polygon(corners[_BOX_FRONT, :2], _BOX_GLASS_COLOUR)
    for drawn, colour in ((~visible, _HIDDEN_BOX_COLOUR), (visible, _BOX_COLOUR)):
        for edge, piece in np.argwhere(drawn):
            canvas.line(points[edge, piece : piece + 2, :2], line_width, colour)
    return canvas.layer()


def _box_corners(
    landmarks: Float[np.ndarray, "68 3"], rotation: Float[np.ndarray, "3 3"]
) -> Float[np.ndarray, "8 3"]:
    """Returns the corners of the box, image frame: four behind the head, then four in front."""
    y_down = np.array([1, -1, 1])
    in_model = landmarks * y_down @ rotation
    low, high = in_model.min(axis=0), in_model.max(axis=0)
    side = float((high - low)[:2].max())
    square = np.array([[-1, -1], [1, -1], [1, 1], [-1, 1]]) * side / 2
    back, front = np.pad(square * _BOX_SIDES[:, None, None], ((0, 0), (0, 0), (0, 1)))
    back[:, 2] = low[2]
    front[:, 2] = high[2] + _BOX_REACH * side
    middle = [*(low + high)[:2] / 2, 0]
    return (np.concatenate([back, front]) + middle) @ rotation.T * y_down


def _draw_arrow(
    canvas: Canvas,
    start: Float[np.ndarray, "2"],
    tip: Float[np.ndarray, "2"],
    width: float,
    colour: Colour,
) -> None:
    canvas.disc(start, 0.9 * width, colour)
    length = np.linalg.norm(tip - start)
    if length < width:
        return
    along = (tip - start) / length * min(4.5 * width, length)
    neck, across = tip - along, 0.42 * np.array([-along[1], along[0]])
    canvas.line(np.stack([start, neck]), width, colour)
    canvas.polygon(np.stack([tip, neck + across, neck - across]), colour)
