"""Crop frame <-> image frame, and the boxes between them. Conventions: the package's docstring."""

import jax.numpy as jnp
from jaxtyping import Float

from twodasl_jax.array_types import Array, typed

CROP_SIZE = 120


@typed
def image_from_crop(
    points: Float[Array, "*batch N D"], box: Float[Array, "*batch 4"], crop_size: int = CROP_SIZE
) -> Float[Array, "*batch N D"]:
    """Moves points from the crop frame to the image frame.

    Args:
      points: (..., N, 2 or 3) crop frame; z scales with the geometric mean of the two axes.
      box: (..., 4) x0, y0, x1, y1 of the crop, image frame.
      crop_size: side of the crop in pixels.
    """
    scale, corner = _scale_and_corner(box, crop_size, points.shape[-1])
    return points * scale + corner


@typed
def crop_from_image(
    points: Float[Array, "*batch N D"], box: Float[Array, "*batch 4"], crop_size: int = CROP_SIZE
) -> Float[Array, "*batch N D"]:
    """Moves points from the image frame to the crop frame; the inverse of `image_from_crop`."""
    scale, corner = _scale_and_corner(box, crop_size, points.shape[-1])
    return (points - corner) / scale


@typed
def image_affine_from_crop(
    affine: Float[Array, "*batch 3 4"], box: Float[Array, "*batch 4"], crop_size: int = CROP_SIZE
) -> Float[Array, "*batch 3 4"]:
    """Turns projections to the crop frame into projections to the image frame (`projection`).

    Args:
      affine: (..., 3, 4) model frame to crop frame.
      box: (..., 4) x0, y0, x1, y1 of the crop, image frame.
      crop_size: side of the crop in pixels.
    """
    scale, corner = (values[..., 0, :] for values in _scale_and_corner(box, crop_size, 3))
    linear = affine[..., :3] * scale[..., None]
    translation = affine[..., 3] * scale + corner
    return jnp.concatenate([linear, translation[..., None]], axis=-1)


@typed
def crop_affine_from_image(
    affine: Float[Array, "*batch 3 4"], box: Float[Array, "*batch 4"], crop_size: int = CROP_SIZE
) -> Float[Array, "*batch 3 4"]:
    """Turns projections to the image frame into ones to the crop frame; the inverse of `image_affine_from_crop`."""
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
    """Returns 3DDFA's crop box around landmarks: a square of sqrt(2) times their larger extent.

    Args:
      landmarks: (..., N, 2) image frame; nan marks missing points, which are ignored.

    References:
      Zhu et al., Face Alignment in Full Pose Range: A 3D Total Solution, 2017 (its code's crop).
    """
    missing = jnp.isnan(landmarks).any(axis=-1, keepdims=True)
    present = jnp.where(missing, jnp.nan, landmarks)
    low, high = jnp.nanmin(present, axis=-2), jnp.nanmax(present, axis=-2)
    centre = (low + high) / 2
    half = jnp.max(high - low, axis=-1, keepdims=True) * jnp.sqrt(2.0) / 2
    return jnp.concatenate([centre - half, centre + half], axis=-1)
