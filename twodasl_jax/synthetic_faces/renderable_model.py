"""A face model prepared for rendering, with the places of brows, eyes, lips, beard and hair."""

import dataclasses

import jax
import numpy as np
import scipy.ndimage
import trimesh
from jaxtyping import Float32, Int
from PIL import Image, ImageDraw

from twodasl_jax.array_types import typed
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.rendering.connectivity import component_labels
from twodasl_jax.rendering.interpolation import linear_step
from twodasl_jax.rendering.visibility import ambient_visibility
from twodasl_jax.synthetic_faces.drawing import as_points

# Millimetres.
_EYE_SPAN = 84.0
MAP_STEP = 0.5
_MAP_MARGIN = 15.0
_MOUTH_MARGIN = 4.0
_BROWS = (slice(17, 22), slice(22, 27))
EYES = (slice(36, 42), slice(42, 48))
_LIPS = slice(48, 60)
_INNER_LIPS = slice(60, 68)


@dataclasses.dataclass(frozen=True)
class RenderableModel:
    """A face model prepared for rendering, in NumPy.

    Attributes:
      model: the face model with NumPy arrays.
      basis: (V, 3, S + E) displacements for one standard deviation of each coefficient.
      centre: (3,) the mean of the mean face's landmarks, model units; the origin of positions
        in mm.
      millimetre: the length of a millimetre of the mean face, model units.
      landmarks: (68, 3) landmarks of the mean face, mm.
      surface: (V, 3) vertices of the mean face, mm.
      arc: (V,) horizontal arc lengths around the head from its midline, mm.
      regions: (V, 6) five weights from 0 to 1: ambient visibility, eyeball, inside of the mouth,
        beard and ruddy skin. The last column is the height above the usual hair line, mm.
      feature_distances: (h, w, 3) signed distances to brows, lips and eyes on the front of the mean
        face, mm, negative inside, on a grid with spacing `MAP_STEP`.
      origin: (2,) x, y of the first entry of `feature_distances`, mm.
      noise: (n, n) smooth periodic noise of unit variance.
      sphere: vertices (B, 3) and triangles of a unit sphere.
    """

    model: MorphableModel
    basis: Float32[np.ndarray, "V 3 K"]
    centre: Float32[np.ndarray, "3"]
    millimetre: float
    landmarks: Float32[np.ndarray, "68 3"]
    surface: Float32[np.ndarray, "V 3"]
    arc: Float32[np.ndarray, " V"]
    regions: Float32[np.ndarray, "V 6"]
    feature_distances: Float32[np.ndarray, "h w 3"]
    origin: Float32[np.ndarray, "2"]
    noise: Float32[np.ndarray, "n n"]
    sphere: tuple[Float32[np.ndarray, "B 3"], Int[np.ndarray, "G 3"]]


@typed
def build_renderable_model(model: MorphableModel) -> RenderableModel:
    """Prepares a face model for `render`. It takes about a second."""
    model = jax.tree.map(np.asarray, model)
    corners = model.mean[model.landmark_vertices]
    landmarks = np.einsum("lk,lkd->ld", model.landmark_weights, corners)
    millimetre = float(np.linalg.norm(landmarks[36] - landmarks[45])) / _EYE_SPAN
    centre = landmarks.mean(axis=0)
    surface = ((model.mean - centre) / millimetre).astype(np.float32)
    landmarks = ((landmarks - centre) / millimetre).astype(np.float32)
    # Angles around an axis behind all vertices do not wrap around.
    axis = surface[:, 2].min() - 1
    angle = np.arctan2(surface[:, 0], surface[:, 2] - axis)
    feature_distances, origin = _feature_distances(landmarks)
    sphere = trimesh.creation.icosphere(subdivisions=3)
    return RenderableModel(
        model=model,
        basis=np.concatenate(
            [
                model.shape_basis * model.shape_std,
                model.expression_basis * model.expression_std,
            ],
            axis=-1,
        ).astype(np.float32),
        centre=centre.astype(np.float32),
        millimetre=millimetre,
        landmarks=landmarks,
        surface=surface,
        arc=(angle * (landmarks[30, 2] - axis)).astype(np.float32),
        regions=_regions(surface, landmarks, np.asarray(model.triangles)),
        feature_distances=feature_distances,
        origin=origin,
        noise=_noise_tile(),
        sphere=(sphere.vertices.astype(np.float32), sphere.faces.astype(np.int32)),
    )


