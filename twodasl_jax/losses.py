"""Losses as pure functions: per-example values, optional weights, one place where they are reduced.

term                            function                 source
2D and 3D landmark terms        `landmark_distance`      2DASL, L_2d_con and L_3d_con; L1 is our choice
shape and expression supervised `coefficient_distance`   3DDFA's parameter distance cost, unweighted
Gaussian prior                  `coefficient_prior`      our choice: -2 log density of the face model
reduction over the batch        `batch_mean`
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
    errors = jnp.concatenate(
        [predicted.shape - target.shape, predicted.expression - target.expression], axis=-1
    )
    return jnp.mean(errors**2, axis=-1)


@typed
def coefficient_prior(coefficients: Coefficients) -> Float[Array, "*batch"]:
    """Returns the mean square of the shape and expression coefficients: one for a random face."""
    values = jnp.concatenate([coefficients.shape, coefficients.expression], axis=-1)
    return jnp.mean(values**2, axis=-1)


@typed
def batch_mean(values: Float[Array, " B"]) -> Float[Array, ""]:
    """Returns the mean over the examples of a batch."""
    return jnp.mean(values)
