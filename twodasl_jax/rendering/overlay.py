"""The picture that shows a result: shaded mesh, 68 landmarks and pose axes over the photo.

Every mark is a `Layer`, a transparent patch that covers only the part of the photo it touches, so
that the cost grows with the face and not with the photo. `composite` lays the patches over it.
"""

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import scipy.spatial
from jaxtyping import Float, Float32, Int, UInt8
from PIL import Image, ImageDraw

from twodasl_jax.array_types import typed
from twodasl_jax.rendering import rasterizer

_NOSE_TIP = 30
# First and last landmark of each stroke, and whether it is closed: jaw, brows, nose, eyes, lips.
_STROKES = (
    (0, 16, False),
    (17, 21, False),
    (22, 26, False),
    (27, 30, False),
    (31, 35, False),
    (36, 41, True),
    (42, 47, True),
    (48, 59, True),
    (60, 67, True),
)

_MESH_COLOUR = np.array([212, 226, 244], np.float32)
_MESH_OPACITY = 0.76
# Distance from the nearest landmark, over the size of the face, where the mesh begins to fade and
# where it is gone: skull and throat would hide more of the photo than they tell.
_FADE = (0.22, 0.46)
_AMBIENT_LIGHT = 0.24
# Unit vectors toward the lights in the image frame (y down) and their strengths: a key light from
# the upper left of the camera, and a weak one from the other side that opens the shadows.
_LIGHTS = (
    (np.array([-0.40, -0.52, 0.755], np.float32), 0.76),
    (np.array([0.80, 0.00, 0.600], np.float32), 0.20),
)
_POINT_COLOUR = (255, 255, 255, 255)
_POINT_RIM_COLOUR = (22, 28, 40, 200)
_STROKE_COLOUR = (255, 255, 255, 150)
_AXIS_COLOURS = ((226, 74, 68, 255), (86, 176, 92, 255), (62, 122, 224, 255))

# Lengths of the marks as shares of the size of the face.
_POINT_RADIUS = 0.0085
_STROKE_WIDTH = 0.0045
_AXIS_LENGTH = 0.42
_AXIS_WIDTH = 0.012

_SAMPLES = 2  # per pixel and direction
_STRIP_SAMPLES = 2**20


class Layer(NamedTuple):
    """A transparent patch of a picture.

    Attributes:
      row: row of the picture under the first row of the patch.
      column: column of the picture under the first column of the patch.
      rgba: colour (not premultiplied) and opacity.
    """

    row: int
    column: int
    rgba: UInt8[np.ndarray, "h w 4"]


@typed
def composite(
    image: UInt8[np.ndarray, "H W 3"], layers: Iterable[Layer]
) -> UInt8[np.ndarray, "H W 3"]:
    """Lays patches over a picture, the first one lowest.

    Args:
      image: RGB; it is left as it is.
      layers: patches that lie within the picture.

    Returns:
      A new RGB picture.
    """
    picture = Image.fromarray(image)
    for row, column, rgba in layers:
        if rgba.size:
            patch = Image.fromarray(rgba)
            picture.paste(patch.convert("RGB"), (column, row), mask=patch)
    return np.array(picture)


@typed
def face_layers(
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    opacity: Float[np.ndarray, " V"],
    landmarks: Float[np.ndarray, "68 3"],
    rotation: Float[np.ndarray, "3 3"],
    height: int,
    width: int,
) -> tuple[Layer, Layer, Layer]:
    """Draws everything that shows one face: mesh, pose axes, landmarks.

    Args:
      vertices: dense mesh in the image frame, pixels.
      triangles: vertex indices, counter-clockwise from outside in the model frame.
      opacity: of each vertex, from 0 to 1 (`opacity_around`).
      landmarks: the 68 iBUG points in the image frame.
      rotation: from the model frame to the camera (x right, y up, z toward the camera).
      height: of the photo, pixels.
      width: of the photo, pixels.

    Returns:
      The layers for `composite`, lowest first.
    """
    return (
        mesh_layer(vertices, triangles, opacity, height, width),
        pose_layer(landmarks, rotation, height, width),
        landmark_layer(landmarks, height, width),
    )


