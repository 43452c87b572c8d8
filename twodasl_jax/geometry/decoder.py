"""From coefficients to points in the picture: synthesis, then projection (2DASL, section 3.1)."""

import dataclasses

from jaxtyping import Float

from twodasl_jax.array_types import Array, typed
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.morphable_model import ShapeSpace, synthesize
from twodasl_jax.geometry.projection import (
    affine_from_camera,
    camera_from_affine,
    picture_from_model_affine,
)


@typed
def decode(space: ShapeSpace, coefficients: Coefficients) -> Float[Array, "*batch N 3"]:
    """Returns the points of faces in the frame of their projection, usually the crop frame.

    Args:
      space: the face model, or the rows of it that are needed (`landmark_space`).
      coefficients: a batch of coefficients; `affine` may be any 3x4 matrix.

    Returns:
      (..., N, 3) points; x right, y down, z toward the camera, in pixels.
    """
    points = synthesize(space, coefficients.shape, coefficients.expression)
    return picture_from_model_affine(coefficients.affine, points)


@typed
def weak_perspective(coefficients: Coefficients) -> Coefficients:
    """Returns the coefficients with their 3x4 matrix replaced by a weak-perspective one.

    See `camera_from_affine` for the replacement. A network predicts the twelve entries freely.
    """
    camera = camera_from_affine(coefficients.affine)
    return dataclasses.replace(coefficients, affine=affine_from_camera(camera))
