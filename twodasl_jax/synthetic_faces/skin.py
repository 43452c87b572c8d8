"""The face layer: skin coloured by its pigments, and brows, eyes, lips and hair on top."""

from typing import NamedTuple

import numpy as np

from twodasl_jax.geometry.mesh import vertex_normals
from twodasl_jax.rendering import rasterizer
from twodasl_jax.rendering.interpolation import lerp, linear_step
from twodasl_jax.synthetic_faces.drawing import covered_samples
from twodasl_jax.synthetic_faces.light import DECODING, shade
from twodasl_jax.synthetic_faces.parameters import FaceParameters, Skin
from twodasl_jax.synthetic_faces.renderable_model import EYES, MAP_STEP, RenderableModel

# Reflectance of skin without pigments, and absorption of a unit of melanin and blood, linear RGB.
_PALE_SKIN = np.array([0.86, 0.62, 0.49], np.float32)
_MELANIN = np.array([1.95, 2.60, 3.15], np.float32)
_BLOOD = np.array([0.12, 0.90, 0.68], np.float32)
_SCLERA = np.array([0.62, 0.56, 0.52], np.float32)
_IRISES = np.array(
    [[0.09, 0.04, 0.02], [0.04, 0.02, 0.01], [0.12, 0.19, 0.28], [0.13, 0.15, 0.07]], np.float32
)
_PUPIL = np.full(3, 0.01, np.float32)
_GLINT = np.full(3, 1.2, np.float32)
_MOUTH = np.array([0.10, 0.025, 0.02], np.float32)
# Millimetres.
_IRIS_RADIUS = 5.9
_PUPIL_RADIUS = 2.0
_NOISE_STEP = 0.6
_SAMPLES = 2  # per pixel and direction


class _Points(NamedTuple):
    """The points of the face at the covered samples of the picture.

    Attributes:
      surface: (N, 3) positions on the mean face, mm.
      arc: (N,) arc lengths around the head (`RenderableModel`), mm.
      regions: (N, 6) region weights (`RenderableModel`).
      normals: (N, 3) normals of any length, image frame.
      pigment: (N, 2) melanin and blood.
      uv: (N, 2) texture coordinates; (N, 0) without a texture.
    """

    surface: np.ndarray
    arc: np.ndarray
    regions: np.ndarray
    normals: np.ndarray
    pigment: np.ndarray
    uv: np.ndarray


def face_layer(
    renderable: RenderableModel,
    parameters: FaceParameters,
    vertices: np.ndarray,
    texture: np.ndarray | None,
    rng: np.random.Generator,
    side: int,
) -> np.ndarray:
    """Renders the face as a premultiplied layer, (side, side, 4)."""
    triangles = np.asarray(renderable.model.triangles)
    fine = side * _SAMPLES
    raster = rasterizer.rasterize(vertices * _SAMPLES, triangles, fine, fine)
    normals = vertex_normals(vertices, triangles)
    attributes = np.concatenate(
        [
            renderable.surface,
            renderable.arc[:, None],
            renderable.regions,
            normals,
            _pigment(renderable, parameters.skin, rng),
        ],
        axis=1,
    )
    covered, values = covered_samples(raster, triangles, attributes)
    uv = values[:, :0]
    if texture is not None:
        _, uv = covered_samples(
            raster, np.asarray(renderable.model.uv_triangles), np.asarray(renderable.model.uv)
        )
    points = _Points(
        values[:, :3], values[:, 3], values[:, 4:10], values[:, 10:13], values[:, 13:15], uv
    )
    albedo, gloss = _paint(renderable, parameters, points, texture, rng)
    layer = np.zeros((fine, fine, 4), np.float32)
    layer[covered, :3] = shade(
        albedo * parameters.capture.exposure, points.normals, parameters.light, gloss
    )
    layer[covered, 3] = 1
    rows = layer[0::2] + layer[1::2]
    return (rows[:, 0::2] + rows[:, 1::2]) / _SAMPLES**2


def skin_colour(skin: Skin) -> np.ndarray:
    """Returns the mean reflectance of a skin, linear RGB."""
    return _PALE_SKIN * np.exp(-skin.melanin * _MELANIN - skin.blood * _BLOOD)


def _pigment(renderable: RenderableModel, skin: Skin, rng: np.random.Generator) -> np.ndarray:
    """Returns melanin and blood of each vertex, which vary slowly over the face; (V, 2)."""
    frequency = rng.normal(0, 1 / 25, (3, 8))
    waves = np.sin(renderable.surface @ frequency + rng.uniform(0, 2 * np.pi, 8))
    varied = waves @ rng.normal(0, 0.05, (8, 2))
    ruddy = renderable.regions[:, 4] * rng.uniform(0.05, 0.45)
    melanin = skin.melanin * (1 + varied[:, 0]) + 0.02 * varied[:, 0]
    blood = skin.blood * (1 + 2 * varied[:, 1]) + ruddy
    return np.stack([np.maximum(melanin, 0), np.maximum(blood, 0)], axis=-1)


