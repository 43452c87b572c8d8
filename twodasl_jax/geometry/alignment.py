"""Least-squares alignment of corresponding points: similarity and rigid Procrustes."""

import dataclasses

import jax
import jax.numpy as jnp
from jaxtyping import Float

from twodasl_jax.array_types import Array, exact, typed
from twodasl_jax.geometry.rotation import nearest_rotation


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Similarity:
    """The transform target = scale * rotation @ source + translation.

    Attributes:
      scale: (...) the scale factor; one for a rigid motion.
      rotation: (..., 3, 3) the rotation matrix.
      translation: (..., 3) the translation, in the target frame.
    """

    scale: Float[Array, "*batch"]
    rotation: Float[Array, "*batch 3 3"]
    translation: Float[Array, "*batch 3"]


@typed
@exact
def apply_similarity(
    transform: Similarity, points: Float[Array, "*batch N 3"]
) -> Float[Array, "*batch N 3"]:
    """Transforms (..., N, 3) points by a similarity."""
    return _transform(points, transform.scale, transform.rotation, transform.translation)


@typed
def _transform(
    points: Float[Array, "*batch N 3"],
    scale: Float[Array, "*batch"],
    rotation: Float[Array, "*batch 3 3"],
    translation: Float[Array, "*batch 3"],
) -> Float[Array, "*batch N 3"]:
    rotated = points @ jnp.swapaxes(rotation, -1, -2)
    return jnp.asarray(scale)[..., None, None] * rotated + translation[..., None, :]


@typed
@exact
def similarity_between(
    source: Float[Array, "*batch N 3"],
    target: Float[Array, "*batch N 3"],
    weights: Float[Array, "*batch N"],
) -> Similarity:
    """Returns the similarity from `source` to `target` with the least weighted squared error.

    Args:
      source: (..., N, 3) points in the source frame.
      target: (..., N, 3) the corresponding points in the target frame.
      weights: (..., N) non-negative weights; zero excludes a point. At least one must be positive.

    References:
      Umeyama, Least-squares estimation of transformation parameters between two point patterns
        (1991).
    """
    rotation, moments = _procrustes_rotation(source, target, weights)
    source_mean, target_mean, covariance, source_variance = moments
    scale = jnp.sum(rotation * covariance, axis=(-1, -2)) / source_variance
    translation = target_mean - scale[..., None] * _rotate(rotation, source_mean)
    return Similarity(scale, rotation, translation)


@typed
@exact
def rigid_between(
    source: Float[Array, "*batch N 3"],
    target: Float[Array, "*batch N 3"],
    weights: Float[Array, "*batch N"],
) -> Similarity:
    """Returns the rigid motion from `source` to `target` with the least weighted squared error.

    The arguments are those of `similarity_between`. The scale of the result is one.
    """
    rotation, moments = _procrustes_rotation(source, target, weights)
    source_mean, target_mean, _, source_variance = moments
    translation = target_mean - _rotate(rotation, source_mean)
    return Similarity(jnp.ones_like(source_variance), rotation, translation)


def _procrustes_rotation(source, target, weights):
    share = (weights / jnp.sum(weights, axis=-1, keepdims=True))[..., None]
    source_mean = jnp.sum(share * source, axis=-2)
    target_mean = jnp.sum(share * target, axis=-2)
    source_centred = source - source_mean[..., None, :]
    target_centred = target - target_mean[..., None, :]
    covariance = jnp.swapaxes(share * target_centred, -1, -2) @ source_centred
    source_variance = jnp.sum(share * source_centred**2, axis=(-1, -2))
    return nearest_rotation(covariance), (source_mean, target_mean, covariance, source_variance)


def _rotate(rotation, vector):
    return (rotation @ vector[..., None])[..., 0]
