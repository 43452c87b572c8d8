"""From the unit and origin of a face model's files into a `MorphableModel`.

`standard_model` gives what this package's functions are made for: millimetres, the origin at the mean of the landmarks,
coefficients in standard deviations. Bases stay as they are in the files; only mean and standard deviations, the
lengths along them, get the new unit.

`published_model` keeps unit and origin, and has standard deviations of one: its coefficients are the numbers that
networks of the 3DDFA family publish (`coefficients.coefficients_from_official`), whose pose belongs to this unit and
origin. It is for their vectors and weights, not for training or fitting, which take a coefficient of one for usual.

What the files lack is made here: the orientation of the triangles is the one in which the surface faces outward, the
mirror is found by nearness (`mirror.vertex_mirror`) about the middle of the landmarks, and texture coordinates unroll
the mean face from a cylinder.
"""

import numpy as np
from jaxtyping import Float, Int

from twodasl_jax.errors import FaceModelError
from twodasl_jax.expression_units import ExpressionUnits
from twodasl_jax.expression_units.metric import vertex_metric
from twodasl_jax.face_model_formats.mirror import vertex_mirror
from twodasl_jax.face_model_formats.source_model import SourceModel, Texture
from twodasl_jax.geometry.morphable_model import MorphableModel, ShapeSpace

# How far apart the outer corners of a face's eyes can be.
_EYE_DISTANCES = (50.0, 150.0)
_EYES, _NOSE_TIP, _CHIN = (36, 45), 30, 8


def standard_model(source: SourceModel, landmarks: Int[np.ndarray, " 68"]) -> MorphableModel:
    """Returns a face model in the model frame, with coefficients in standard deviations.

    Args:
      source: what the files hold.
      landmarks: (68,) the vertices of the landmarks.

    Raises:
      FaceModelError: the landmarks are not those of a face.
    """
    centred = _centred(source, landmarks)
    space = ShapeSpace(
        mean=_stored(centred),
        shape_basis=_stored(source.shape.basis),
        shape_std=_stored(source.shape.std * source.millimetres),
        expression_basis=_stored(source.expression.basis),
        expression_std=_stored(source.expression.std * source.millimetres),
    )
    return _with_mesh(space, source, landmarks, centred)


def published_model(source: SourceModel, landmarks: Int[np.ndarray, " 68"]) -> MorphableModel:
    """Returns a face model whose coefficients are those of published vectors, in the unit and origin of its files.

    Args:
      source: what the files hold.
      landmarks: (68,) the vertices of the landmarks.

    Raises:
      FaceModelError: no vectors are published for this model, or the landmarks are not those of a face.
    """
    if not source.has_published_vectors:
        raise FaceModelError(
            f"No network publishes coefficients along the bases of {source.path}: take them in standard deviations."
        )
    space = ShapeSpace(
        mean=_stored(source.mean),
        shape_basis=_stored(source.shape.basis),
        shape_std=_stored(np.ones_like(source.shape.std)),
        expression_basis=_stored(source.expression.basis),
        expression_std=_stored(np.ones_like(source.expression.std)),
    )
    return _with_mesh(space, source, landmarks, _centred(source, landmarks))


def expression_units(source: SourceModel, model: MorphableModel) -> ExpressionUnits | None:
    """Returns the expressions that the files give names to; None where they give none.

    Args:
      source: what the files hold.
      model: the `standard_model` of it.
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
        displacements=_stored(expression.basis * source.millimetres),
        metric=_stored(metric),
        at_rest=np.zeros(len(expression.names), np.float32),
    )


def _stored(values: np.ndarray) -> Float[np.ndarray, "..."]:
    return values.astype(np.float32)


def _centred(source: SourceModel, landmarks: Int[np.ndarray, " 68"]) -> Float[np.ndarray, "V 3"]:
    """Returns the mean face in the model frame, if its landmarks lie as those of a face."""
    mean = source.mean.astype(np.float64)
    centred = (mean - mean[landmarks].mean(axis=0)) * source.millimetres
    right, left, nose, chin = centred[landmarks[[*_EYES, _NOSE_TIP, _CHIN]]]
    between = (right + left) / 2
    low, high = _EYE_DISTANCES
    lies_right = right[0] < left[0] and chin[1] < between[1] and nose[2] > between[2]
    if not (lies_right and low < np.linalg.norm(right - left) < high):
        raise FaceModelError(
            f"The landmarks of {source.path} do not lie as in a face: the outer corners of the eyes, vertices "
            f"{landmarks[_EYES[0]]} and {landmarks[_EYES[1]]}, are {np.linalg.norm(right - left):.3g} mm apart; check "
            "that the list of landmarks is for this mesh."
        )
    return centred


def _with_mesh(
    space: ShapeSpace,
    source: SourceModel,
    landmarks: Int[np.ndarray, " 68"],
    centred: Float[np.ndarray, "V 3"],
) -> MorphableModel:
    flip = slice(None, None, 1 if _volume(centred, source.triangles) >= 0 else -1)
    texture = source.texture or Texture(_unrolled(centred), source.triangles)
    return MorphableModel(
        **vars(space),
        triangles=source.triangles[:, flip].astype(np.int32),
        landmark_vertices=np.repeat(landmarks[:, None], 3, axis=1).astype(np.int32),
        landmark_weights=np.tile(np.array([1, 0, 0], np.float32), (len(landmarks), 1)),
        uv=_stored(texture.uv),
        uv_triangles=texture.uv_triangles[:, flip].astype(np.int32),
        mirror=vertex_mirror(centred).astype(np.int32),
    )


def _volume(points: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"]) -> float:
    """Returns the volume between a surface and the middle of its points; positive if it faces outward."""
    a, b, c = np.moveaxis((points - points.mean(axis=0))[triangles], 1, 0)
    return float(np.sum(np.cross(a, b) * c) / 6)


def _unrolled(points: Float[np.ndarray, "V 3"]) -> Float[np.ndarray, "V 2"]:
    """Returns texture coordinates from a cylinder around the face whose axis stands at its hindmost point."""
    x, y, z = points.T
    angle = np.arctan2(x, z - z.min())
    return np.stack([0.5 + angle / np.pi, (y - y.min()) / np.ptp(y)], axis=-1)
