"""Weak-perspective projection V = f Pr R S + t (2DASL, section 3.1) and its affine 3x4 form."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from twodasl_jax.array_types import Array, exact, typed
from twodasl_jax.geometry.rotation import rotation_from_6d

# The model frame has y up; picture frames have y down.
_PICTURE_AXES = np.array([1.0, -1.0, 1.0], np.float32)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class WeakPerspective:
    """A scaled orthographic camera from the model frame to a picture frame.

    Attributes:
      scale: (...) the scale f, in pixels per model unit.
      rotation: (..., 3, 3) the rotation R from the model frame to the camera axes (x right, y up, z
        toward the camera).
      translation: (..., 3) the position of the model origin in the picture frame; z is an arbitrary
        offset.
    """

    scale: Float[Array, "*batch"]
    rotation: Float[Array, "*batch 3 3"]
    translation: Float[Array, "*batch 3"]


@typed
def picture_from_model(
    camera: WeakPerspective, points: Float[Array, "*batch N 3"]
) -> Float[Array, "*batch N 3"]:
    """Projects points from the model frame to the picture frame.

    Args:
      camera: one camera per leading index of `points`.
      points: (..., N, 3) points in the model frame.

    Returns:
      (..., N, 3) points in the picture frame; z points toward the camera and has the same unit.
    """
    return picture_from_model_affine(affine_from_camera(camera), points)


@typed
@exact
def picture_from_model_affine(
    affine: Float[Array, "*batch 3 4"], points: Float[Array, "*batch N 3"]
) -> Float[Array, "*batch N 3"]:
    """Projects points by an arbitrary 3x4 matrix P = [linear | translation] as P [X; 1].

    Args:
      affine: (..., 3, 4) one matrix per leading index of `points`.
      points: (..., N, 3) points in the model frame.

    Returns:
      (..., N, 3) points in the picture frame.
    """
    return points @ jnp.swapaxes(affine[..., :3], -1, -2) + affine[..., None, :, 3]


@typed
@exact
def model_from_picture(
    camera: WeakPerspective, points: Float[Array, "*batch N 3"]
) -> Float[Array, "*batch N 3"]:
    """Converts 3D points of the picture frame to the model frame, the inverse of `picture_from_model`."""
    affine = affine_from_camera(camera)
    scale = jnp.asarray(camera.scale)[..., None, None]
    linear = jnp.swapaxes(affine[..., :3], -1, -2) / scale**2
    inverse = jnp.concatenate([linear, -linear @ affine[..., 3:]], axis=-1)
    return picture_from_model_affine(inverse, points)


@typed
def affine_from_camera(camera: WeakPerspective) -> Float[Array, "*batch 3 4"]:
    """Returns the 3x4 matrix [f diag(1, -1, 1) R | t] of a camera."""
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
    """Returns the weak-perspective camera of an arbitrary 3x4 matrix.

    The first two rows determine x and y in the picture, so they determine the camera: the rotation
    is their Gram-Schmidt orthonormalisation, and the scale is their mean length. The function is
    the exact inverse of `affine_from_camera`. Its gradient is finite unless one of the two rows is
    zero or both are parallel.
    """
    affine = jnp.asarray(affine)
    rows = (affine[..., :3] * _PICTURE_AXES[:, None])[..., :2, :]
    squared = jnp.maximum(jnp.sum(rows**2, axis=-1), jnp.finfo(affine.dtype).tiny)
    return WeakPerspective(
        scale=jnp.mean(jnp.sqrt(squared), axis=-1),
        rotation=rotation_from_6d(rows),
        translation=affine[..., 3],
    )