def _paint(
    renderable: RenderableModel,
    parameters: FaceParameters,
    points: _Points,
    texture: np.ndarray | None,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the reflectance (N, 3), linear RGB, and the gloss (N,) of points of the face."""
    ambient, eyeball, mouth, beard, _, above_line = points.regions.T
    brow, lips, eye = _feature_distances_at(renderable, points.surface).T
    grain = _noise_at(renderable, points, (1, 1), rng)
    streaks = _noise_at(renderable, points, (1, 0.15), rng)
    lip = linear_step(-lips, -0.8, 0.8) * (1 - mouth)
    hair = parameters.hair
    if texture is None:
        colour = _bare_skin(renderable, parameters.skin, points, lip, grain, rng)
    else:
        colour = _textured_skin(parameters.skin, points.uv, texture, rng)
    hairs = hair.colour * (1 + 0.3 * streaks)[:, None]
    stubble = hair.beard * beard * (1 - lip) * np.clip(0.75 + 0.35 * grain, 0, 1)
    colour = lerp(colour, hairs, 0.9 * stubble)
    brow_weight = linear_step(hair.brow - brow + 0.5 * streaks, -1.0, 1.2)
    colour = lerp(colour, 0.8 * hairs, 0.85 * brow_weight * (1 - eyeball))
    scalp = linear_step(above_line - hair.line + 3 * streaks, -3, 3)
    colour = lerp(colour, hairs, scalp)
    lashes = 0.7 * linear_step(1.3 - np.abs(eye), 0, 1.3) * (1 - eyeball)
    colour = colour * (1 - lashes)[:, None]
    in_eye = eyeball if renderable.regions[:, 1].any() else linear_step(-eye, -0.4, 0.4)
    colour = lerp(colour, _MOUTH, mouth)
    eyes = in_eye > 0
    colour[eyes] = lerp(
        colour[eyes],
        _eyes(renderable, points.surface[eyes], eye[eyes], parameters.light, rng),
        in_eye[eyes],
    )
    colour = colour * (0.15 + 0.85 * ambient)[:, None]
    gloss = parameters.skin.gloss * ambient * (1 - scalp) * (1 - 0.7 * stubble) * (1 - mouth)
    return colour.astype(np.float32), (gloss * (1 + lip)).astype(np.float32)


def _feature_distances_at(renderable: RenderableModel, surface: np.ndarray) -> np.ndarray:
    last = np.array(renderable.feature_distances.shape[1::-1]) - 1
    steps = (surface[:, :2] - renderable.origin) / MAP_STEP
    column, row = np.clip(steps, 0, last).astype(np.int32).T
    return renderable.feature_distances[row, column]


def _noise_at(
    renderable: RenderableModel,
    points: _Points,
    frequency: tuple[float, float],
    rng: np.random.Generator,
) -> np.ndarray:
    size = len(renderable.noise)
    column = points.arc * (frequency[0] / _NOISE_STEP) + rng.integers(size)
    row = points.surface[:, 1] * (frequency[1] / _NOISE_STEP) + rng.integers(size)
    return renderable.noise[row.astype(np.int32) % size, column.astype(np.int32) % size]


def _bare_skin(
    renderable: RenderableModel,
    skin: Skin,
    points: _Points,
    lip: np.ndarray,
    grain: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    melanin, blood = points.pigment.T
    spots = (
        linear_step(_noise_at(renderable, points, (0.5, 0.5), rng), 1.0, 1.6) * points.regions[:, 4]
    )
    melanin = melanin * (1 + 0.04 * grain) + 0.35 * skin.freckles * spots + 0.08 * lip
    blood = blood + skin.lipstick * lip
    return _PALE_SKIN * np.exp(-melanin[:, None] * _MELANIN - blood[:, None] * _BLOOD)


def _textured_skin(
    skin: Skin, uv: np.ndarray, texture: np.ndarray, rng: np.random.Generator
) -> np.ndarray:
    height, width = texture.shape[:2]
    column = np.clip(uv[:, 0] * width, 0, width - 1).astype(np.int32)
    row = np.clip((1 - uv[:, 1]) * height, 0, height - 1).astype(np.int32)
    melanin, blood = rng.normal(0, 0.12), rng.normal(0, 0.12)
    tint = np.exp(-melanin * _MELANIN - blood * _BLOOD).astype(np.float32)
    return DECODING[texture[row, column]] * tint


def _eyes(
    renderable: RenderableModel,
    surface: np.ndarray,
    eye: np.ndarray,
    light: np.ndarray,
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns the reflectance of points of the eyes: sclera, iris, pupil and catchlight."""
    gaze = rng.normal(0, 1.1, 2)
    centres = np.stack([renderable.landmarks[part, :2].mean(axis=0) for part in EYES]) + gaze
    iris = _IRISES[rng.integers(len(_IRISES))] * rng.uniform(0.6, 1.4)
    offsets = surface[:, None, :2] - centres
    nearest = np.abs(offsets[..., 0]).argmin(axis=1)
    offset = offsets[np.arange(len(offsets)), nearest]
    radius = np.hypot(*offset.T)
    colour = np.broadcast_to(_SCLERA, surface.shape)
    ring = iris * (1.15 - 0.7 * linear_step(radius, 0.55 * _IRIS_RADIUS, _IRIS_RADIUS))[:, None]
    colour = lerp(colour, ring, linear_step(_IRIS_RADIUS - radius, -0.4, 0.4))
    colour = lerp(colour, _PUPIL, linear_step(_PUPIL_RADIUS - radius, -0.3, 0.3))
    toward = light[[3, 1], :].sum(axis=1) / max(float(np.abs(light[1:4].sum(axis=1)).max()), 1e-6)
    glint = np.hypot(*(offset - 2.2 * toward * np.array([1, -1])).T)
    colour = lerp(colour, _GLINT, linear_step(1.1 - glint, -0.3, 0.3))
    return colour * (1 - 0.55 * linear_step(eye, -2.2, 0.5))[:, None]
