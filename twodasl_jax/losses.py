"""Losses as pure functions: one value per example, and one place where they are reduced.

term                              function                source
predicted against labelled or     `landmark_distance`     2DASL, L_2d_con for 2D labels;
(pseudo) 3D landmarks                                     the L1 norm is our choice
predicted against annotated       `coefficient_distance`  3DDFA's parameter distance cost,
shape and expression                                      without its pose
Gaussian prior of the face model  `coefficient_prior`     our choice
mean over the batch               `batch_mean`
"""

import jax.numpy as jnp
from jaxtyping import Float

from twodasl_jax.array_types import Array, typed
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.frames import CROP_SIZE


@typed
def landmark_distance(
    predicted: Float[Array, "*batch N D"],
    target: Float[Array, "*batch N D"],
    weights: Float[Array, "*batch N"],
) -> Float[Array, "*batch"]:
    """Returns the weighted mean L1 distance of points, as a share of the crop's side.

    Args:
      predicted: (..., N, 2 or 3) crop frame.
      target: (..., N, 2 or 3) crop frame; a nan point counts nothing.
      weights: (..., N) non-negative; an example without any weight costs zero.
    """
    present = ~jnp.isnan(target).any(-1)
    distance = jnp.sum(jnp.abs(predicted - jnp.where(present[..., None], target, 0.0)), axis=-1)
    counted = jnp.where(present, weights, 0.0)
    total = jnp.sum(counted, axis=-1)
    return jnp.sum(counted * distance, axis=-1) / jnp.where(total > 0, total, 1.0) / CROP_SIZE


@typed
def coefficient_distance(predicted: Coefficients, target: Coefficients) -> Float[Array, "*batch"]:
    """Returns the mean squared error of the shape and expression coefficients, in squared deviations.

    References:
      Zhu et al., Face Alignment Across Large Poses: A 3D Solution, CVPR 2016 (parameter distance cost).
    """
    return _mean_square(_values(predicted), _values(target))


@typed
def coefficient_prior(coefficients: Coefficients) -> Float[Array, "*batch"]:
    """Returns the mean square of the shape and expression coefficients: one for a random face."""
    values = _values(coefficients)
    return _mean_square(values, jnp.zeros_like(values))


def _values(coefficients: Coefficients) -> Float[Array, "*batch C"]:
    return jnp.concatenate([coefficients.shape, coefficients.expression], axis=-1)


@typed
def _mean_square(
    a: Float[Array, "*batch C"], b: Float[Array, "*batch C"]
) -> Float[Array, "*batch"]:
    return jnp.mean((a - b) ** 2, axis=-1)


@typed
def batch_mean(values: Float[Array, " B"]) -> Float[Array, ""]:
    """Returns the mean over the examples of a batch."""
    return jnp.mean(values)
