"""A picture of a face and its truth."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float32, UInt8
from scipy.spatial.transform import Rotation

from twodasl_jax.array_types import typed
from twodasl_jax.geometry.projection import WeakPerspective
from twodasl_jax.rendering import rasterizer
from twodasl_jax.synthetic_faces.backdrop import background, body_layer
from twodasl_jax.synthetic_faces.blending import lay_over
from twodasl_jax.synthetic_faces.camera import develop
from twodasl_jax.synthetic_faces.occluders import occluder_layer
from twodasl_jax.synthetic_faces.parameters import Conditions, FaceParameters, sample_parameters
from twodasl_jax.synthetic_faces.skin import face_layer
from twodasl_jax.synthetic_faces.studio import Studio

SIDE = 192  # pixels of a picture
# 3DDFA's crop is a square of this many times the larger extent of the landmarks.
_CROP_MARGIN = float(np.sqrt(2))


class SyntheticFace(NamedTuple):
    """A picture of a face and its truth.

    Attributes:
      image: RGB.
      shape: identity, in standard deviations.
      expression: in standard deviations.
      camera: from the model frame to the image frame.
      yaw_pitch_roll: degrees; `camera.rotation` is their rotation.
      vertices: mesh in the image frame, pixels.
      landmarks: the 68 iBUG points in the image frame, pixels.
      visible: which landmarks the face itself does not hide, inside the picture or not.
      occluded: which landmarks lie in the picture under something in front of the face.
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
    studio: Studio,
    seed: int,
    index: int,
    *,
    side: int = SIDE,
    textures: Sequence[UInt8[np.ndarray, "_ _ 3"]] = (),
    conditions: Conditions = "usual",
) -> SyntheticFace:
    """Returns one face of an endless, repeatable series.

    Args:
      studio: the face model, made ready.
      seed: which series.
      index: which face of it.
      side: of the picture, pixels.
      textures: skins to choose from (`render`); with them half of the faces wear one.
      conditions: that the photo is taken in (`sample_parameters`).
    """
    rng = np.random.default_rng([seed, index])
    shape_count = studio.model.shape_std.shape[0]
    expression_count = studio.model.expression_std.shape[0]
    parameters = sample_parameters(rng, shape_count, expression_count, conditions)
    textured = len(textures) > 0 and rng.random() < 0.5
    texture = textures[int(rng.integers(len(textures)))] if textured else None
    return render(studio, parameters, side=side, texture=texture)


@typed
def render(
    studio: Studio,
    parameters: FaceParameters,
    *,
    side: int = SIDE,
    texture: UInt8[np.ndarray, "_ _ 3"] | None = None,
) -> SyntheticFace:
    """Draws a face.

    Args:
      studio: the face model, made ready.
      parameters: the face.
      side: of the picture, pixels.
      texture: skin as sRGB in the model's texture coordinates, first row at the top (v = 1). It
        replaces the colour of the skin, which then only tints it; brows, eyes and hair are painted
        over it. Each sample takes its nearest texel: a face some 300 texels wide suits best.

    Returns:
      The picture and its truth. The picture shows the vertices where the truth says they are.
    """
    rng = np.random.default_rng(parameters.detail)
    camera, vertices, landmarks = _pose(studio, parameters, side)
    picture = background(rng, side)
    lay_over(picture, body_layer(studio, parameters, camera, rng, side))
    lay_over(picture, face_layer(studio, parameters, vertices, texture, rng, side))
    cover = occluder_layer(parameters.occluder, landmarks[:, :2], rng, side)
    lay_over(picture, cover)
    return SyntheticFace(
        image=develop(picture, parameters.capture, rng),
        shape=parameters.shape,
        expression=parameters.expression,
        camera=camera,
        yaw_pitch_roll=parameters.yaw_pitch_roll,
        vertices=vertices,
        landmarks=landmarks,
        visible=rasterizer.unhidden_points(landmarks, vertices, np.asarray(studio.model.triangles)),
        occluded=_covered(cover[..., 3], landmarks),
    )


def _pose(
    studio: Studio, parameters: FaceParameters, side: int
) -> tuple[WeakPerspective, np.ndarray, np.ndarray]:
    """Returns camera, vertices and landmarks that put the crop where the parameters say."""
    model = studio.model
    coefficients = np.concatenate([parameters.shape, parameters.expression])
    points = model.mean + studio.basis @ coefficients
    yaw, pitch, roll = np.asarray(parameters.yaw_pitch_roll, np.float64)
    # The package's angles turn the other way round than SciPy's.
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


def _covered(opacity: np.ndarray, landmarks: np.ndarray) -> np.ndarray:
    side = len(opacity)
    inside = ((landmarks[:, :2] >= 0) & (landmarks[:, :2] < side)).all(axis=1)
    column, row = np.clip(landmarks[:, :2], 0, side - 1).astype(int).T
    return inside & (opacity[row, column] > 0.5)
