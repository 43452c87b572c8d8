"""Conversions between the crop frame and the image frame, and crop boxes.

The package docstring defines both frames.
"""

import jax.numpy as jnp
from jaxtyping import Float

from twodasl_jax.array_types import Array, typed

CROP_SIZE = 120


@typed
def image_from_crop(
    points: Float[Array, "*batch N D"], box: Float[Array, "*batch 4"], crop_size: int = CROP_SIZE
) -> Float[Array, "*batch N D"]:
    """Converts points from the crop frame to the image frame.

    Args:
      points: (..., N, 2 or 3) points in the crop frame. The scale of z is the geometric mean of the
        scales of x and y.
      box: (..., 4) x0, y0, x1, y1 of the crop, in the image frame.
      crop_size: the side of the crop in pixels.

    Raises:
      ValueError: if points have neither 2 nor 3 coordinates.
    """
    scale, corner = _scale_and_corner(box, crop_size, points.shape[-1])
    return points * scale + corner


@typed
def crop_from_image(
    points: Float[Array, "*batch N D"], box: Float[Array, "*batch 4"], crop_size: int = CROP_SIZE
) -> Float[Array, "*batch N D"]:
    """Converts points from the image frame to the crop frame, the inverse of `image_from_crop`."""
    scale, corner = _scale_and_corner(box, crop_size, points.shape[-1])
    return (points - corner) / scale


@typed
def image_affine_from_crop(
    affine: Float[Array, "*batch 3 4"], box: Float[Array, "*batch 4"], crop_size: int = CROP_SIZE
) -> Float[Array, "*batch 3 4"]:
    """Converts projections to the crop frame into projections to the image frame.

    Args:
      affine: (..., 3, 4) affine matrices from the model frame to the crop frame.
      box: (..., 4) x0, y0, x1, y1 of the crop, in the image frame.
      crop_size: the side of the crop in pixels.
    """
    scale, corner = (values[..., 0, :] for values in _scale_and_corner(box, crop_size, 3))
    linear = affine[..., :3] * scale[..., None]
    translation = affine[..., 3] * scale + corner
    return jnp.concatenate([linear, translation[..., None]], axis=-1)


@typed
def crop_affine_from_image(
    affine: Float[Array, "*batch 3 4"], box: Float[Array, "*batch 4"], crop_size: int = CROP_SIZE
) -> Float[Array, "*batch 3 4"]:
    """Converts projections to the image frame into projections to the crop frame.

    The inverse of `image_affine_from_crop`.
    """
    scale, corner = (values[..., 0, :] for values in _scale_and_corner(box, crop_size, 3))
    linear = affine[..., :3] / scale[..., None]
    translation = (affine[..., 3] - corner) / scale
    return jnp.concatenate([linear, translation[..., None]], axis=-1)


def _scale_and_corner(box, crop_size, dimensions):
    if dimensions not in (2, 3):
        raise ValueError(f"points have {dimensions} coordinates: pass x, y or x, y, z")
    size = (box[..., 2:] - box[..., :2]) / crop_size
    depth_scale = jnp.sqrt(size[..., :1] * size[..., 1:])
    scale = jnp.concatenate([size, depth_scale], axis=-1)[..., None, :dimensions]
    corner = jnp.concatenate([box[..., :2], jnp.zeros_like(box[..., :1])], axis=-1)
    return scale, corner[..., None, :dimensions]


@typed
def box_from_landmarks(landmarks: Float[Array, "*batch N 2"]) -> Float[Array, "*batch 4"]:
    """Returns the crop box of 3DDFA, a square of sqrt(2) times the larger extent of the landmarks.

    Args:
      landmarks: (..., N, 2) landmarks in the image frame. A nan coordinate marks a missing
        landmark, which is ignored.

    Returns:
      (..., 4) x0, y0, x1, y1 in the image frame; nan if all landmarks are missing.

    References:
      Zhu et al., Face Alignment in Full Pose Range: A 3D Total Solution, 2017 (crop of its code).
    """
    missing = jnp.isnan(landmarks).any(axis=-1, keepdims=True)
    present = jnp.where(missing, jnp.nan, landmarks)
    low, high = jnp.nanmin(present, axis=-2), jnp.nanmax(present, axis=-2)
    centre = (low + high) / 2
    half = jnp.max(high - low, axis=-1, keepdims=True) * jnp.sqrt(2.0) / 2
    return jnp.concatenate([centre - half, centre + half], axis=-1)
