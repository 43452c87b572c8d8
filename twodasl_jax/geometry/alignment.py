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
    """target = scale * R @ source + translation.

    Attributes:
      scale: (...) factor; one for a rigid motion.
      rotation: (..., 3, 3).
      translation: (..., 3).
    """

    scale: Float[Array, "*batch"]
    rotation: Float[Array, "*batch 3 3"]
    translation: Float[Array, "*batch 3"]


@typed
@exact
def apply_similarity(
    transform: Similarity, points: Float[Array, "*batch N 3"]
) -> Float[Array, "*batch N 3"]:
    """Moves (..., N, 3) points by a similarity."""
    return _move(points, transform.scale, transform.rotation, transform.translation)


@typed
def _move(
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
    """Returns the similarity that moves `source` onto `target` with least weighted squared error.

    Args:
      source: (..., N, 3) points.
      target: (..., N, 3) the same points in the other frame.
      weights: (..., N) non-negative; zero leaves a point out. Not all may be zero.

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
    """Returns the rotation and translation that move `source` onto `target` best (scale one)."""
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
