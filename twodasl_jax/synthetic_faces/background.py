"""The scene behind a face: a random background, and hair, neck and shoulders made of ellipsoids."""

from typing import NamedTuple

import numpy as np
import scipy.ndimage
from PIL import Image, ImageDraw, ImageFilter
from scipy.spatial.transform import Rotation

from twodasl_jax.geometry.projection import WeakPerspective
from twodasl_jax.rendering import rasterizer
from twodasl_jax.synthetic_faces.drawing import as_points, covered_samples
from twodasl_jax.synthetic_faces.light import shade
from twodasl_jax.synthetic_faces.parameters import FaceParameters
from twodasl_jax.synthetic_faces.renderable_model import RenderableModel
from twodasl_jax.synthetic_faces.skin import skin_colour


def background(rng: np.random.Generator, side: int) -> np.ndarray:
    """Draws value noise, in some pictures with blurred shapes over it; (side, side, 3)."""
    picture = value_noise(rng, side)
    if rng.random() < 0.6:
        canvas = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
        draw = ImageDraw.Draw(canvas)
        for _ in range(rng.integers(2, 9)):
            corners = rng.uniform(-0.2 * side, 1.2 * side, (rng.integers(2, 5), 2))
            fill = tuple(rng.integers(0, 256, 3).tolist())
            points = as_points(corners)
            if len(points) == 2:
                draw.line(points, fill=fill, width=int(rng.integers(2, side // 4)))
            else:
                draw.polygon(points, fill=fill)
        canvas = canvas.filter(ImageFilter.GaussianBlur(float(rng.uniform(0.5, 6))))
        picture = np.asarray(canvas, np.float32)
    return picture.copy()


def value_noise(rng: np.random.Generator, side: int) -> np.ndarray:
    """Draws value noise of several frequencies around a random colour; (side, side, 3)."""
    picture = np.zeros((side, side, 3), np.float32)
    picture += rng.uniform(30, 220, 3).astype(np.float32)
    grey = rng.uniform(0.2, 1)
    for cells, strength in ((2, 45), (5, 30), (13, 18), (40, 9)):
        coarse = rng.normal(0, strength, (cells, cells, 3)) * rng.uniform(0, 1)
        coarse += grey * (coarse.mean(axis=-1, keepdims=True) - coarse)
        small = Image.fromarray(np.clip(128 + coarse, 0, 255).astype(np.uint8))
        picture += np.asarray(small.resize((side, side), Image.Resampling.BICUBIC), np.float32)
        picture -= 128
    return np.clip(picture, 0, 255)


class _Ellipsoid(NamedTuple):
    """A part of the body.

    Attributes:
      centre: the centre, mm.
      radii: the radii along its own axes, mm.
      rotation: (3, 3) the rotation from its own axes to the camera.
      colour: (3,) the reflectance of its surface, linear RGB.
    """

    centre: tuple[float, float, float]
    radii: tuple[float, float, float]
    rotation: np.ndarray
    colour: np.ndarray


def _body(parameters: FaceParameters, rng: np.random.Generator) -> list[_Ellipsoid]:
    """Returns the body parts that the face mesh lacks: skull with hair, neck and shoulders."""
    yaw, pitch, roll = parameters.yaw_pitch_roll
    head = Rotation.from_euler("XYZ", [-pitch, -yaw, -roll], degrees=True)
    trunk = Rotation.from_euler("XYZ", [-0.2 * pitch, -0.5 * yaw, -0.2 * roll], degrees=True)
    hair, skin = parameters.hair, skin_colour(parameters.skin)
    covering = skin if hair.line > 100 else hair.colour
    growth = 1 + hair.volume
    parts = [
        _Ellipsoid(
            tuple(head.apply((0, 34, -82))),
            (72 * growth, 98 * growth, 80 * growth),
            head.as_matrix(),
            covering,
        )
    ]
    if hair.length > 0:
        centre = head.apply((0, 10 - 60 * hair.length, -100))
        radii = (78 * growth, 70 + 90 * hair.length, 52)
        parts.append(_Ellipsoid(tuple(centre), radii, trunk.as_matrix(), hair.colour))
    root = head.apply((0, -45, -72))
    neck, chest = (root + trunk.apply(offset) for offset in ((0, -60, -12), (0, -185, -25)))
    clothes = (rng.uniform(0.01, 0.8) * rng.uniform(0.3, 1, 3)).astype(np.float32)
    parts.append(_Ellipsoid(tuple(neck), (56, 120, 56), trunk.as_matrix(), 0.8 * skin))
    parts.append(_Ellipsoid(tuple(chest), (215, 85, 90), trunk.as_matrix(), clothes))
    return parts


def body_layer(
    renderable: RenderableModel,
    parameters: FaceParameters,
    camera: WeakPerspective,
    rng: np.random.Generator,
    side: int,
) -> np.ndarray:
    """Renders the body behind the face as a premultiplied layer, (side, side, 4)."""
    sphere, faces = renderable.sphere
    axes = np.array([1, -1, 1])
    scale = camera.scale * renderable.millimetre
    origin = camera.translation + camera.scale * axes * (camera.rotation @ renderable.centre)
    vertices, triangles, attributes = [], [], []
    for index, part in enumerate(_body(parameters, rng)):
        points = (part.rotation @ (sphere * part.radii).T).T + np.array(part.centre)
        normals = (part.rotation @ (sphere / part.radii).T).T * axes
        normals /= np.linalg.norm(normals, axis=-1, keepdims=True)
        vertices.append(scale * points * axes + origin)
        triangles.append(faces + index * len(sphere))
        colours = np.broadcast_to(part.colour, normals.shape)
        attributes.append(np.concatenate([normals, colours], axis=-1))
    mesh, corners = np.concatenate(vertices), np.concatenate(triangles)
    raster = rasterizer.rasterize(mesh, corners, side, side)
    covered, values = covered_samples(raster, corners, np.concatenate(attributes))
    strands = 1 + 0.18 * rng.standard_normal(len(values), np.float32)
    matt = np.zeros(len(values), np.float32)
    colour = shade(0.75 * values[:, 3:] * strands[:, None], values[:, :3], parameters.light, matt)
    layer = np.zeros((side, side, 4), np.float32)
    layer[covered, :3], layer[covered, 3] = colour, 1
    # Softens the outline and the noise of the strands.
    return scipy.ndimage.gaussian_filter(layer, (0.8, 0.8, 0))
