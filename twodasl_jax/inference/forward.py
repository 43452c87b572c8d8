"""The forward pass from crops to faces, as pure functions of arrays.

    crops, landmark maps -> network -> coefficients -> geometry

`reconstruction` compiles these functions. `experiments/export.py` exports them.
"""

import dataclasses
import functools
import operator
from typing import TypedDict

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PyTree, UInt8

from twodasl_jax.array_types import Array
from twodasl_jax.geometry import frames
from twodasl_jax.geometry.coefficients import (
    Coefficients,
    Whitening,
    coefficients_from_official,
    official_from_coefficients,
)
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.fitting import Noise, refine_prediction
from twodasl_jax.geometry.frames import CROP_SIZE
from twodasl_jax.geometry.landmark_map import MapStyle, draw_landmark_map
from twodasl_jax.geometry.landmark_sets import LANDMARK_SETS
from twodasl_jax.geometry.mirroring import (
    CoefficientMirror,
    coefficient_mirror,
    mirror_coefficients,
    mirror_landmarks,
)
from twodasl_jax.geometry.morphable_model import (
    LandmarkRows,
    MorphableModel,
    ShapeSpace,
    barycentric,
    component_matrix,
    landmark_space,
    point_space,
    synthesize_with,
)
from twodasl_jax.geometry.projection import (
    affine_from_camera,
    camera_from_affine,
    picture_from_model_affine,
)
from twodasl_jax.geometry.rotation import euler_from_rotation
from twodasl_jax.networks import fold
from twodasl_jax.networks.regression import regress

# Detected and predicted landmarks, in crop pixels.
_NOISE = Noise(detected=1.0, predicted=4.0, outlier_scale=3.0)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class ForwardPass:
    """A network and the arrays of its forward pass. A pytree: its static fields are part of the compiled program.

    Attributes:
      model: the face model.
      components: (S + E, V * 3) the `component_matrix` of the face model.
      mirror: the maps from coefficients to those of the mirror image.
      variables: the parameters of the network.
      whitening: the whitening of the vectors that the network regresses.
      mark_up: the points of the landmarks that callers pass; None for the landmarks of the face model.
      network: the regressor, with BatchNorm folded into its convolutions.
      map_style: the style of the landmark map that the network was trained with.
      reflect: whether to apply flip averaging, which is more accurate and doubles the time of the network.
    """

    model: MorphableModel
    components: Float[Array, "K N"]
    mirror: CoefficientMirror
    variables: PyTree
    whitening: Whitening
    mark_up: ShapeSpace | None
    network: nn.Module = dataclasses.field(metadata={"static": True})
    map_style: MapStyle = dataclasses.field(metadata={"static": True})
    reflect: bool = dataclasses.field(metadata={"static": True})


def build_forward_pass(
    model: MorphableModel,
    network: nn.Module,
    variables: PyTree,
    whitening: Whitening,
    map_style: MapStyle,
    landmark_rows: LandmarkRows | None = None,
    *,
    reflect: bool = True,
) -> ForwardPass:
    """Returns the forward pass of a trained network.

    Args:
      model: the face model that the network was trained with.
      network: a regressor of `twodasl_jax.networks`.
      variables: its parameters and BatchNorm statistics.
      whitening: the whitening of the vectors that the network regresses.
      map_style: the style of the landmark map that the network was trained with.
      landmark_rows: the mark-up of the landmarks that callers pass; None for the face model's own.
      reflect: whether to apply flip averaging.
    """
    mark_up = (
        None
        if landmark_rows is None
        else point_space(model, landmark_rows.vertices, landmark_rows.weights)
    )
    folded, folded_variables = fold(network, variables)
    forward = ForwardPass(
        model=model,
        components=component_matrix(model),
        mirror=coefficient_mirror(model),
        variables=folded_variables,
        whitening=whitening,
        mark_up=mark_up,
        network=folded,
        map_style=map_style,
        reflect=reflect,
    )
    return jax.tree.map(jnp.asarray, forward)


class ReconstructedFaces(TypedDict):
    """A batch of faces: the computed fields of `reconstruction.Face`."""

    vertices: Float[Array, "B V 3"]
    landmarks: Float[Array, "B 68 3"]
    coefficients: Float[Array, "B C"]
    euler_angles: Float[Array, "B 3"]


def faces_from_crops(
    forward: ForwardPass, crops: UInt8[Array, "B 120 120 3"], boxes: Float[Array, "B 4"]
) -> ReconstructedFaces:
    """Returns the faces of crops without input landmarks.

    Args:
      forward: the forward pass.
      crops: (B, 120, 120, 3) RGB.
      boxes: (B, 4) x0, y0, x1, y1 of the crops, image frame.
    """
    empty = _empty_maps(crops)
    return faces_from_coefficients(forward, _predict(forward, crops, empty, empty), boxes)


def faces_of_whole_crops(
    forward: ForwardPass, crops: UInt8[Array, "B 120 120 3"]
) -> ReconstructedFaces:
    """Returns the faces of crops without input landmarks, in the crop frame."""
    corners = jnp.array([0, 0, CROP_SIZE, CROP_SIZE], jnp.float32)
    boxes = jnp.broadcast_to(corners, (crops.shape[0], 4))
    return faces_from_crops(forward, crops, boxes)