def _regions(surface: np.ndarray, landmarks: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Returns the columns of `RenderableModel.regions`."""
    x, y, z = np.abs(surface[:, 0]), surface[:, 1], surface[:, 2]
    columns = (
        ambient_visibility(surface, triangles),
        _eyeballs(surface, landmarks, triangles),
        _mouth_inside(surface, landmarks),
        _beard(x, y, landmarks),
        _ruddiness(surface, landmarks),
        _above_hair_line(x, y, z, landmarks),
    )
    return np.stack(columns, axis=-1).astype(np.float32)


def _eyeballs(surface: np.ndarray, landmarks: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """Returns 1 for vertices of the separate mesh components at the eyes, 0 for others."""
    component = component_labels(triangles, len(surface))
    result = np.zeros(len(surface))
    for index in range(component.max() + 1):
        centre = surface[component == index].mean(axis=0)
        for eye in EYES:
            corners = landmarks[eye]
            if np.linalg.norm(centre - corners.mean(axis=0)) < np.ptp(corners[:, 0]) / 2:
                result[component == index] = 1
    return result


def _mouth_inside(surface: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Returns 1 for vertices behind the inner lips and between their corners, fading to 0."""
    lips = landmarks[_INNER_LIPS]
    order = np.argsort(lips[:, 0])
    front = np.interp(surface[:, 0], lips[order, 0], lips[order, 2])
    outer = landmarks[_LIPS]
    low = np.array([lips[:, 0].min(), outer[:, 1].min() - _MOUTH_MARGIN])
    high = np.array([lips[:, 0].max(), outer[:, 1].max() + _MOUTH_MARGIN])
    near = ((surface[:, :2] > low) & (surface[:, :2] < high)).all(axis=1)
    return near * linear_step(front - surface[:, 2], 2.5, 5.0)


def _beard(x: np.ndarray, y: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Returns 1 for vertices where a beard grows, fading to 0; `x` is not negative."""
    corner, nose, ear, chin = landmarks[54], landmarks[33], landmarks[15], landmarks[8]
    upper = np.interp(x, [0, corner[0], ear[0]], [nose[1] - 2, corner[1] + 12, ear[1] + 8])
    return (
        linear_step(upper - y, 0, 8)
        * linear_step(y - chin[1], -25, -5)
        * linear_step(ear[0] - x, -6, 0)
    )


def _ruddiness(surface: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """Returns about 1 on the cheeks and the tip of the nose, fading to 0."""
    cheeks = [(landmarks[eye] + landmarks[corner]) / 2 for eye, corner in ((36, 31), (45, 35))]
    spots = [(centre + np.array([0, -6, 0]), 16.0) for centre in cheeks] + [(landmarks[30], 10.0)]
    return sum(
        np.exp(-np.sum((surface - centre) ** 2, axis=-1) / (2 * radius**2))
        for centre, radius in spots
    )


def _above_hair_line(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, landmarks: np.ndarray
) -> np.ndarray:
    """Returns the distance outside an oval around the face, mm; negative at the ears and below."""
    ear = landmarks[16]
    top = landmarks[19, 1] + 56
    middle = ear[1] - 8
    radius = np.hypot(x / (ear[0] - 4), (y - middle) / (top - middle))
    beyond = (radius - 1) * (top - middle)
    below = np.maximum(ear[1] - y, 0) * 3
    pinna = 60 * linear_step(x, ear[0] + 1, ear[0] + 4) * linear_step(ear[1] + 30 - y, 0, 8)
    return beyond - below - pinna


def _feature_distances(landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Returns the signed distances to brows, lips and eyes, and the position of the first entry."""
    low = landmarks[:, :2].min(axis=0) - _MAP_MARGIN
    size = np.ceil((np.ptp(landmarks[:, :2], axis=0) + 2 * _MAP_MARGIN) / MAP_STEP).astype(int)

    def distance(*outlines):
        canvas = Image.new("1", tuple(size.tolist()))
        draw = ImageDraw.Draw(canvas)
        for outline in outlines:
            points = (outline - low) / MAP_STEP - 0.5
            draw.polygon(as_points(points), fill=1)
        mask = np.asarray(canvas)
        inside, outside = map(scipy.ndimage.distance_transform_edt, (mask, ~mask))
        return (outside - inside) * MAP_STEP

    flat = landmarks[:, :2]
    layers = (
        distance(*(_brow_outline(flat[brow]) for brow in _BROWS)),
        distance(flat[_LIPS]),
        distance(*(flat[eye] for eye in EYES)),
    )
    return np.stack(layers, axis=-1).astype(np.float32), low.astype(np.float32)


def _brow_outline(points: np.ndarray) -> np.ndarray:
    """Returns the outline of a brow around its five landmarks, thinner toward the temple."""
    toward_nose = 1 - np.abs(points[:, 0]) / np.abs(points[:, 0]).max()
    above, below = np.zeros_like(points), np.zeros_like(points)
    above[:, 1] = 1.0
    below[:, 1] = -1.0 - 3.5 * np.minimum(2 * toward_nose, 1)
    return np.concatenate([points + above, (points + below)[::-1]])


def _noise_tile(size: int = 256) -> np.ndarray:
    """Returns smooth periodic noise of unit variance."""
    white = np.random.default_rng(0).standard_normal((size, size))
    smooth = scipy.ndimage.gaussian_filter(white, 1.0, mode="wrap")
    return (smooth / smooth.std()).astype(np.float32)
