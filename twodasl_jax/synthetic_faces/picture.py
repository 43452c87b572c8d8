"""Synthetic photos of faces and their ground truth."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from scipy.spatial.transform import Rotation

from twodasl_jax.array_types import typed
from twodasl_jax.geometry.projection import WeakPerspective
from twodasl_jax.rendering.visibility import visible_points
from twodasl_jax.synthetic_faces.background import background, body_layer
from twodasl_jax.synthetic_faces.camera import simulate_camera
from twodasl_jax.synthetic_faces.drawing import composite
from twodasl_jax.synthetic_faces.occluders import occluder_layer
from twodasl_jax.synthetic_faces.parameters import Conditions, FaceParameters, sample_parameters
from twodasl_jax.synthetic_faces.renderable_model import RenderableModel
from twodasl_jax.synthetic_faces.skin import face_layer

SIDE = 192  # pixels
# Side of 3DDFA's square crop, relative to the larger extent of the landmarks.
_CROP_MARGIN = float(np.sqrt(2))


class SyntheticFace(NamedTuple):
    """A synthetic photo of a face and its ground truth.

    Attributes:
      image: RGB.
      shape: shape coefficients, in standard deviations.
      expression: expression coefficients, in standard deviations.
      camera: the camera from the model frame to the image frame.
      yaw_pitch_roll: the angles of `camera.rotation`, degrees.
      vertices: mesh in the image frame, pixels.
      landmarks: the 68 iBUG landmarks in the image frame, pixels.
      visible: which landmarks are not hidden by the face itself, inside the picture or not.
      occluded: which landmarks lie inside the picture and behind the occluder.
    """

    image: UInt8[np.ndarray, "side side 3"]
    shape: Float32[np.ndarray, " S"]
    expression: Float32[np.ndarray, " E"]
    camera: WeakPerspective
    yaw_pitch_roll: Float32[np.ndarray, "3"]
    vertices: Float32[np.ndarray, "V 3"]
    landmarks: Float32[np.ndarray, "68 3"]
    visible: Bool[np.ndarray, "68"]
    occluded: Bool[np.ndarray, "68"]


@typed
def synthetic_face(
    renderable: RenderableModel,
    seed: int,
    index: int,
    *,
    side: int = SIDE,
    textures: Sequence[UInt8[np.ndarray, "_ _ 3"]] = (),
    conditions: Conditions = "usual",
) -> SyntheticFace:
    """Renders one face of an endless, reproducible series.

    Args:
      renderable: the prepared face model.
      seed: the seed of the series.
      index: the index of the face in the series.
      side: the side of the picture, pixels.
      textures: skin textures (`render`). If there are any, half of the faces use one of them.
      conditions: the conditions of the photo (`sample_parameters`).
    """
    rng = np.random.default_rng([seed, index])
    shape_count = renderable.model.shape_std.shape[0]
    expression_count = renderable.model.expression_std.shape[0]
    parameters = sample_parameters(rng, shape_count, expression_count, conditions)
    textured = len(textures) > 0 and rng.random() < 0.5
    texture = textures[int(rng.integers(len(textures)))] if textured else None
    return render(renderable, parameters, side=side, texture=texture)


@typed
def render(
    renderable: RenderableModel,
    parameters: FaceParameters,
    *,
    side: int = SIDE,
    texture: UInt8[np.ndarray, "_ _ 3"] | None = None,
) -> SyntheticFace:
    """Renders a photo of a face.

    Args:
      renderable: the prepared face model.
      parameters: the parameters of the photo.
      side: the side of the picture, pixels.
      texture: a skin texture, sRGB, in the model's texture coordinates with the first row at the
        top (v = 1). It replaces the skin colour and receives a small random tint. Brows, eyes and
        hair are painted over it. Each sample takes the nearest texel, so a face about 300 texels
        wide works best.
    """
    rng = np.random.default_rng(parameters.detail)
    camera, vertices, landmarks = _pose(renderable, parameters, side)
    picture = background(rng, side)
    composite(picture, body_layer(renderable, parameters, camera, rng, side))
    composite(picture, face_layer(renderable, parameters, vertices, texture, rng, side))
    occluder = occluder_layer(parameters.occluder, landmarks[:, :2], rng, side)
    composite(picture, occluder)
    return SyntheticFace(
        image=simulate_camera(picture, parameters.capture, rng),
        shape=parameters.shape,
        expression=parameters.expression,
        camera=camera,
        yaw_pitch_roll=parameters.yaw_pitch_roll,
        vertices=vertices,
        landmarks=landmarks,
        visible=visible_points(landmarks, vertices, np.asarray(renderable.model.triangles)),
        occluded=_occluded(occluder[..., 3], landmarks),
    )


def _pose(
    renderable: RenderableModel, parameters: FaceParameters, side: int
) -> tuple[WeakPerspective, np.ndarray, np.ndarray]:
    """Returns the camera, vertices and landmarks that place the crop as the parameters require."""
    model = renderable.model
    coefficients = np.concatenate([parameters.shape, parameters.expression])
    points = model.mean + renderable.basis @ coefficients
    yaw, pitch, roll = np.asarray(parameters.yaw_pitch_roll, np.float64)
    # The angles of this package have the opposite sign of SciPy's.
    rotation = Rotation.from_euler("XYZ", [-pitch, -yaw, -roll], degrees=True).as_matrix()
    linear = rotation * np.array([1, -1, 1])[:, None]
    corners = points[model.landmark_vertices] @ linear.T
    flat = np.einsum("lk,lkd->ld", model.landmark_weights, corners)
    low, high = flat[:, :2].min(axis=0), flat[:, :2].max(axis=0)
    scale = parameters.crop_share * side / (_CROP_MARGIN * (high - low).max())
    shift = parameters.crop_centre * side - scale * (low + high) / 2
    translation = np.array([*shift, 0])
    camera = WeakPerspective(
        np.float32(scale) * np.ones((), np.float32),
        rotation.astype(np.float32),
        translation.astype(np.float32),
    )
    vertices = scale * points @ linear.T + translation
    return camera, vertices.astype(np.float32), (scale * flat + translation).astype(np.float32)


def _occluded(opacity: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    side = len(opacity)
    inside = ((landmarks[:, :2] >= 0) & (landmarks[:, :2] < side)).all(axis=1)
    column, row = np.clip(landmarks[:, :2], 0, side - 1).astype(int).T
    return inside & (opacity[row, column] > 0.5)
