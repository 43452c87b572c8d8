"""Rendered faces whose pose and every coefficient are known, and what only they can measure: the shape in millimetres.

    annotations.npz    as in `annotations`, and shape (N, S), expression (N, E) in standard deviations, and the camera
                       to the image frame: scale (N,), rotation (N, 3, 3), translation (N, 3)
    face_model.npz     the face model that the coefficients belong to
    images/            NAME.png

The mean face of the model, put in place of every prediction, is the baseline: a method whose mesh is no nearer has
learned nothing of the shape, however well its landmarks lie.
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
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space, synthesize
from twodasl_jax.geometry.projection import WeakPerspective, picture_from_model
from twodasl_jax.models.face_model import load_face_model
from twodasl_jax.protocols.annotated_photos import CROP_RULE, AnnotatedPhotos, rows_of
from twodasl_jax.protocols.annotations import read_annotated_photos
from twodasl_jax.protocols.predictions import Predictions
from twodasl_jax.protocols.scoring import FaceErrors
from twodasl_jax.protocols.surfaces import (
    FACE_RADIUS_MM,
    NOSE_TIP,
    face_of,
    mean_distances,
    upright,
)

TRUTH = "true mesh"


@dataclasses.dataclass(frozen=True, eq=False)
class SyntheticTruth:
    """What was rendered.

    Attributes:
      names: of the N faces.
      model: the face model.
      shape: (N, S) standard deviations.
      expression: (N, E) standard deviations.
      camera: of the N faces, to the image frame.
    """

    names: tuple[str, ...]
    model: MorphableModel
    shape: Float[np.ndarray, "N S"]
    expression: Float[np.ndarray, "N E"]
    camera: WeakPerspective


def read_synthetic(folder: pathlib.Path) -> tuple[AnnotatedPhotos, SyntheticTruth]:
    """Reads what experiments/render_faces.py wrote.

    Raises:
      DatasetError: a file or an array is missing or of another shape.
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
    truth = SyntheticTruth(photos.names, model, arrays["shape"], arrays["expression"], camera)
    return dataclasses.replace(photos, crop=CROP_RULE), truth


def mesh_scores(
    truth: SyntheticTruth, photos: AnnotatedPhotos, predictions: Predictions
) -> list[FaceErrors]:
    """Returns the errors of dense meshes, each beside the mean face's.

        metric                 compared
        mesh                   identity and expression together, mm, after the best similarity of corresponding vertices
        identity               identity alone, mm, after the best rigid motion; for methods with `shape` coefficients
        dense_nme_2d, _3d      as nme68_2d and nme68_3d, over all vertices
        mesh_point_to_point    meshes of another topology: mm, after ICP with scale
        mesh_point_to_plane    the same along normals

    The first two and the last two are over the vertices within 95 mm of the nose tip.

    Raises:
      DatasetError: `shape` has not as many coefficients as the face model, or meshes of another topology come with
        landmarks in 2D.
    """
    if predictions.vertices is None:
        return []
    if predictions.shape is not None and predictions.shape.shape[1:] != truth.shape.shape[1:]:
        raise DatasetError(
            f"{predictions.source} has {predictions.shape.shape[1]} shape coefficients a face, but the "
            f"face model of the test set has {truth.shape.shape[1]}: leave them out if it is another model."
        )
    same = predictions.vertices.shape[1] == len(truth.model.mean)
    if not same and predictions.landmarks.shape[2] != 3:
        raise DatasetError(
            f"{predictions.source} has meshes of another face model, which need landmarks with x, y and z: "
            "they start the search for nearest points."
        )
    errors_of = _corresponding_errors if same else _nearest_point_errors
    rows = rows_of(photos.names, truth.names, "the test set")
    model = jax.tree.map(jnp.asarray, truth.model)
    shapes = [None] * len(rows) if predictions.shape is None else predictions.shape
    predicted = map(_PredictedFace, predictions.vertices, predictions.landmarks, shapes)
    progress = tqdm.tqdm(rows, desc="meshes", unit="face", disable=None)
    faces = [
        errors_of(model, _true_face(truth, row), face)
        for row, face in zip(progress, predicted, strict=True)
    ]
    every = np.ones(len(rows), bool)
    return [
        FaceErrors(
            metric,
            TRUTH,
            "%" if metric.startswith("dense_nme") else "mm",
            np.array([face[metric] for face in faces]),
            every,
        )
        for metric in faces[0]
    ]


