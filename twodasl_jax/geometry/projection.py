"""Weak-perspective projection V = f Pr R S + t (2DASL, section 3.1) and its affine 3x4 form."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from twodasl_jax.array_types import Array, exact, typed
from twodasl_jax.geometry.rotation import rotation_from_6d

# The model frame has y up, the picture frames have y down.
_PICTURE_AXES = np.array([1.0, -1.0, 1.0], np.float32)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class WeakPerspective:
    """A scaled orthographic camera, from the model frame to a picture frame.

    Attributes:
      scale: (...) pixels per model unit.
      rotation: (..., 3, 3) R, model frame to camera axes (x right, y up, z toward the camera).
      translation: (..., 3) where the model's origin lies in the picture frame; z is a free offset.
    """

    scale: Float[Array, "*batch"]
    rotation: Float[Array, "*batch 3 3"]
    translation: Float[Array, "*batch 3"]


@typed
def picture_from_model(
    camera: WeakPerspective, points: Float[Array, "*batch N 3"]
) -> Float[Array, "*batch N 3"]:
    """Projects model points: x, y in the picture frame and z in the same unit, toward the camera.

    Args:
      camera: one camera for each leading index of `points`.
      points: (..., N, 3) model frame.
    """
    return picture_from_model_affine(affine_from_camera(camera), points)


@typed
@exact
def picture_from_model_affine(
    affine: Float[Array, "*batch 3 4"], points: Float[Array, "*batch N 3"]
) -> Float[Array, "*batch N 3"]:
    """Projects model points by any 3x4 matrix P = [linear | translation]: picture = P [X; 1]."""
    return points @ jnp.swapaxes(affine[..., :3], -1, -2) + affine[..., None, :, 3]


@typed
@exact
def model_from_picture(
    camera: WeakPerspective, points: Float[Array, "*batch N 3"]
) -> Float[Array, "*batch N 3"]:
    """Moves picture points with their z back to the model frame; inverts `picture_from_model`."""
    affine = affine_from_camera(camera)
    scale = jnp.asarray(camera.scale)[..., None, None]
    linear = jnp.swapaxes(affine[..., :3], -1, -2) / scale**2
    inverse = jnp.concatenate([linear, -linear @ affine[..., 3:]], axis=-1)
    return picture_from_model_affine(inverse, points)


@typed
def affine_from_camera(camera: WeakPerspective) -> Float[Array, "*batch 3 4"]:
    """Returns [f diag(1, -1, 1) R | t]."""
    return _affine(jnp.asarray(camera.scale), camera.rotation, camera.translation)


@typed
def _affine(
    scale: Float[Array, "*batch"],
    rotation: Float[Array, "*batch 3 3"],
    translation: Float[Array, "*batch 3"],
) -> Float[Array, "*batch 3 4"]:
    linear = scale[..., None, None] * _PICTURE_AXES[:, None] * rotation
    return jnp.concatenate([linear, translation[..., None]], axis=-1)


@typed
def camera_from_affine(affine: Float[Array, "*batch 3 4"]) -> WeakPerspective:
    """Returns the weak-perspective camera of a 3x4 matrix, which need not be a scaled rotation.

    The first two rows, which make the picture, decide: their Gram-Schmidt rotation and their mean
    length. It is the exact inverse of `affine_from_camera`, and safe to regress through as long as
    the two rows are neither zero nor parallel.
    """
    affine = jnp.asarray(affine)
    rows = (affine[..., :3] * _PICTURE_AXES[:, None])[..., :2, :]
    squared = jnp.maximum(jnp.sum(rows**2, axis=-1), jnp.finfo(affine.dtype).tiny)
    return WeakPerspective(
        scale=jnp.mean(jnp.sqrt(squared), axis=-1),
        rotation=rotation_from_6d(rows),
        translation=affine[..., 3],
    )
