"""Normalised mean error (NME) of points: the mean distance relative to the size of the true face.

    NME = 100 % * mean_k |p_k - t_k| / size        over the counted points k

    test set       size
    AFLW2000-3D    `box_size`
    300W           `inter_ocular_distance`

An image does not determine absolute depth, so 3D predictions are aligned first: along z only
(`match_mean_depth`), or by a similarity transform (`match_by_similarity`), which leaves only the
error of the face shape.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from twodasl_jax.array_types import Array, typed
from twodasl_jax.geometry.alignment import apply_similarity, similarity_between

# The outer corners of both eyes.
_OUTER_EYE_CORNERS = (36, 45)


@typed
def normalized_mean_error(
    predicted: Float[Array, "*batch P D"],
    truth: Float[Array, "*batch P D"],
    visible: Bool[Array, "*batch P"],
) -> tuple[Float[jax.Array, "*batch"], Bool[jax.Array, "*batch"]]:
    """Computes the NME of AFLW2000-3D, relative to sqrt(width * height) of the true box, in percent.

    Args:
      predicted: (..., P, 2 or 3) predicted points; in 3D, the mean of z is aligned first.
      truth: (..., P, 2 or 3) true points; nan marks a missing point. The box encloses x and y.
      visible: (..., P) the mask of the points that count, in the mean and in the box.

    Returns:
      The error of each face, and the mask of faces with a known error. The error is unknown (nan)
      if the face has no counted points or an empty box.
    """
    counted = counted_points(truth, visible)
    size = box_size(truth, counted)
    matched = match_mean_depth(predicted, truth, counted)
    return mean_error(point_distances(matched, truth), counted, size), size > 0


@typed
def counted_points(
    truth: Float[Array, "*batch P D"], visible: Bool[Array, "*batch P"]
) -> Bool[jax.Array, "*batch P"]:
    """Returns the mask of the points that are visible and present (not nan) in the truth."""
    return jnp.asarray(visible) & ~jnp.isnan(truth).any(-1)


@typed
def point_distances(
    predicted: Float[Array, "*batch P D"], truth: Float[Array, "*batch P D"]
) -> Float[jax.Array, "*batch P"]:
    """Computes the distance of each predicted point from its true point; nan if one of them is nan."""
    return jnp.linalg.norm(jnp.asarray(predicted) - truth, axis=-1)


@typed
def mean_error(
    distances: Float[Array, "*batch P"],
    counted: Bool[Array, "*batch P"],
    size: Float[Array, "*batch"],
) -> Float[jax.Array, "*batch"]:
    """Computes the mean distance over the counted points relative to a size, in percent.

    Args:
      distances: (..., P) distances in any unit; nan at a counted point makes the result nan.
      counted: (..., P) the mask of the counted points.
      size: (...) the size of the true face, in the same unit.

    Returns:
      (...) errors in percent; nan if no point is counted or the size is not positive.
    """
    number = jnp.sum(counted, axis=-1)
    known = (number > 0) & (size > 0)
    total = jnp.sum(jnp.where(counted, distances, 0.0), axis=-1)
    share = total / jnp.maximum(number, 1) / jnp.where(known, size, 1.0)
    return jnp.where(known, 100 * share, jnp.nan)


@typed
def match_mean_depth(
    predicted: Float[Array, "*batch P D"],
    truth: Float[Array, "*batch P D"],
    counted: Bool[Array, "*batch P"],
) -> Float[jax.Array, "*batch P D"]:
    """Shifts predicted points along z to match the true mean over the counted points.

    2D points are returned unchanged.
    """
    predicted = jnp.asarray(predicted)
    number = jnp.maximum(jnp.sum(counted, axis=-1), 1)[..., None, None]
    excess = jnp.where(counted[..., None], predicted - truth, 0.0)[..., 2:]
    depth = predicted[..., 2:] - jnp.sum(excess, axis=-2, keepdims=True) / number
    return jnp.concatenate([predicted[..., :2], depth], axis=-1)


@typed
def match_by_similarity(
    predicted: Float[Array, "*batch P 3"],
    truth: Float[Array, "*batch P 3"],
    counted: Bool[Array, "*batch P"],
) -> Float[jax.Array, "*batch P 3"]:
    """Applies the similarity that aligns the counted predicted points with the true ones best.

    The similarity minimises the squared error.
    """
    target = jnp.where(counted[..., None], truth, 0.0)
    source = jnp.where(counted[..., None], predicted, 0.0)
    similarity = similarity_between(source, target, jnp.asarray(counted, target.dtype))
    return jnp.asarray(apply_similarity(similarity, predicted))


@typed
def box_size(
    truth: Float[Array, "*batch P D"], counted: Bool[Array, "*batch P"]
) -> Float[jax.Array, "*batch"]:
    """Computes sqrt(width * height) of the bounding box of the counted points; zero without points."""
    extent = _box_extent(truth, counted)
    return jnp.sqrt(extent[..., 0] * extent[..., 1])


@typed
def box_diagonal(
    truth: Float[Array, "*batch P D"], counted: Bool[Array, "*batch P"]
) -> Float[jax.Array, "*batch"]:
    """Computes the diagonal of the bounding box of the counted points; zero without points."""
    return jnp.hypot(*jnp.moveaxis(_box_extent(truth, counted), -1, 0))


@typed
def inter_ocular_distance(landmarks: Float[Array, "*batch 68 D"]) -> Float[jax.Array, "*batch"]:
    """Computes the distance between the outer eye corners of the 68 landmarks; nan if one is missing.

    In 2D the distance shrinks with the yaw, so it suits frontal faces only.
    """
    right, left = (landmarks[..., corner, :] for corner in _OUTER_EYE_CORNERS)
    return jnp.linalg.norm(jnp.asarray(right) - left, axis=-1)


def _box_extent(
    truth: Float[Array, "*batch P D"], counted: Bool[Array, "*batch P"]
) -> Float[jax.Array, "*batch 2"]:
    mask = counted[..., None]
    low = jnp.min(jnp.where(mask, truth, jnp.inf)[..., :2], axis=-2)
    high = jnp.max(jnp.where(mask, truth, -jnp.inf)[..., :2], axis=-2)
    return jnp.where(jnp.any(mask, axis=-2), high - low, jnp.zeros_like(low))