def faces_from_landmarks(
    forward: ForwardPass,
    crops: UInt8[Array, "B 120 120 3"],
    landmarks: Float[Array, "B 68 2"],
    boxes: Float[Array, "B 4"],
    *,
    refine: bool,
) -> ReconstructedFaces:
    """Returns the faces of crops with landmarks.

    If the landmarks follow another mark-up than the face model's (`ForwardPass.mark_up`), they are first moved by
    the offset between the two mark-ups on the face that the network predicts without landmarks.

    Args:
      forward: the forward pass.
      crops: (B, 120, 120, 3) RGB.
      landmarks: (B, 68, 2) image frame; nan marks missing ones.
      boxes: (B, 4) x0, y0, x1, y1 of the crops, image frame.
      refine: whether to fit the predictions to the landmarks (`refine_prediction`).
    """
    landmarks = frames.crop_from_image(landmarks, boxes)
    own, mark_up = landmark_space(forward.model), forward.mark_up
    input_landmarks = landmarks
    if mark_up is not None:
        empty = _empty_maps(crops)
        first = _predict(forward, crops, empty, empty)
        input_landmarks = landmarks + (decode(own, first) - decode(mark_up, first))[..., :2]
    draw = functools.partial(draw_landmark_map, style=forward.map_style)
    maps, flipped_maps = draw(input_landmarks), draw(mirror_landmarks(input_landmarks))
    faces = _predict(forward, crops, maps, flipped_maps)
    if refine:
        faces = _refine(own if mark_up is None else mark_up, faces, landmarks, forward.map_style)
    return faces_from_coefficients(forward, faces, boxes)


def faces_from_coefficients(
    forward: ForwardPass, faces: Coefficients, boxes: Float[Array, "B 4"]
) -> ReconstructedFaces:
    """Returns the faces of coefficients, with their 3x4 matrices made weak-perspective and their depth offset zero.

    Args:
      forward: the forward pass; only its face model is used.
      faces: a batch of coefficients.
      boxes: (B, 4) x0, y0, x1, y1 of the crops, image frame.
    """
    camera = camera_from_affine(faces.affine)
    on_image_plane = camera.translation * jnp.array([1.0, 1.0, 0.0])
    affine = affine_from_camera(dataclasses.replace(camera, translation=on_image_plane))
    model = forward.model
    # One product with the component matrix is faster than `decode`, which matters for dense meshes.
    points = synthesize_with(model.mean, faces.shape, faces.expression, forward.components)
    vertices = picture_from_model_affine(frames.image_affine_from_crop(affine, boxes), points)
    coefficients = dataclasses.replace(faces, affine=affine)
    return {
        "vertices": vertices,
        "landmarks": barycentric(vertices, model.landmark_vertices, model.landmark_weights),
        "coefficients": official_from_coefficients(coefficients),
        "euler_angles": jnp.degrees(euler_from_rotation(camera.rotation)),
    }


def faces_from_vectors(
    forward: ForwardPass, vectors: Float[Array, "B C"], boxes: Float[Array, "B 4"]
) -> ReconstructedFaces:
    """Returns the faces of coefficient vectors in the official layout; see `faces_from_coefficients`."""
    shape_count = len(forward.model.shape_std)
    faces = coefficients_from_official(vectors, shape_count)
    return faces_from_coefficients(forward, faces, boxes)


def _empty_maps(crops: UInt8[Array, "B 120 120 3"]) -> Float[Array, "B 120 120"]:
    """Returns landmark maps without landmarks."""
    return jnp.broadcast_to(jnp.float32(-1), crops.shape[:-1])


def _predict(
    forward: ForwardPass,
    crops: UInt8[Array, "B 120 120 3"],
    maps: Float[Array, "B 120 120"],
    flipped_maps: Float[Array, "B 120 120"],
) -> Coefficients:
    """Returns the predicted coefficients, with flip averaging if `forward.reflect`.

    Args:
      forward: the forward pass.
      crops: (B, 120, 120, 3) RGB.
      maps: (B, 120, 120) landmark maps of the crops.
      flipped_maps: (B, 120, 120) landmark maps of the mirrored crops.
    """
    if not forward.reflect:
        return _regress(forward, crops, maps)
    both = _regress(
        forward,
        jnp.concatenate([crops, crops[:, :, ::-1]]),
        jnp.concatenate([maps, flipped_maps]),
    )
    # A reshape supports a symbolic batch size; slices do not.
    pairs = jax.tree.map(lambda values: values.reshape(2, crops.shape[0], *values.shape[1:]), both)
    direct = jax.tree.map(operator.itemgetter(0), pairs)
    flipped = jax.tree.map(operator.itemgetter(1), pairs)
    flipped_back = mirror_coefficients(flipped, forward.mirror)
    return jax.tree.map(lambda a, b: (a + b) / 2, direct, flipped_back)


def _regress(
    forward: ForwardPass,
    crops: UInt8[Array, "B 120 120 3"],
    maps: Float[Array, "B 120 120"],
) -> Coefficients:
    vectors = regress(forward.network, forward.variables, forward.whitening, crops, maps)
    return coefficients_from_official(vectors, len(forward.model.shape_std))


def _refine(
    space: ShapeSpace,
    predicted: Coefficients,
    landmarks: Float[Array, "B 68 2"],
    map_style: MapStyle,
) -> Coefficients:
    """Fits predictions to the landmarks that the landmark map draws.

    Faces without any of these landmarks keep their prediction.
    """
    drawn = LANDMARK_SETS[map_style.points].parents

    def refine_one(face: Coefficients, points: Float[Array, "68 2"]) -> Coefficients:
        fit = refine_prediction(space, face, points, drawn.astype(np.float32), _NOISE)
        any_drawn = jnp.isfinite(points[drawn]).any()
        return jax.tree.map(lambda new, old: jnp.where(any_drawn, new, old), fit.coefficients, face)

    return jax.vmap(refine_one)(predicted, landmarks)
