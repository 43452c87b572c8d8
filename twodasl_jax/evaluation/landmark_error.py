"""Normalised mean error (NME) of points: mean distance over the size of the true face.

    NME = 100 % * mean_k |p_k - t_k| / size        over the points k that count

AFLW2000-3D is scored with `box_size`, 300W with `inter_ocular_distance`. In 3D the prediction is moved first,
because a picture says nothing of absolute depth: along z only (`match_mean_depth`), or as a whole
(`match_by_similarity`), which leaves the shape alone to be judged.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Bool, Float

from twodasl_jax.array_types import Array, typed
from twodasl_jax.geometry.alignment import apply_similarity, similarity_between

# Outer corners of both eyes.
_OUTER_EYE_CORNERS = (36, 45)


@typed
def normalized_mean_error(
    predicted: Float[Array, "*batch P D"],
    truth: Float[Array, "*batch P D"],
    visible: Bool[Array, "*batch P"],
) -> tuple[Float[jax.Array, "*batch"], Bool[jax.Array, "*batch"]]:
    """Returns the error of AFLW2000-3D: over sqrt(width * height) of the true points' box, in percent.

    Args:
      predicted: (..., P, 2 or 3) points. In 3D, the mean of z is aligned.
      truth: (..., P, 2 or 3) annotated points, nan where missing; the box is that of x and y.
      visible: (..., P) which points count, in the mean and in the box.

    Returns:
      The error of each face, and whether the truth lets it be known: without points, or with an empty box, it is nan.
    """
    counted = counted_points(truth, visible)
    size = box_size(truth, counted)
    matched = match_mean_depth(predicted, truth, counted)
    return mean_error(point_distances(matched, truth), counted, size), size > 0


@typed
def counted_points(
    truth: Float[Array, "*batch P D"], visible: Bool[Array, "*batch P"]
) -> Bool[jax.Array, "*batch P"]:
    """Returns which points are both visible and annotated (not nan)."""
    return jnp.asarray(visible) & ~jnp.isnan(truth).any(-1)


@typed
def point_distances(
    predicted: Float[Array, "*batch P D"], truth: Float[Array, "*batch P D"]
) -> Float[jax.Array, "*batch P"]:
    """Returns the distance of each point from its true place, nan where one of the two is nan."""
    return jnp.linalg.norm(jnp.asarray(predicted) - truth, axis=-1)


@typed
def mean_error(
    distances: Float[Array, "*batch P"],
    counted: Bool[Array, "*batch P"],
    size: Float[Array, "*batch"],
) -> Float[jax.Array, "*batch"]:
    """Returns the mean distance over the counted points as a share of a size, in percent.

    Args:
      distances: (..., P) in any unit; a nan where `counted` makes the result nan.
      counted: (..., P) which points count.
      size: (...) of the true face, in the same unit.

    Returns:
      (...) percent; nan where no point counts, or the size is not positive.
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
    """Moves predicted points along z until the counted ones have the true mean; points in 2D stay where they are."""
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
    """Moves, turns and scales predicted points until the counted ones fit the true ones best (least squares)."""
    shown = counted[..., None]
    placed = jnp.where(shown, truth, 0.0), jnp.where(shown, predicted, 0.0)
    weights = jnp.asarray(counted, placed[0].dtype)
    similarity = similarity_between(placed[1], placed[0], weights)
    return jnp.asarray(apply_similarity(similarity, predicted))


@typed
def box_size(
    truth: Float[Array, "*batch P D"], counted: Bool[Array, "*batch P"]
) -> Float[jax.Array, "*batch"]:
    """Returns sqrt(width * height) of the upright box around the counted points; zero without points."""
    extent = _box_extent(truth, counted)
    return jnp.sqrt(extent[..., 0] * extent[..., 1])


@typed
def box_diagonal(
    truth: Float[Array, "*batch P D"], counted: Bool[Array, "*batch P"]
) -> Float[jax.Array, "*batch"]:
    """Returns the diagonal of the upright box around the counted points; zero without points."""
    return jnp.hypot(*jnp.moveaxis(_box_extent(truth, counted), -1, 0))


@typed
def inter_ocular_distance(landmarks: Float[Array, "*batch 68 D"]) -> Float[jax.Array, "*batch"]:
    """Returns the distance of the outer eye corners of the 68 iBUG points; nan where one is missing.

    In 2D it shrinks with the yaw, so that it suits frontal faces only.
    """
    right, left = (landmarks[..., corner, :] for corner in _OUTER_EYE_CORNERS)
    return jnp.linalg.norm(jnp.asarray(right) - left, axis=-1)


def _box_extent(
    truth: Float[Array, "*batch P D"], counted: Bool[Array, "*batch P"]
) -> Float[jax.Array, "*batch 2"]:
    shown = counted[..., None]
    low = jnp.min(jnp.where(shown, truth, jnp.inf)[..., :2], axis=-2)
    high = jnp.max(jnp.where(shown, truth, -jnp.inf)[..., :2], axis=-2)
    return jnp.where(jnp.any(shown, axis=-2), high - low, jnp.zeros_like(low))
