"""One face's expression on another face."""

import dataclasses

import numpy as np
from jaxtyping import Float

from twodasl_jax.geometry.coefficients import (
    coefficients_from_official,
    official_from_coefficients,
)
from twodasl_jax.geometry.morphable_model import (
    MorphableModel,
    ShapeSpace,
    landmark_space,
    synthesize,
)
from twodasl_jax.geometry.projection import picture_from_model_affine
from twodasl_jax.inference.reconstruction import Face


def retarget(model: MorphableModel, identity: Face, expression: Face) -> Face:
    """Returns a face with the expression of another one; identity, pose and place in the photo are its own.

    Args:
      model: the face model of both faces.
      identity: the face that is changed.
      expression: the face whose expression it gets, of the same photo or of another one.
    """
    own, other = (
        coefficients_from_official(face.coefficients, len(model.shape_std))
        for face in (identity, expression)
    )
    changed = dataclasses.replace(own, expression=other.expression)

    def placed(space: ShapeSpace) -> Float[np.ndarray, "P 3"]:
        in_model = synthesize(space, changed.shape, changed.expression)
        return np.asarray(picture_from_model_affine(identity.pose, in_model))

    return dataclasses.replace(
        identity,
        vertices=placed(model),
        landmarks=placed(landmark_space(model)),
        coefficients=np.asarray(official_from_coefficients(changed)),
    )
