"""A face model made ready for pictures: where brows, eyes, lips, beard and hair are on its mean face."""

import dataclasses

import jax
import numpy as np
import scipy.ndimage
import scipy.sparse.csgraph
import trimesh
from jaxtyping import Float32, Int
from PIL import Image, ImageDraw

from twodasl_jax.array_types import typed
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.rendering.ambient import ambient_share
from twodasl_jax.synthetic_faces.blending import rise

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
class Studio:
    """A face model made ready for pictures, in NumPy.

    Attributes:
      model: its arrays as NumPy arrays.
      basis: (V, 3, S + E) displacement for one standard deviation of each coefficient.
      centre: (3,) mean of the landmarks of the mean face, model units; the origin of all places in mm.
      millimetre: model units in a millimetre of the mean face.
      landmarks: (68, 3) of the mean face, mm.
      surface: (V, 3) mean face, mm.
      around: (V,) length of the arc around the head from its middle, mm.
      regions: (V, 6) from 0 to 1: ambient light that reaches a vertex, eyeball, inside of the mouth,
        beard, ruddy skin; then the height above the usual hair line, mm.
      features: (h, w, 3) signed distances on the front of the mean face to brows, lips, eyes, mm,
        negative inside, in steps of `MAP_STEP`.
      origin: (2,) x, y of the first entry of `features`, mm.
      noise: (n, n) smooth periodic noise of unit variance.
      ball: vertices (B, 3) and triangles of a unit sphere.
    """

    model: MorphableModel
    basis: Float32[np.ndarray, "V 3 K"]
    centre: Float32[np.ndarray, "3"]
    millimetre: float
    landmarks: Float32[np.ndarray, "68 3"]
    surface: Float32[np.ndarray, "V 3"]
    around: Float32[np.ndarray, " V"]
    regions: Float32[np.ndarray, "V 6"]
    features: Float32[np.ndarray, "h w 3"]
    origin: Float32[np.ndarray, "2"]
    noise: Float32[np.ndarray, "n n"]
    ball: tuple[Float32[np.ndarray, "B 3"], Int[np.ndarray, "G 3"]]


@typed
def build_studio(model: MorphableModel) -> Studio:
    """Prepares a face model for `render`; takes about a second."""
    model = jax.tree.map(np.asarray, model)
    corners = model.mean[model.landmark_vertices]
    landmarks = np.einsum("lk,lkd->ld", model.landmark_weights, corners)
    millimetre = float(np.linalg.norm(landmarks[36] - landmarks[45])) / _EYE_SPAN
    centre = landmarks.mean(axis=0)
    surface = ((model.mean - centre) / millimetre).astype(np.float32)
    landmarks = ((landmarks - centre) / millimetre).astype(np.float32)
    # Seen from an axis behind everything, no angle wraps around.
    axis = surface[:, 2].min() - 1
    angle = np.arctan2(surface[:, 0], surface[:, 2] - axis)
    features, origin = _feature_map(landmarks)
    sphere = trimesh.creation.icosphere(subdivisions=3)
    return Studio(
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
        around=(angle * (landmarks[30, 2] - axis)).astype(np.float32),
        regions=_regions(surface, landmarks, np.asarray(model.triangles)),
        features=features,
        origin=origin,
        noise=_noise_tile(),
        ball=(sphere.vertices.astype(np.float32), sphere.faces.astype(np.int32)),
    )


