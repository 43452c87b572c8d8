"""Rendered faces with known pose and coefficients, and the errors of meshes in millimetres.

    annotations.npz    the arrays of `annotations`; shape (N, S) and expression (N, E) in standard deviations;
                       the camera to the image frame: scale (N,), rotation (N, 3, 3), translation (N, 3)
    face_model.npz     the face model of the coefficients
    images/            NAME.png

The baseline replaces every prediction by the mean face of the model. A method with larger errors than the baseline has
learned nothing about the shape, even if its landmarks are accurate.
"""

import dataclasses
import pathlib
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import tqdm
from jaxtyping import Bool, Float

from twodasl_jax.array_types import Array
from twodasl_jax.errors import DatasetError
from twodasl_jax.evaluation import landmark_error
from twodasl_jax.evaluation.mesh_error import Surface
from twodasl_jax.files.array_files import read_rows
from twodasl_jax.geometry.alignment import apply_similarity, rigid_between
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space, synthesize
from twodasl_jax.geometry.projection import WeakPerspective, affine_from_camera
from twodasl_jax.models.face_model import load_face_model
from twodasl_jax.protocols.annotated_photos import CROP_RULE, AnnotatedPhotos, rows_of
from twodasl_jax.protocols.annotations import read_annotated_photos
from twodasl_jax.protocols.predictions import Predictions
from twodasl_jax.protocols.scoring import FaceErrors
from twodasl_jax.protocols.surfaces import (
    FACE_RADIUS_MM,
    NOSE_TIP,
    crop_face,
    flip_y,
    mean_distances,
)

TRUTH = "true mesh"


@dataclasses.dataclass(frozen=True, eq=False)
class SyntheticTruth:
    """The ground truth of rendered faces.

    Attributes:
      names: the names of the N faces.
      model: the face model.
      coefficients: the coefficients of the N faces. Their affine matrices project to the image frame.
    """

    names: tuple[str, ...]
    model: MorphableModel
    coefficients: Coefficients


def read_synthetic(folder: pathlib.Path) -> tuple[AnnotatedPhotos, SyntheticTruth]:
    """Reads the output of experiments/render_test_set.py --source=face_model.

    Raises:
      DatasetError: a file or an array is missing or has another shape.
      FaceModelError: the face model cannot be read.
    """
    photos = read_annotated_photos(folder)
    path = folder / "annotations.npz"
    model = load_face_model(folder / "face_model.npz")
    rows = read_rows(
        path,
        {
            "shape": model.shape_std.shape,
            "expression": model.expression_std.shape,
            "scale": (),
            "rotation": (3, 3),
            "translation": (3,),
        },
    )
    arrays = {name: values.astype(np.float32) for name, values in rows.items()}
    camera = WeakPerspective(arrays["scale"], arrays["rotation"], arrays["translation"])
    affine = np.asarray(affine_from_camera(camera))
    coefficients = Coefficients(affine, arrays["shape"], arrays["expression"])
    truth = SyntheticTruth(photos.names, model, coefficients)
    return dataclasses.replace(photos, crop=CROP_RULE), truth


def mesh_scores(
    truth: SyntheticTruth, photos: AnnotatedPhotos, predictions: Predictions
) -> list[FaceErrors]:
    """Returns the errors of dense meshes, and those of the mean face (`*_mean_face`).

        metric                 definition
        mesh                   mm between corresponding vertices after the best similarity
        identity               mm between the neutral faces of the shape coefficients after the best rigid motion
        dense_nme_2d, _3d      as nme68_2d and nme68_3d, over all vertices
        mesh_point_to_point    for meshes of another topology: mm to the nearest vertex after ICP with scale
        mesh_point_to_plane    the same along normals

    All metrics except `dense_nme` cover the vertices within 95 mm of the nose tip. `identity` needs `shape`
    coefficients.

    Raises:
      DatasetError: the number of shape coefficients differs from that of the face model, or meshes of another
        topology come with 2D landmarks.
    """
    if predictions.vertices is None:
        return []
    true_shape = truth.coefficients.shape
    if predictions.shape is not None and predictions.shape.shape[1:] != true_shape.shape[1:]:
        raise DatasetError(
            f"{predictions.source} has {predictions.shape.shape[1]} shape coefficients per face, but the "
            f"face model of the test set has {true_shape.shape[1]}: leave them out if the model is another one."
        )
    same_topology = predictions.vertices.shape[1] == len(truth.model.mean)
    if not same_topology and predictions.landmarks.shape[2] != 3:
        raise DatasetError(
            f"{predictions.source} has meshes of another face model. They need landmarks with x, y and z, "
            "which initialise ICP."
        )
    errors_of = _corresponding_errors if same_topology else _nearest_point_errors
    rows = rows_of(photos.names, truth.names, "the test set")
    model = jax.tree.map(jnp.asarray, truth.model)
    shapes = [None] * len(rows) if predictions.shape is None else predictions.shape
    predicted = map(_PredictedFace, predictions.vertices, predictions.landmarks, shapes)
    progress = tqdm.tqdm(rows, desc="meshes", unit="face", disable=None)
    faces = [
        errors_of(model, _select(truth.coefficients, row), face)
        for row, face in zip(progress, predicted, strict=True)
    ]
    all_faces = np.ones(len(rows), bool)
    return [
        FaceErrors(
            metric,
            TRUTH,
            "%" if metric.startswith("dense_nme") else "mm",
            np.array([face[metric] for face in faces]),
            all_faces,
        )
        for metric in faces[0]
    ]