@typed
def opacity_around(
    vertices: Float[np.ndarray, "V 3"], landmarks: Float[np.ndarray, "68 3"]
) -> Float[np.ndarray, " V"]:
    """Returns how opaque each vertex is drawn: the face wholly, and what is far from it not at all.

    Args:
      vertices: of the mean face, model frame.
      landmarks: of the mean face, model frame.
    """
    distance, _ = scipy.spatial.KDTree(landmarks).query(vertices)
    start, end = _FADE
    remaining = np.clip((end - distance / _face_size(landmarks)) / (end - start), 0, 1)
    return (remaining**2 * (3 - 2 * remaining)).astype(np.float32)


@typed
def mesh_layer(
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    opacity: Float[np.ndarray, " V"],
    height: int,
    width: int,
) -> Layer:
    """Draws a mesh as a smooth, lit surface with smooth edges.

    Args:
      vertices: mesh in the image frame, pixels.
      triangles: vertex indices, counter-clockwise from outside in the model frame.
      opacity: of each vertex, from 0 to 1.
      height: of the photo, pixels.
      width: of the photo, pixels.
    """
    window = _window_around(vertices, 0.0, height, width)
    normals = rasterizer.vertex_normals(vertices, triangles)
    attributes = np.concatenate([normals, opacity[:, None]], axis=1).astype(np.float32)
    rgba = np.zeros((window.height, window.width, 4), np.uint8)
    for start, stop in _strips(window):
        corner = np.array([window.column, window.row + start, 0], vertices.dtype)
        raster = rasterizer.rasterize(
            (vertices - corner) * _SAMPLES,
            triangles,
            (stop - start) * _SAMPLES,
            window.width * _SAMPLES,
        )
        samples = rasterizer.interpolate(raster, triangles, attributes)
        rgba[start:stop] = _resolve(_lambert(samples[..., :3]), samples[..., 3])
    return Layer(window.row, window.column, rgba)


@typed
def landmark_layer(landmarks: Float[np.ndarray, "68 3"], height: int, width: int) -> Layer:
    """Draws the 68 points, joined along jaw, brows, nose, eyes and lips.

    Args:
      landmarks: the 68 iBUG points in the image frame.
      height: of the photo, pixels.
      width: of the photo, pixels.
    """
    points = landmarks[:, :2]
    size = _face_size(landmarks)
    radius = max(_POINT_RADIUS * size, 0.75)
    canvas = _Canvas(_window_around(points, 2 * radius, height, width), detail=radius)
    for first, last, closed in _STROKES:
        stroke = points[first : last + 1]
        joined = np.concatenate([stroke, stroke[:1]]) if closed else stroke
        canvas.line(joined, max(_STROKE_WIDTH * size, 0.6), _STROKE_COLOUR)
    for point in points:
        canvas.disc(point, 1.45 * radius, _POINT_RIM_COLOUR)
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
      landmarks: the 68 iBUG points in the image frame.
      rotation: from the model frame to the camera (x right, y up, z toward the camera).
      height: of the photo, pixels.
      width: of the photo, pixels.
    """
    size = _face_size(landmarks)
    axis_width = max(_AXIS_WIDTH * size, 1.0)
    origin = landmarks[_NOSE_TIP, :2]
    x, y, toward_camera = rotation
    tips = origin + _AXIS_LENGTH * size * np.stack([x, -y], axis=-1)
    points = np.concatenate([origin[None], tips])
    canvas = _Canvas(_window_around(points, 3 * axis_width, height, width), detail=axis_width)
    for axis in np.argsort(toward_camera):
        canvas.arrow(origin, tips[axis], axis_width, _AXIS_COLOURS[axis])
    return canvas.layer()


class _Window(NamedTuple):
    """A rectangle of whole pixels of a picture."""

    row: int
    column: int
    height: int
    width: int


def _window_around(
    points: Float[np.ndarray, "N D"], margin: float, height: int, width: int
) -> _Window:
    """The smallest window that holds the points and a margin, cut off where the picture ends."""
    finite = points[np.isfinite(points).all(axis=-1), :2]
    if not len(finite):
        return _Window(0, 0, 0, 0)
    limits = (width, height)
    left, top = np.clip(np.floor(finite.min(axis=0) - margin), 0, limits).astype(int)
    right, bottom = np.clip(np.ceil(finite.max(axis=0) + margin), 0, limits).astype(int)
    return _Window(int(top), int(left), int(bottom - top), int(right - left))


def _face_size(landmarks: Float[np.ndarray, "68 3"]) -> float:
    """Square root of the area of the landmarks' bounding box; unlike a width it survives a turn."""
    return float(np.sqrt(np.prod(np.ptp(landmarks[:, :2], axis=0))))