def _regions(surface: np.ndarray, landmarks: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    x, y, z = np.abs(surface[:, 0]), surface[:, 1], surface[:, 2]
    columns = (
        ambient_share(surface, triangles),
        _eyeballs(surface, landmarks, triangles),
        _mouth_inside(surface, landmarks),
        _beard(x, y, landmarks),
        _ruddiness(surface, landmarks),
        _above_hair_line(x, y, z, landmarks),
    )
    return np.stack(columns, axis=-1).astype(np.float32)


def _eyeballs(surface: np.ndarray, landmarks: np.ndarray, triangles: np.ndarray) -> np.ndarray:
    """1 for the separate parts of the mesh that lie at the eyes."""
    first, second = triangles.T[[0, 1, 2]].ravel(), triangles.T[[1, 2, 0]].ravel()
    links = scipy.sparse.coo_array(
        (np.ones(len(first)), (first, second)), shape=(len(surface), len(surface))
    )
    count, part = scipy.sparse.csgraph.connected_components(links, directed=False)
    result = np.zeros(len(surface))
    for index in range(count):
        centre = surface[part == index].mean(axis=0)
        for eye in EYES:
            corners = landmarks[eye]
            if np.linalg.norm(centre - corners.mean(axis=0)) < np.ptp(corners[:, 0]) / 2:
                result[part == index] = 1
    return result


def _mouth_inside(surface: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """1 for what lies behind the inner lips, between their corners."""
    lips = landmarks[_INNER_LIPS]
    order = np.argsort(lips[:, 0])
    front = np.interp(surface[:, 0], lips[order, 0], lips[order, 2])
    outer = landmarks[_LIPS]
    low = np.array([lips[:, 0].min(), outer[:, 1].min() - _MOUTH_MARGIN])
    high = np.array([lips[:, 0].max(), outer[:, 1].max() + _MOUTH_MARGIN])
    near = ((surface[:, :2] > low) & (surface[:, :2] < high)).all(axis=1)
    return near * rise(front - surface[:, 2], 2.5, 5.0)


def _beard(x: np.ndarray, y: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    corner, nose, ear, chin = landmarks[54], landmarks[33], landmarks[15], landmarks[8]
    upper = np.interp(x, [0, corner[0], ear[0]], [nose[1] - 2, corner[1] + 12, ear[1] + 8])
    return rise(upper - y, 0, 8) * rise(y - chin[1], -25, -5) * rise(ear[0] - x, -6, 0)


def _ruddiness(surface: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    """1 on the cheeks and the tip of the nose, less around."""
    cheeks = [(landmarks[eye] + landmarks[corner]) / 2 for eye, corner in ((36, 31), (45, 35))]
    spots = [(centre + np.array([0, -6, 0]), 16.0) for centre in cheeks] + [(landmarks[30], 10.0)]
    return sum(
        np.exp(-np.sum((surface - centre) ** 2, axis=-1) / (2 * radius**2))
        for centre, radius in spots
    )


def _above_hair_line(
    x: np.ndarray, y: np.ndarray, z: np.ndarray, landmarks: np.ndarray
) -> np.ndarray:
    """mm outside an oval around the face, made negative at the ears and below."""
    ear = landmarks[16]
    top = landmarks[19, 1] + 56
    middle = ear[1] - 8
    radius = np.hypot(x / (ear[0] - 4), (y - middle) / (top - middle))
    beyond = (radius - 1) * (top - middle)
    below = np.maximum(ear[1] - y, 0) * 3
    pinna = 60 * rise(x, ear[0] + 1, ear[0] + 4) * rise(ear[1] + 30 - y, 0, 8)
    return beyond - below - pinna


def _feature_map(landmarks: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Signed distances to brows, lips and eyes on the front of the face, and where they begin."""
    low = landmarks[:, :2].min(axis=0) - _MAP_MARGIN
    size = np.ceil((np.ptp(landmarks[:, :2], axis=0) + 2 * _MAP_MARGIN) / MAP_STEP).astype(int)

    def distance(*outlines):
        canvas = Image.new("1", tuple(size.tolist()))
        draw = ImageDraw.Draw(canvas)
        for outline in outlines:
            points = (outline - low) / MAP_STEP - 0.5
            draw.polygon([(float(px), float(py)) for px, py in points], fill=1)
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
    """A brow around its five landmarks, thinner toward the temple."""
    share = 1 - np.abs(points[:, 0]) / np.abs(points[:, 0]).max()
    above, below = np.zeros_like(points), np.zeros_like(points)
    above[:, 1] = 1.0
    below[:, 1] = -1.0 - 3.5 * np.minimum(2 * share, 1)
    return np.concatenate([points + above, (points + below)[::-1]])


def _noise_tile(size: int = 256) -> np.ndarray:
    white = np.random.default_rng(0).standard_normal((size, size))
    smooth = scipy.ndimage.gaussian_filter(white, 1.0, mode="wrap")
    return (smooth / smooth.std()).astype(np.float32)