class _PredictedFace(NamedTuple):
    vertices: Float[np.ndarray, "V 3"]
    landmarks: Float[np.ndarray, "68 D"]
    shape: Float[np.ndarray, " S"] | None


def _select(coefficients: Coefficients, row: int) -> Coefficients:
    return jax.tree.map(lambda values: values[row], coefficients)


@jax.jit
def _corresponding_errors(
    model: MorphableModel, true: Coefficients, predicted: _PredictedFace
) -> dict[str, Float[Array, ""]]:
    """Compares a mesh of the same face model vertex by vertex."""
    face = _near_nose_tip(model)
    mesh = synthesize(model, true.shape, true.expression)
    in_image = decode(model, true)
    landmarks = decode(landmark_space(model), true)
    size = landmark_error.box_size(landmarks, jnp.ones(len(landmarks), bool))
    all_vertices = jnp.ones(len(mesh), bool)

    def dense(vertices, target):
        distances = landmark_error.point_distances(vertices, target)
        return landmark_error.mean_error(distances, all_vertices, size)

    def after_similarity(vertices):
        aligned = landmark_error.match_by_similarity(vertices, mesh, face)
        return _mean_distance(aligned, mesh, face)

    errors = {
        "mesh": after_similarity(flip_y(predicted.vertices)),
        "mesh_mean_face": after_similarity(model.mean),
        "dense_nme_2d": dense(predicted.vertices[:, :2], in_image[:, :2]),
        "dense_nme_3d": dense(
            landmark_error.match_mean_depth(predicted.vertices, in_image, all_vertices), in_image
        ),
    }
    if predicted.shape is None:
        return errors
    neutral = jnp.zeros_like(true.expression)
    identity = synthesize(model, true.shape, neutral)

    def after_rigid_motion(vertices):
        motion = rigid_between(vertices, identity, jnp.asarray(face, identity.dtype))
        return _mean_distance(apply_similarity(motion, vertices), identity, face)

    return errors | {
        "identity": after_rigid_motion(synthesize(model, predicted.shape, neutral)),
        "identity_mean_face": after_rigid_motion(model.mean),
    }


def _mean_distance(
    vertices: Float[Array, "V 3"], true: Float[Array, "V 3"], face: Bool[Array, " V"]
) -> Float[Array, ""]:
    distances = landmark_error.point_distances(vertices, true)
    return jnp.sum(jnp.where(face, distances, 0.0)) / jnp.sum(face)


def _near_nose_tip(model: MorphableModel) -> Bool[Array, " V"]:
    tip = landmark_space(model).mean[NOSE_TIP]
    return jnp.linalg.norm(model.mean - tip, axis=1) <= FACE_RADIUS_MM


def _nearest_point_errors(
    model: MorphableModel, true: Coefficients, predicted: _PredictedFace
) -> dict[str, float]:
    """Compares a mesh of any topology."""
    space = landmark_space(model)
    mesh, landmarks = (
        np.asarray(synthesize(part, true.shape, true.expression)) for part in (model, space)
    )
    surface = crop_face(Surface(mesh, np.asarray(model.triangles)), landmarks)
    candidates = {
        "": (flip_y(predicted.vertices), flip_y(predicted.landmarks)),
        "_mean_face": (np.asarray(model.mean), np.asarray(space.mean)),
    }
    errors = {}
    for suffix, candidate in candidates.items():
        to_point, to_plane = mean_distances(surface, landmarks, *candidate)
        errors[f"mesh_point_to_point{suffix}"] = to_point
        errors[f"mesh_point_to_plane{suffix}"] = to_plane
    return errors
