"""Errors of trained weights on a test set with 3D annotations."""

import functools
import pathlib

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PyTree

from twodasl_jax.array_types import Array
from twodasl_jax.data.face_crops import open_face_crops, read_index
from twodasl_jax.evaluation.landmark_error import point_distances
from twodasl_jax.geometry.alignment import apply_similarity, rigid_between
from twodasl_jax.geometry.landmark_map import MapStyle
from twodasl_jax.geometry.morphable_model import MorphableModel, synthesize
from twodasl_jax.models.weights import Weights
from twodasl_jax.training.batches import load_faces
from twodasl_jax.training.face_space import FaceSpace, build_space
from twodasl_jax.training.settings import RunSettings
from twodasl_jax.training.state import AnnotatedFaces
from twodasl_jax.training.validation import (
    chunks,
    landmark_errors,
    no_landmarks,
    predict_coefficients,
    visible_labels,
)

# The title and unit of each measure.
MEASURES = {
    "nme": "NME of 68 points, %",
    "nme_with_landmarks": "NME of 68 points, noisy landmarks given, %",
    "nme_3d": "3D NME of 68 points, %",
    "shape": "shape error, mm",
}
_CHUNK_SIZE = 64


def read_faces(test_set: str, face_model: str) -> AnnotatedFaces:
    """Returns the accurately annotated faces of a test set as crops without a margin.

    Args:
      test_set: "FOLDER" or "FOLDER:SPLIT" of prepared data; the default split is "train".
      face_model: the digest of the face model.

    Raises:
      DatasetError: the folder contains no prepared data, or data for another face model.
    """
    folder, _, split = test_set.partition(":")
    builder = open_face_crops(pathlib.Path(folder), face_model)
    records = builder.as_data_source(split or "train")
    errors = read_index(builder, split or "train").error
    accurate = np.flatnonzero(errors <= RunSettings.largest_fit_error)
    return load_faces([(records, int(row)) for row in accurate])


def face_errors(
    model: MorphableModel, weights: Weights, faces: AnnotatedFaces
) -> dict[str, Float[np.ndarray, " N"]]:
    """Returns each of `MEASURES` for each face.

    The landmark map is empty, except for `nme_with_landmarks`. The shape error is the mean distance of corresponding
    vertices of the neutral faces, predicted and annotated, after rigid alignment.
    """
    space = build_space(model, weights.whitening, "landmarks")
    # Variables and face space are arguments, so that all runs share one compiled program.
    measure = jax.jit(functools.partial(_errors, weights.network(), weights.landmark_map, model))
    parts = [
        jax.device_get(measure(weights.variables, space, chunk))
        for chunk in chunks(faces, _CHUNK_SIZE)
    ]
    return {name: np.concatenate([part[name] for part in parts]) for name in MEASURES}


def _errors(
    network: nn.Module,
    style: MapStyle,
    model: MorphableModel,
    variables: PyTree,
    space: FaceSpace,
    faces: AnnotatedFaces,
) -> dict[str, Float[Array, " B"]]:
    predict = functools.partial(predict_coefficients, network, variables, space, style, faces)
    unaided = predict(no_landmarks(faces))
    aided = predict(visible_labels(faces))
    annotated_shape = jnp.asarray(space.coefficients(faces.vector).shape)
    return {
        "nme": landmark_errors(space, unaided, faces),
        "nme_with_landmarks": landmark_errors(space, aided, faces),
        "nme_3d": landmark_errors(space, unaided, faces, dimensions=3),
        "shape": _shape_error(model, unaided.shape, annotated_shape),
    }


def _shape_error(
    model: MorphableModel, predicted: Float[Array, "B S"], annotated: Float[Array, "B S"]
) -> Float[Array, " B"]:
    neutral = jnp.zeros((len(annotated), len(model.expression_std)))
    source, target = synthesize(model, predicted, neutral), synthesize(model, annotated, neutral)
    weights = jnp.ones(target.shape[:-1])
    aligned = apply_similarity(rigid_between(source, target, weights), source)
    return jnp.mean(point_distances(aligned, target), axis=-1)
