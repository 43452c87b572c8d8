"""What a horizontal flip of the picture does to landmarks, cameras and coefficients."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from twodasl_jax.array_types import Array, exact, typed
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.frames import CROP_SIZE
from twodasl_jax.geometry.morphable_model import MorphableModel

# Landmark i of a mirrored face is landmark LANDMARK_MIRROR[i] of the face.
LANDMARK_MIRROR = np.array(
    [*range(16, -1, -1)]  # jaw
    + [*range(26, 16, -1)]  # brows
    + [27, 28, 29, 30, 35, 34, 33, 32, 31]  # nose
    + [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]  # eyes
    + [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55]  # outer lips
    + [64, 63, 62, 61, 60, 67, 66, 65],  # inner lips
    # JAX mixes up what it traced with 64-bit indices in single and in double precision.
    np.int32,
)
_FLIP_X = np.array([-1.0, 1.0, 1.0], np.float32)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class CoefficientMirror:
    """The linear maps from a face's coefficients to those of its mirror image.

    Attributes:
      shape: (S, S).
      expression: (E, E).
    """

    shape: Float[Array, "S S"]
    expression: Float[Array, "E E"]


@typed
@exact
def coefficient_mirror(model: MorphableModel) -> CoefficientMirror:
    """Returns the mirror of a model's coefficients, exact if its bases mirror into themselves."""

    def mirror_map(basis, std):
        mirrored = (basis[model.mirror] * _FLIP_X[:, None]).reshape(-1, len(std))
        solution = jnp.linalg.lstsq((basis * std).reshape(-1, len(std)), mirrored * std)[0]
        return solution

    return CoefficientMirror(
        shape=mirror_map(jnp.asarray(model.shape_basis), model.shape_std),
        expression=mirror_map(jnp.asarray(model.expression_basis), model.expression_std),
    )


@typed
def mirror_landmarks(
    landmarks: Float[Array, "*batch 68 D"], width: int = CROP_SIZE
) -> Float[Array, "*batch 68 D"]:
    """Returns the landmarks of the flipped picture, in iBUG order again."""
    reordered = jnp.take(landmarks, LANDMARK_MIRROR, axis=-2)
    return jnp.concatenate([width - reordered[..., :1], reordered[..., 1:]], axis=-1)


@typed
@exact
def mirror_coefficients(
    coefficients: Coefficients, mirror: CoefficientMirror, width: int = CROP_SIZE
) -> Coefficients:
    """Returns the coefficients of the flipped picture; twice gives the face again."""
    # R' = F R F and t' = F t + (width, 0, 0), where F flips x.
    affine = coefficients.affine * np.outer(_FLIP_X, [-1, 1, 1, 1]).astype(np.float32)
    return Coefficients(
        affine=jnp.asarray(affine).at[..., 0, 3].add(width),
        shape=coefficients.shape @ mirror.shape.T,
        expression=coefficients.expression @ mirror.expression.T,
    )
