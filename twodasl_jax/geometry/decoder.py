"""Decoder from coefficients to projected points: synthesis, then projection (2DASL, section 3.1)."""

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
    """Computes the points of faces in the frame of their projection, usually the crop frame.

    Args:
      space: the face model, or the shape space of some of its points (`landmark_space`).
      coefficients: a batch of coefficients; `affine` may be any 3x4 matrix.

    Returns:
      (..., N, 3) points in pixels; x right, y down, z toward the camera.
    """
    points = synthesize(space, coefficients.shape, coefficients.expression)
    return picture_from_model_affine(coefficients.affine, points)


@typed
def weak_perspective(coefficients: Coefficients) -> Coefficients:
    """Replaces the 3x4 matrix of coefficients by a weak-perspective one.

    Networks regress the twelve entries independently, so their matrix is not a scaled rotation.
    `camera_from_affine` defines the replacement.
    """
    camera = camera_from_affine(coefficients.affine)
    return dataclasses.replace(coefficients, affine=affine_from_camera(camera))
