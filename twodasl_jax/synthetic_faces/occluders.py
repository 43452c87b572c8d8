"""Occluders of a face: glasses, masks, bars and other shapes."""

import numpy as np
from PIL import Image, ImageDraw

from twodasl_jax.synthetic_faces.background import value_noise
from twodasl_jax.synthetic_faces.drawing import as_points
from twodasl_jax.synthetic_faces.parameters import Occluder
from twodasl_jax.synthetic_faces.renderable_model import EYES


def occluder_layer(
    kind: Occluder, landmarks: np.ndarray, rng: np.random.Generator, side: int
) -> np.ndarray:
    """Draws an occluder as a premultiplied layer, (side, side, 4).

    Args:
      kind: the kind of occluder.
      landmarks: (68, 2) landmarks, image frame.
      rng: the random generator of its place, shape and colour.
      side: the side of the picture, pixels.
    """
    layer = np.zeros((side, side, 4), np.float32)
    if kind == "none":
        return layer
    detail = 3
    canvas = Image.new("L", (side * detail, side * detail))
    _draw_occluder(ImageDraw.Draw(canvas), kind, landmarks * detail - 0.5, rng)
    layer[..., 3] = np.asarray(canvas.reduce(detail), np.float32) / 255
    shades = {"sunglasses": 0.15, "glasses": 0.35}
    layer[..., :3] = value_noise(rng, side) * shades.get(kind, 1.0) * layer[..., 3:]
    return layer


def _draw_occluder(
    draw: ImageDraw.ImageDraw, kind: Occluder, landmarks: np.ndarray, rng: np.random.Generator
) -> None:
    size = np.ptp(landmarks, axis=0).max()
    centre = landmarks[rng.integers(len(landmarks))]
    angle = rng.uniform(0, 2 * np.pi)
    along = np.array([np.cos(angle), np.sin(angle)])
    if kind == "bar":
        ends = np.stack([centre - 3 * size * along, centre + 3 * size * along])
        draw.line(as_points(ends), fill=255, width=max(1, int(size * rng.uniform(0.05, 0.18))))
    elif kind in ("ellipse", "polygon"):
        corners = 48 if kind == "ellipse" else int(rng.integers(3, 8))
        draw.polygon(as_points(centre + _oval(rng, corners, size)), fill=255)
    elif kind == "mask":
        outline = np.concatenate([landmarks[2:15], landmarks[[28]]])
        draw.polygon(as_points(outline), fill=255)
    else:
        _draw_glasses(draw, landmarks, size, filled=kind == "sunglasses")


def _oval(rng: np.random.Generator, corners: int, size: float) -> np.ndarray:
    """Returns the corners of a polygon on a random ellipse around the origin."""
    around = np.linspace(0, 2 * np.pi, corners, endpoint=False)
    circle = np.stack([np.cos(around), np.sin(around)], axis=-1)
    stretched = circle * rng.uniform(0.12, 0.32, 2) * size
    angle = rng.uniform(0, np.pi)
    cosine, sine = np.cos(angle), np.sin(angle)
    return stretched @ np.array([[cosine, -sine], [sine, cosine]])


def _draw_glasses(
    draw: ImageDraw.ImageDraw, landmarks: np.ndarray, size: float, filled: bool
) -> None:
    """Draws a rim around each eye, the bridge and the temples."""
    width = max(2, int(0.025 * size))
    for eye, ear in zip(EYES, (0, 16), strict=True):
        corners = landmarks[eye]
        centre = corners.mean(axis=0)
        lens = centre + 1.55 * (corners - centre)
        brow_side, cheek_side = lens[[1, 2]], lens[[4, 5]]
        height = 0.11 * (landmarks[8] - landmarks[27])
        outline = np.concatenate(
            [lens[:1], brow_side - height * 0.5, lens[3:4], cheek_side + height]
        )
        draw.polygon(as_points(outline), fill=255 if filled else None, outline=255, width=width)
        outer = lens[0] if ear == 0 else lens[3]
        draw.line(as_points(np.stack([outer, landmarks[ear]])), fill=255, width=width)
    draw.line(as_points(landmarks[[39, 42]]), fill=255, width=width)
