"""The forward pass: crops in, faces out, as pure functions of arrays.

    crops, landmark map -> network -> coefficients -> geometry

`reconstruction` jits them, experiments/export.py writes them down for others to run.
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
    unwhiten,
)
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
    synthesize,
    synthesize_with,
)
from twodasl_jax.geometry.projection import (
    affine_from_camera,
    camera_from_affine,
    picture_from_model_affine,
)
from twodasl_jax.geometry.rotation import euler_from_rotation
from twodasl_jax.models.weights import Weights, check_face_model
from twodasl_jax.networks import fold, network_input

# Of given landmarks and of predicted ones, in crop pixels.
_NOISE = Noise(detected=1.0, predicted=4.0, outlier_scale=3.0)


@dataclasses.dataclass(frozen=True)
class Regressor:
    """What is fixed when a program is compiled.

    Attributes:
      network: that regresses coefficients.
      style: of the landmark map that it is shown.
      reflect: whether it looks at the mirror image of each face, too: better, and twice the network's time.
    """

    network: nn.Module
    style: MapStyle
    reflect: bool = True


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Parts:
    """What faces are computed with; arguments of the program, not constants inside it.

    Attributes:
      model: the face model.
      components: its `component_matrix`.
      mirror: what becomes of its coefficients in a mirror.
      variables: of the network.
      whitening: of the vectors that the network regresses.
      given: where on the mesh the landmarks lie that are given; None for the model's own.
    """

    model: MorphableModel
    components: Float[Array, "K N"]
    mirror: CoefficientMirror
    variables: PyTree
    whitening: Whitening
    given: ShapeSpace | None


def build(
    model: MorphableModel,
    weights: Weights,
    landmark_rows: LandmarkRows | None = None,
    *,
    reflect: bool = True,
) -> tuple[Regressor, Parts]:
    """Returns the network for inference, without BatchNorm, and what faces are computed with.

    Args:
      model: face model.
      weights: that were trained for it.
      landmark_rows: where on the mesh the landmarks lie that will be given; None for the model's own.
      reflect: see `Regressor`.

    Raises:
      WeightsError: the weights were trained for another face model.
    """
    check_face_model(weights, model)
    given = (
        None
        if landmark_rows is None
        else point_space(model, landmark_rows.vertices, landmark_rows.weights)
    )
    network, variables = fold(weights.network(), weights.variables)
    parts = Parts(
        model,
        component_matrix(model),
        coefficient_mirror(model),
        variables,
        weights.whitening,
        given,
    )
    regressor = Regressor(network, weights.landmark_map, reflect)
    return regressor, jax.tree.map(jnp.asarray, parts)


class ReconstructedFaces(TypedDict):
    """A batch of faces, the computed fields of `reconstruction.Face`."""

    vertices: Float[Array, "B V 3"]
    landmarks: Float[Array, "B 68 3"]
    coefficients: Float[Array, "B C"]
    euler_angles: Float[Array, "B 3"]


def faces_from_crops(
    regressor: Regressor,
    parts: Parts,
    crops: UInt8[Array, "B 120 120 3"],
    boxes: Float[Array, "B 4"],
) -> ReconstructedFaces:
    """Returns the faces of crops of which nothing else is known; boxes are those of the crops, image frame."""
    nothing = _no_map(crops)
    return faces_from_coefficients(parts, _look(regressor, parts, crops, nothing, nothing), boxes)


def faces_of_whole_crops(
    regressor: Regressor, parts: Parts, crops: UInt8[Array, "B 120 120 3"]
) -> ReconstructedFaces:
    """Returns the faces of crops in the crops' own frame, for whoever has no photo around them."""
    corners = jnp.array([0, 0, CROP_SIZE, CROP_SIZE], jnp.float32)
    boxes = jnp.broadcast_to(corners, (crops.shape[0], 4))
    return faces_from_crops(regressor, parts, crops, boxes)


def faces_from_landmarks(
    regressor: Regressor,
    refine: bool,
    parts: Parts,
    crops: UInt8[Array, "B 120 120 3"],
    landmarks: Float[Array, "B 68 2"],
    boxes: Float[Array, "B 4"],
) -> ReconstructedFaces:
    """Returns the faces of crops with noisy 2D landmarks, image frame, nan where there is none.

    Landmarks of another definition (`parts.given`) are shown where the model's own would be, as a first look at the
    photo alone sees them.
    """
    landmarks = frames.crop_from_image(landmarks, boxes)
    own, given = landmark_space(parts.model), parts.given
    seen = landmarks
    if given is not None:
        nothing = _no_map(crops)
        first = _look(regressor, parts, crops, nothing, nothing)
        seen = landmarks + (_projected(own, first) - _projected(given, first))[..., :2]
    draw = functools.partial(draw_landmark_map, style=regressor.style)
    face = _look(regressor, parts, crops, draw(seen), draw(mirror_landmarks(seen)))
    if refine:
        face = _refined(own if given is None else given, face, landmarks, regressor.style)
    return faces_from_coefficients(parts, face, boxes)