class _TrueFace(NamedTuple):
    shape: Float[np.ndarray, " S"]
    expression: Float[np.ndarray, " E"]
    camera: WeakPerspective


class _PredictedFace(NamedTuple):
    vertices: Float[np.ndarray, "V 3"]
    landmarks: Float[np.ndarray, "68 D"]
    shape: Float[np.ndarray, " S"] | None


def _true_face(truth: SyntheticTruth, row: int) -> _TrueFace:
    camera = jax.tree.map(lambda values: values[row], truth.camera)
    return _TrueFace(truth.shape[row], truth.expression[row], camera)


@jax.jit
def _corresponding_errors(
    model: MorphableModel, true: _TrueFace, predicted: _PredictedFace
) -> dict[str, Float[Array, ""]]:
    """Compares a mesh of the face model itself, vertex by vertex."""
    face = _near_nose_tip(model)
    mesh = synthesize(model, true.shape, true.expression)
    in_picture = picture_from_model(true.camera, mesh)
    landmarks = synthesize(landmark_space(model), true.shape, true.expression)
    points = picture_from_model(true.camera, landmarks)
    size = landmark_error.box_size(points, jnp.ones(len(points), bool))
    every = jnp.ones(len(mesh), bool)

    def dense(moved, target):
        distances = landmark_error.point_distances(moved, target)
        return landmark_error.mean_error(distances, every, size)

    def similar(vertices):
        matched = landmark_error.match_by_similarity(vertices, mesh, face)
        return _mean_distance(matched, mesh, face)

    errors = {
        "mesh": similar(upright(predicted.vertices)),
        "mesh_mean_face": similar(model.mean),
        "dense_nme_2d": dense(predicted.vertices[:, :2], in_picture[:, :2]),
        "dense_nme_3d": dense(
            landmark_error.match_mean_depth(predicted.vertices, in_picture, every), in_picture
        ),
    }
    if predicted.shape is None:
        return errors
    neutral = jnp.zeros_like(true.expression)
    identity = synthesize(model, true.shape, neutral)

    def rigid(vertices):
        motion = rigid_between(vertices, identity, jnp.asarray(face, identity.dtype))
        return _mean_distance(apply_similarity(motion, vertices), identity, face)

    return errors | {
        "identity": rigid(synthesize(model, predicted.shape, neutral)),
        "identity_mean_face": rigid(model.mean),
    }


def _mean_distance(
    moved: Float[Array, "V 3"], true: Float[Array, "V 3"], face: Bool[Array, " V"]
) -> Float[Array, ""]:
    return jnp.sum(jnp.where(face, landmark_error.point_distances(moved, true), 0.0)) / jnp.sum(
        face
    )


def _near_nose_tip(model: MorphableModel) -> Bool[Array, " V"]:
    tip = landmark_space(model).mean[NOSE_TIP]
    return jnp.linalg.norm(model.mean - tip, axis=1) <= FACE_RADIUS_MM


def _nearest_point_errors(
    model: MorphableModel, true: _TrueFace, predicted: _PredictedFace
) -> dict[str, float]:
    """Compares a mesh of any topology."""
    landmarks = landmark_space(model)
    mesh, points = (
        np.asarray(synthesize(space, true.shape, true.expression)) for space in (model, landmarks)
    )
    surface = face_of(Surface(mesh, np.asarray(model.triangles)), points)
    candidates = {
        "": (upright(predicted.vertices), upright(predicted.landmarks)),
        "_mean_face": (np.asarray(model.mean), np.asarray(landmarks.mean)),
    }
    errors = {}
    for suffix, candidate in candidates.items():
        distances = mean_distances(surface, points, *candidate)
        errors[f"mesh_point_to_point{suffix}"], errors[f"mesh_point_to_plane{suffix}"] = distances
    return errors
