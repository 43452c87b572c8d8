"""What a trained network gets wrong on a test set whose faces are known in 3D."""

import functools
import pathlib

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PyTree

from twodasl_jax.data.face_crops import VISIBLE, open_face_crops, read_index
from twodasl_jax.evaluation.landmark_error import normalized_mean_error, point_distances
from twodasl_jax.geometry.alignment import apply_similarity, rigid_between
from twodasl_jax.geometry.coefficients import unwhiten
from twodasl_jax.geometry.landmark_map import MapStyle, draw_landmark_map
from twodasl_jax.geometry.morphable_model import MorphableModel, synthesize
from twodasl_jax.models.weights import Weights
from twodasl_jax.networks import network_input
from twodasl_jax.training.batches import plain_faces
from twodasl_jax.training.face_space import FaceSpace, build_space, project
from twodasl_jax.training.state import AnnotatedFaces

# By name: title with unit.
MEASURES = {
    "nme": "NME of 68 points, %",
    "nme_with_landmarks": "NME of 68 points, noisy landmarks given, %",
    "nme_3d": "3D NME of 68 points, %",
    "shape": "shape error, mm",
}
_CHUNK = 64
# As `largest_fit_error` of the configs.
_LARGEST_ERROR = 0.06


def read_faces(test_set: str, face_model: str) -> AnnotatedFaces:
    """Returns the well annotated faces of "FOLDER" or "FOLDER:SPLIT" as the network sees them; "train" is the default.

    Raises:
      DatasetError: nothing was prepared there, or for another face model.
    """
    folder, _, split = test_set.partition(":")
    builder = open_face_crops(pathlib.Path(folder), face_model)
    records = builder.as_data_source(split or "train")
    usable = np.flatnonzero(read_index(builder, split or "train").error <= _LARGEST_ERROR)
    return plain_faces([(records, int(row)) for row in usable])


def face_errors(
    model: MorphableModel, weights: Weights, faces: AnnotatedFaces
) -> dict[str, Float[np.ndarray, " N"]]:
    """Returns each of `MEASURES` for each face.

    The landmark map is empty, except where landmarks are given. The shape error compares the neutral faces, identity
    alone: mean distance of corresponding vertices after the best rigid motion.
    """
    space = build_space(model, weights.whitening, "landmarks")
    # The same program for all runs: what differs between them is handed over.
    measure = jax.jit(functools.partial(_errors, weights.network(), weights.landmark_map, model))
    count = len(faces.image)
    chunks = [
        jax.device_get(
            measure(
                weights.variables,
                space,
                jax.tree.map(lambda leaf, at=at: leaf[at : at + _CHUNK], faces),
            )
        )
        for at in range(0, count, _CHUNK)
    ]
    return {name: np.concatenate([chunk[name] for chunk in chunks]) for name in MEASURES}


def _errors(
    network: nn.Module,
    landmark_map: MapStyle,
    model: MorphableModel,
    variables: PyTree,
    space: FaceSpace,
    faces: AnnotatedFaces,
) -> dict[str, Float[Array, " B"]]:
    truth = space.coefficients(faces.vector)
    points = project(truth, space.landmarks)
    every = jnp.ones(points.shape[:-1], bool)
    visible = (faces.visibility == VISIBLE)[..., None]

    def predict(landmarks):
        maps = draw_landmark_map(landmarks, landmark_map)
        vector = network.apply(variables, network_input(faces.image, maps), train=False)
        return space.coefficients(unwhiten(vector, space.whitening))

    def nme(coefficients, dimensions):
        predicted = project(coefficients, space.landmarks)[..., :dimensions]
        return normalized_mean_error(predicted, points[..., :dimensions], every)[0]

    unaided = predict(jnp.full_like(faces.landmarks, jnp.nan))
    return {
        "nme": nme(unaided, 2),
        "nme_with_landmarks": nme(predict(jnp.where(visible, faces.landmarks, jnp.nan)), 2),
        "nme_3d": nme(unaided, 3),
        "shape": _shape_error(model, unaided.shape, jnp.asarray(truth.shape)),
    }


def _shape_error(
    model: MorphableModel, predicted: Float[Array, "B S"], true: Float[Array, "B S"]
) -> Float[Array, " B"]:
    neutral = jnp.zeros((len(true), len(model.expression_std)))
    moved, target = synthesize(model, predicted, neutral), synthesize(model, true, neutral)
    weights = jnp.ones(target.shape[:-1])
    aligned = apply_similarity(rigid_between(moved, target, weights), moved)
    return jnp.mean(point_distances(aligned, target), axis=-1)