def _strips(window: _Window) -> Iterator[tuple[int, int]]:
    """Splits the rows of a window so that the samples of one strip need little memory."""
    rows = max(1, _STRIP_SAMPLES // (max(window.width, 1) * _SAMPLES**2))
    for start in range(0, window.height, rows):
        yield start, min(start + rows, window.height)


def _lambert(normals: Float32[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "h w"]:
    """Brightness of a matt surface; the normals need not have unit length."""
    squared = np.einsum("hwc,hwc->hw", normals, normals)
    lengths = np.sqrt(np.maximum(squared, np.finfo(np.float32).tiny))
    light = np.full_like(lengths, _AMBIENT_LIGHT)
    for direction, strength in _LIGHTS:
        light += strength * np.maximum(normals @ direction, 0) / lengths
    return light


def _resolve(
    light: Float32[np.ndarray, "h w"], opacity: Float32[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h/2 w/2 4"]:
    """Turns the samples of each pixel into its mean colour and its opacity."""
    total = _sum_blocks(opacity)
    brightness = _sum_blocks(light * opacity) / np.maximum(total, np.finfo(np.float32).tiny)
    colour = np.minimum(brightness[..., None] * _MESH_COLOUR, 255)
    opacity = total * (255 * _MESH_OPACITY / _SAMPLES**2)
    return np.rint(np.concatenate([colour, opacity[..., None]], axis=-1)).astype(np.uint8)


def _sum_blocks(samples: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "h/2 w/2"]:
    height, width = samples.shape
    blocks = samples.reshape(height // _SAMPLES, _SAMPLES, width // _SAMPLES, _SAMPLES)
    return np.einsum("hawb->hw", blocks)


class _Canvas:
    """Draws in image-frame coordinates on a window of the photo, finely enough for small marks."""

    def __init__(self, window: _Window, detail: float):
        self._window = window
        self._scale = int(np.clip(np.ceil(4 / detail), 1, 4))
        size = (max(window.width, 1) * self._scale, max(window.height, 1) * self._scale)
        self._picture = Image.new("RGBA", size, (255, 255, 255, 0))
        self._draw = ImageDraw.Draw(self._picture)

    def line(self, points: np.ndarray, width: float, colour: tuple[int, ...]) -> None:
        pixels = max(1, round(width * self._scale))
        self._draw.line(self._place(points), fill=colour, width=pixels, joint="curve")

    def disc(self, point: np.ndarray, radius: float, colour: tuple[int, ...]) -> None:
        self._draw.ellipse(self._place(np.stack([point - radius, point + radius])), fill=colour)

    def arrow(
        self, start: np.ndarray, tip: np.ndarray, width: float, colour: tuple[int, ...]
    ) -> None:
        self.disc(start, 0.9 * width, colour)
        length = np.linalg.norm(tip - start)
        if length < width:
            return
        along = (tip - start) / length * min(4.5 * width, length)
        neck, across = tip - along, 0.42 * np.array([-along[1], along[0]])
        self.line(np.stack([start, neck]), width, colour)
        self._draw.polygon(self._place(np.stack([tip, neck + across, neck - across])), fill=colour)

    def layer(self) -> Layer:
        row, column, height, width = self._window
        rgba = np.asarray(self._picture.reduce(self._scale))[:height, :width]
        return Layer(row, column, rgba)

    def _place(self, points: np.ndarray) -> list[tuple[float, float]]:
        """Image frame -> canvas coordinates of Pillow, which counts from pixel centres."""
        corner = (self._window.column, self._window.row)
        return [(x, y) for x, y in ((points - corner) * self._scale - 0.5).tolist()]
