"""Coefficient vectors: published layouts, lossless codecs and whitening.

    layout     entries                                                  size  frame of the pose
    official   [P (3x4, row-major), shape, expression]                  62    crop, y up
    paper      [f, t (2), Pi (3x3, row-major), shape, expression]       62    crop, y up
    pose7      [pitch, yaw, roll, t_x, t_y, t_z, f] (300W-LP)           7     image, y up

The size of 62 is 12 pose entries, 40 shape and 10 expression coefficients. `pose7` is the
`Pose_Para` of 300W-LP and AFLW2000-3D. `Coefficients` has the same content in the frames of this
package.

Codecs do not shift the published pixel frames. 300W-LP counts pixel centres from 1, and crops count
from their corner, so a pose may be half a pixel off the frames of this package. "y up" is the
MATLAB convention of the original data: y_up = H + 1 - y_down in an image of H rows, which is
121 - y_down in the crop.
"""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Float

from twodasl_jax.array_types import Array, typed
from twodasl_jax.geometry.frames import CROP_SIZE
from twodasl_jax.geometry.projection import (
    WeakPerspective,
    affine_from_camera,
    camera_from_affine,
)
from twodasl_jax.geometry.rotation import euler_from_rotation, rotation_from_euler

POSE_COUNT = 12
SHAPE_COUNT = 40
EXPRESSION_COUNT = 10
VECTOR_SIZE = POSE_COUNT + SHAPE_COUNT + EXPRESSION_COUNT


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Coefficients:
    """The pose and the face model coefficients that a network regresses.

    Attributes:
      affine: (..., 3, 4) the affine matrix from the model frame to the crop frame, y down
        (`picture_from_model_affine`).
      shape: (..., S) the shape coefficients, in standard deviations.
      expression: (..., E) the expression coefficients, in standard deviations.
    """

    affine: Float[Array, "*batch 3 4"]
    shape: Float[Array, "*batch S"]
    expression: Float[Array, "*batch E"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Whitening:
    """The mean and standard deviation of each vector entry over a training set.

    Attributes:
      mean: (C,) the means.
      std: (C,) the standard deviations.
    """

    mean: Float[Array, " C"]
    std: Float[Array, " C"]


@typed
def whiten(vector: Float[Array, "*batch C"], whitening: Whitening) -> Float[Array, "*batch C"]:
    """Computes (vector - mean) / std, entry by entry."""
    _check_size(vector, whitening)
    return (vector - whitening.mean) / whitening.std


@typed
def unwhiten(vector: Float[Array, "*batch C"], whitening: Whitening) -> Float[Array, "*batch C"]:
    """Computes vector * std + mean, the inverse of `whiten`."""
    _check_size(vector, whitening)
    return vector * whitening.std + whitening.mean


def _check_size(vector, whitening):
    if vector.shape[-1:] != whitening.mean.shape or whitening.mean.shape != whitening.std.shape:
        raise ValueError(
            f"a vector of {vector.shape[-1]} entries does not match a whitening with a mean of "
            f"{whitening.mean.shape} and a std of {whitening.std.shape}: "
            "use the whitening of the same layout and face model"
        )


@typed
def coefficients_from_official(
    vector: Float[Array, "*batch C"], shape_count: int = SHAPE_COUNT
) -> Coefficients:
    """Reads the official layout: row-major 3x4 matrix, shape, expression.

    Args:
      vector: (..., 12 + S + E) the vectors, not whitened.
      shape_count: S, the number of shape coefficients.

    Raises:
      ValueError: if the vector is shorter than 12 + S.
    """
    pose, shape, expression = _split(vector, shape_count)
    affine = pose.reshape(*pose.shape[:-1], 3, 4)
    return Coefficients(_flip_y(affine, CROP_SIZE), shape, expression)


@typed
def official_from_coefficients(coefficients: Coefficients) -> Float[Array, "*batch C"]:
    """Writes the official layout, the inverse of `coefficients_from_official`."""
    affine = _flip_y(coefficients.affine, CROP_SIZE)
    pose = affine.reshape(*affine.shape[:-2], POSE_COUNT)
    return jnp.concatenate([pose, coefficients.shape, coefficients.expression], axis=-1)


@typed
def coefficients_from_paper(
    vector: Float[Array, "*batch C"], shape_count: int = SHAPE_COUNT
) -> Coefficients:
    """Reads the layout of the paper, [f, t (2), Pi (3x3), shape, expression]; t_z becomes zero.

    The arguments are those of `coefficients_from_official`.
    """
    pose, shape, expression = _split(vector, shape_count)
    scale, shift, rotation = pose[..., :1], pose[..., 1:3], pose[..., 3:]
    linear = scale[..., None] * rotation.reshape(*rotation.shape[:-1], 3, 3)
    translation = jnp.concatenate([shift, jnp.zeros_like(scale)], axis=-1)
    affine = jnp.concatenate([linear, translation[..., None]], axis=-1)
    return Coefficients(_flip_y(affine, CROP_SIZE), shape, expression)


@typed
def paper_from_coefficients(coefficients: Coefficients) -> Float[Array, "*batch C"]:
    """Writes the layout of the paper, which cannot represent every affine matrix.

    Pi is a rotation, so `camera_from_affine` replaces a matrix that is not a scaled rotation by a
    weak-perspective camera. The layout has no t_z, so the depth offset is lost.
    """
    camera = camera_from_affine(coefficients.affine)
    shift = _flip_y(affine_from_camera(camera), CROP_SIZE)[..., :2, 3]
    parts = (
        camera.scale[..., None],
        shift,
        camera.rotation.reshape(*camera.rotation.shape[:-2], 9),
        coefficients.shape,
        coefficients.expression,
    )
    return jnp.concatenate(parts, axis=-1)


@typed
def camera_from_pose7(pose: Float[Array, "*batch 7"], image_height: int) -> WeakPerspective:
    """Reads the `Pose_Para` of 300W-LP and AFLW2000-3D.

    Args:
      pose: (..., 7) pitch, yaw, roll (radians), t_x, t_y, t_z (pixels, y up), f.
      image_height: the number of image rows (450 in both data sets).

    Returns:
      The camera from the model frame to the image frame.
    """
    pitch, yaw, roll = jnp.moveaxis(pose[..., :3], -1, 0)
    rotation = rotation_from_euler(jnp.stack([yaw, pitch, roll], axis=-1))
    return WeakPerspective(pose[..., 6], rotation, _flip_point(pose[..., 3:6], image_height))


@typed
def pose7_from_camera(camera: WeakPerspective, image_height: int) -> Float[Array, "*batch 7"]:
    """Writes a `Pose_Para`, the inverse of `camera_from_pose7`."""
    yaw, pitch, roll = jnp.moveaxis(euler_from_rotation(camera.rotation), -1, 0)
    angles = jnp.stack([pitch, yaw, roll], axis=-1)
    translation = _flip_point(camera.translation, image_height)
    return jnp.concatenate([angles, translation, jnp.asarray(camera.scale)[..., None]], axis=-1)


def _split(vector, shape_count):
    if vector.shape[-1] < POSE_COUNT + shape_count:
        raise ValueError(
            f"a vector of {vector.shape[-1]} entries is too short for {POSE_COUNT} pose entries and "
            f"{shape_count} shape coefficients: pass the `shape_count` of its face model"
        )
    bounds = (POSE_COUNT, POSE_COUNT + shape_count)
    return jnp.split(vector, bounds, axis=-1)


def _flip_y(affine, picture_height):
    """Converts a 3x4 projection between y up and y down; its own inverse."""
    affine = jnp.asarray(affine)
    flipped = -affine[..., 1, :] + jnp.array([0.0, 0.0, 0.0, picture_height + 1.0], affine.dtype)
    return jnp.stack([affine[..., 0, :], flipped, affine[..., 2, :]], axis=-2)


def _flip_point(point, picture_height):
    x, y, z = jnp.moveaxis(jnp.asarray(point), -1, 0)
    return jnp.stack([x, picture_height + 1.0 - y, z], axis=-1)
