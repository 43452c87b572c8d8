"""Conversion from the unit and origin of a face model's files to `MorphableModel`.

`standard_model` gives the model frame that this package expects: millimetres, the origin at the mean of the landmarks,
and coefficients in standard deviations. The bases remain as they are in the files. Only the mean and the standard
deviations, which are lengths along the bases, are converted to the new unit.

`published_model` keeps unit and origin and sets all standard deviations to one. Its coefficients are the numbers that
networks of the 3DDFA family predict (`coefficients.coefficients_from_official`), and their pose belongs to this unit
and origin. Use it for published vectors and weights. Training and fitting need `standard_model`, because they assume
coefficients of about one.

Data that the files lack is computed. Triangles are oriented so that the surface faces outward. The mirror map pairs
near vertices (`mirror.vertex_mirror`) across the plane through the middle of the landmarks. Texture coordinates unroll
the mean face from a cylinder.
"""

import numpy as np
from jaxtyping import Float, Int

from twodasl_jax.errors import FaceModelError
from twodasl_jax.face_model_formats.mirror import vertex_mirror
from twodasl_jax.face_model_formats.source_model import SourceModel, Texture
from twodasl_jax.geometry.morphable_model import MorphableModel, ShapeSpace
from twodasl_jax.models.expression_units import ExpressionUnits
from twodasl_jax.models.expression_units.units import vertex_metric

# The plausible distances between the outer eye corners, mm.
_EYE_DISTANCES = (50.0, 150.0)
_EYES, _NOSE_TIP, _CHIN = (36, 45), 30, 8


def standard_model(source: SourceModel, landmarks: Int[np.ndarray, " 68"]) -> MorphableModel:
    """Returns a face model in the model frame, with coefficients in standard deviations.

    Args:
      source: the face model of the files.
      landmarks: (68,) the vertices of the landmarks.

    Raises:
      FaceModelError: the landmarks are not those of a face.
    """
    centred = _centred_mean(source, landmarks)
    space = ShapeSpace(
        mean=_float32(centred),
        shape_basis=_float32(source.shape.basis),
        shape_std=_float32(source.shape.std * source.millimetres),
        expression_basis=_float32(source.expression.basis),
        expression_std=_float32(source.expression.std * source.millimetres),
    )
    return _with_mesh(space, source, landmarks, centred)


def published_model(source: SourceModel, landmarks: Int[np.ndarray, " 68"]) -> MorphableModel:
    """Returns a face model for published vectors, in the unit and with the origin of its files.

    Args:
      source: the face model of the files.
      landmarks: (68,) the vertices of the landmarks.

    Raises:
      FaceModelError: no vectors are published for this model, or the landmarks are not those of a face.
    """
    if not source.has_published_vectors:
        raise FaceModelError(
            f"There are no published coefficients of the bases of {source.path}: use standard coefficients."
        )
    space = ShapeSpace(
        mean=_float32(source.mean),
        shape_basis=_float32(source.shape.basis),
        shape_std=_float32(np.ones_like(source.shape.std)),
        expression_basis=_float32(source.expression.basis),
        expression_std=_float32(np.ones_like(source.expression.std)),
    )
    return _with_mesh(space, source, landmarks, _centred_mean(source, landmarks))


def expression_units(source: SourceModel, model: MorphableModel) -> ExpressionUnits | None:
    """Returns the named expressions of the files as expression units; None if they have no names.

    Args:
      source: the face model of the files.
      model: its `standard_model`.
    """
    expression = source.expression
    if not expression.names:
        return None
    metric = vertex_metric(
        np.asarray(model.mean),
        np.asarray(model.triangles),
        np.asarray(model.landmark_vertices),
        np.asarray(model.landmark_weights),
    )
    return ExpressionUnits(
        names=expression.names,
        displacements=_float32(expression.basis * source.millimetres),
        metric=_float32(metric),
        at_rest=np.zeros(len(expression.names), np.float32),
    )


def _float32(values: np.ndarray) -> Float[np.ndarray, "..."]:
    return values.astype(np.float32)


def _centred_mean(
    source: SourceModel, landmarks: Int[np.ndarray, " 68"]
) -> Float[np.ndarray, "V 3"]:
    """Returns the mean face in the model frame; raises if the landmarks are not those of a face."""
    mean = source.mean.astype(np.float64)
    centred = (mean - mean[landmarks].mean(axis=0)) * source.millimetres
    right, left, nose, chin = centred[landmarks[[*_EYES, _NOSE_TIP, _CHIN]]]
    between = (right + left) / 2
    low, high = _EYE_DISTANCES
    is_upright = right[0] < left[0] and chin[1] < between[1] and nose[2] > between[2]
    if not (is_upright and low < np.linalg.norm(right - left) < high):
        raise FaceModelError(
            f"The landmarks of {source.path} are not those of a face: the outer eye corners, vertices "
            f"{landmarks[_EYES[0]]} and {landmarks[_EYES[1]]}, are {np.linalg.norm(right - left):.3g} mm apart. Check "
            "that the landmark list is for this mesh."
        )
    return centred


def _with_mesh(
    space: ShapeSpace,
    source: SourceModel,
    landmarks: Int[np.ndarray, " 68"],
    centred: Float[np.ndarray, "V 3"],
) -> MorphableModel:
    flip = slice(None, None, 1 if _volume(centred, source.triangles) >= 0 else -1)
    texture = source.texture or Texture(_cylindrical_uv(centred), source.triangles)
    return MorphableModel(
        **vars(space),
        triangles=source.triangles[:, flip].astype(np.int32),
        landmark_vertices=np.repeat(landmarks[:, None], 3, axis=1).astype(np.int32),
        landmark_weights=np.tile(np.array([1, 0, 0], np.float32), (len(landmarks), 1)),
        uv=_float32(texture.uv),
        uv_triangles=texture.uv_triangles[:, flip].astype(np.int32),
        mirror=vertex_mirror(centred).astype(np.int32),
    )


def _volume(points: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"]) -> float:
    """Returns the volume between a surface and the mean of its points; positive if it faces outward."""
    a, b, c = np.moveaxis((points - points.mean(axis=0))[triangles], 1, 0)
    return float(np.sum(np.cross(a, b) * c) / 6)


def _cylindrical_uv(points: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "V 2"]:
    """Returns texture coordinates from a cylinder with its axis at the rearmost point of the face."""
    x, y, z = points.T
    angle = np.arctan2(x, z - z.min())
    return np.stack([0.5 + angle / np.pi, (y - y.min()) / np.ptp(y)], axis=-1)