def faces_from_coefficients(
    parts: Parts, face: Coefficients, boxes: Float[Array, "B 4"]
) -> ReconstructedFaces:
    """Returns all that is said of faces, from their coefficients; boxes are those of the crops, image frame."""
    camera = camera_from_affine(face.affine)
    on_image_plane = camera.translation * jnp.array([1.0, 1.0, 0.0])
    affine = affine_from_camera(dataclasses.replace(camera, translation=on_image_plane))
    model = parts.model
    in_model = synthesize_with(model.mean, face.shape, face.expression, parts.components)
    vertices = picture_from_model_affine(frames.image_affine_from_crop(affine, boxes), in_model)
    coefficients = dataclasses.replace(face, affine=affine)
    return {
        "vertices": vertices,
        "landmarks": barycentric(vertices, model.landmark_vertices, model.landmark_weights),
        "coefficients": official_from_coefficients(coefficients),
        "euler_angles": jnp.degrees(euler_from_rotation(camera.rotation)),
    }


def faces_from_vectors(
    parts: Parts, vectors: Float[Array, "B C"], boxes: Float[Array, "B 4"]
) -> ReconstructedFaces:
    """Returns the faces of vectors as `Faces` holds them; boxes are those of the crops, image frame."""
    shape_count = len(parts.model.shape_std)
    return faces_from_coefficients(parts, coefficients_from_official(vectors, shape_count), boxes)


def _no_map(crops: UInt8[Array, "B 120 120 3"]) -> Float[Array, "B 120 120"]:
    return jnp.broadcast_to(jnp.float32(-1), crops.shape[:-1])


def _look(
    regressor: Regressor,
    parts: Parts,
    crops: UInt8[Array, "B 120 120 3"],
    maps: Float[Array, "B 120 120"],
    mirrored_maps: Float[Array, "B 120 120"],
) -> Coefficients:
    """Returns what the network says of each face: the mean over the face and its mirror image, or of the face alone."""
    if not regressor.reflect:
        return _regress(regressor, parts, network_input(crops, maps))
    inputs = network_input(
        jnp.concatenate([crops, crops[:, :, ::-1]]), jnp.concatenate([maps, mirrored_maps])
    )
    both = _regress(regressor, parts, inputs)
    # The number of crops may be symbolic, which slices do not know.
    pairs = jax.tree.map(lambda values: values.reshape(2, crops.shape[0], *values.shape[1:]), both)
    direct = jax.tree.map(operator.itemgetter(0), pairs)
    reflected = jax.tree.map(operator.itemgetter(1), pairs)
    # A face and its mirror image must agree; their mean is better than either.
    unreflected = mirror_coefficients(reflected, parts.mirror)
    return jax.tree.map(lambda a, b: (a + b) / 2, direct, unreflected)


def _regress(
    regressor: Regressor, parts: Parts, inputs: Float[Array, "B 120 120 4"]
) -> Coefficients:
    vectors = jnp.asarray(regressor.network.apply(parts.variables, inputs, train=False))
    return coefficients_from_official(
        unwhiten(vectors, parts.whitening), len(parts.model.shape_std)
    )


def _projected(space: ShapeSpace, face: Coefficients) -> Float[Array, "B P 3"]:
    in_model = synthesize(space, face.shape, face.expression)
    return picture_from_model_affine(face.affine, in_model)


def _refined(
    space: ShapeSpace,
    predicted: Coefficients,
    landmarks: Float[Array, "B 68 2"],
    style: MapStyle,
) -> Coefficients:
    """Moves predictions towards the landmarks that the network is shown; faces without any stay as they are."""
    shown = LANDMARK_SETS[style.points].parents

    def refine_one(face: Coefficients, points: Float[Array, "68 2"]) -> Coefficients:
        fit = refine_prediction(space, face, points, shown.astype(np.float32), _NOISE)
        refined = Coefficients(affine_from_camera(fit.camera), fit.shape, fit.expression)
        given = jnp.isfinite(points[shown]).any()
        return jax.tree.map(lambda new, old: jnp.where(given, new, old), refined, face)

    return jax.vmap(refine_one)(predicted, landmarks)
