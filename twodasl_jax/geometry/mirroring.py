"""Horizontal flips of landmarks, affine matrices and coefficients."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from twodasl_jax.array_types import Array, exact, typed
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.frames import CROP_SIZE
from twodasl_jax.geometry.morphable_model import MorphableModel

# Landmark i of the mirrored face is landmark LANDMARK_MIRROR[i] of the original face.
LANDMARK_MIRROR = np.array(
    [*range(16, -1, -1)]  # jaw
    + [*range(26, 16, -1)]  # brows
    + [27, 28, 29, 30, 35, 34, 33, 32, 31]  # nose
    + [45, 44, 43, 42, 47, 46, 39, 38, 37, 36, 41, 40]  # eyes
    + [54, 53, 52, 51, 50, 49, 48, 59, 58, 57, 56, 55]  # outer lips
    + [64, 63, 62, 61, 60, 67, 66, 65],  # inner lips
    # int32: with 64-bit indices, JAX confuses the traces of single and of double precision.
    np.int32,
)
_FLIP_X = np.array([-1.0, 1.0, 1.0], np.float32)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class CoefficientMirror:
    """The linear maps from the coefficients of a face to those of its mirror image.

    Attributes:
      shape: (S, S) the map of the shape coefficients.
      expression: (E, E) the map of the expression coefficients.
    """

    shape: Float[Array, "S S"]
    expression: Float[Array, "E E"]


@typed
@exact
def coefficient_mirror(model: MorphableModel) -> CoefficientMirror:
    """Computes the mirror maps of a face model by least squares.

    The result is exact if the mirror image of each basis spans the same space as the basis.
    """

    def mirror_map(basis, std):
        mirrored = (basis[model.mirror] * _FLIP_X[:, None]).reshape(-1, len(std))
        return jnp.linalg.lstsq((basis * std).reshape(-1, len(std)), mirrored * std)[0]

    return CoefficientMirror(
        shape=mirror_map(jnp.asarray(model.shape_basis), model.shape_std),
        expression=mirror_map(jnp.asarray(model.expression_basis), model.expression_std),
    )


@typed
def mirror_landmarks(
    landmarks: Float[Array, "*batch 68 D"], width: int = CROP_SIZE
) -> Float[Array, "*batch 68 D"]:
    """Flips landmarks horizontally and restores the iBUG order.

    Args:
      landmarks: (..., 68, D) landmarks in a picture frame.
      width: the width of the picture in pixels.
    """
    reordered = jnp.take(landmarks, LANDMARK_MIRROR, axis=-2)
    return jnp.concatenate([width - reordered[..., :1], reordered[..., 1:]], axis=-1)


@typed
@exact
def mirror_coefficients(
    coefficients: Coefficients, mirror: CoefficientMirror, width: int = CROP_SIZE
) -> Coefficients:
    """Returns the coefficients of the horizontally flipped faces; its own inverse.

    Args:
      coefficients: the coefficients of the faces.
      mirror: the mirror maps of their face model.
      width: the width of the picture in pixels.
    """
    # R' = F R F and t' = F t + (width, 0, 0), where F flips x.
    affine = coefficients.affine * np.outer(_FLIP_X, [-1, 1, 1, 1]).astype(np.float32)
    return Coefficients(
        affine=jnp.asarray(affine).at[..., 0, 3].add(width),
        shape=coefficients.shape @ mirror.shape.T,
        expression=coefficients.expression @ mirror.expression.T,
    )
