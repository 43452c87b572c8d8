"""Expression transfer from one face to another."""

import dataclasses

import numpy as np

from twodasl_jax.geometry.coefficients import (
    coefficients_from_official,
    official_from_coefficients,
)
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space
from twodasl_jax.inference.reconstruction import Face


def retarget(model: MorphableModel, identity: Face, expression: Face) -> Face:
    """Returns the face `identity` with the expression of another face.

    The result keeps the shape coefficients, the pose and the box of `identity`.

    Args:
      model: the face model of both faces.
      identity: the face that receives the expression.
      expression: the face that provides the expression, from the same photo or another one.
    """
    own, other = (
        coefficients_from_official(face.coefficients, len(model.shape_std))
        for face in (identity, expression)
    )
    changed = dataclasses.replace(own, expression=other.expression)
    in_photo = dataclasses.replace(changed, affine=identity.pose)
    return dataclasses.replace(
        identity,
        vertices=np.asarray(decode(model, in_photo)),
        landmarks=np.asarray(decode(landmark_space(model), in_photo)),
        coefficients=np.asarray(official_from_coefficients(changed)),
    )
