"""Losses of images with 3D annotations, over coefficients: L_3d (WPDC), PDC, and the prior beside them."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Float

from twodasl_jax.array_types import Array, typed
from twodasl_jax.geometry.coefficients import Coefficients

Landmarks = Callable[[Float[Array, "*batch C"]], Float[Array, "*batch N 3"]]


@typed
def weighted_parameter_distance(
    predicted: Float[Array, "*batch C"],
    target: Float[Array, "*batch C"],
    weights: Float[Array, "*batch C"],
) -> Float[Array, "*batch"]:
    """Returns (a' - a*)^T diag(w) (a' - a*): 2DASL's L_3d, 3DDFA's WPDC.

    Args:
      predicted: (..., C) whitened vectors.
      target: (..., C) whitened vectors of the annotation.
      weights: (..., C) of `displacement_weights`.
    """
    return jnp.sum(weights * (predicted - target) ** 2, axis=-1)


@typed
def displacement_weights(
    predicted: Float[Array, "*batch C"],
    target: Float[Array, "*batch C"],
    landmarks: Landmarks,
) -> Float[jax.Array, "*batch C"]:
    """Returns how far the landmarks move when only coefficient i is replaced by its prediction, sum one.

        w_i = |x(a* with a_i := a'_i) - x(a*)| / sum_j w_j

    The weights are constants of the loss: no gradient flows through them. A perfect prediction weighs nothing.

    Args:
      predicted: (..., C) vectors, not whitened.
      target: (..., C) vectors of the annotation, not whitened.
      landmarks: x, from vectors to landmarks in the crop frame, with their depth.
    """
    predicted, target = jax.lax.stop_gradient((jnp.asarray(predicted), jnp.asarray(target)))
    only = jnp.eye(target.shape[-1], dtype=bool)
    replaced = jnp.where(only, predicted[..., None, :], target[..., None, :])
    moved = landmarks(replaced) - landmarks(target)[..., None, :, :]
    distance = jnp.sqrt(jnp.sum(moved**2, axis=(-1, -2)))
    total = jnp.sum(distance, axis=-1, keepdims=True)
    return jax.lax.stop_gradient(distance / jnp.where(total > 0, total, 1.0))


@typed
def parameter_distance(
    predicted: Float[Array, "*batch C"], target: Float[Array, "*batch C"]
) -> Float[Array, "*batch"]:
    """Returns the mean squared error of whitened vectors: 3DDFA's PDC."""
    return jnp.mean((predicted - target) ** 2, axis=-1)


@typed
def coefficient_distance(predicted: Coefficients, target: Coefficients) -> Float[Array, "*batch"]:
    """Returns the mean squared error of the shape and expression coefficients, in squared deviations."""
    return parameter_distance(_values(predicted), _values(target))


@typed
def coefficient_prior(coefficients: Coefficients) -> Float[Array, "*batch"]:
    """Returns the mean square of the shape and expression coefficients: one for a random face."""
    values = _values(coefficients)
    return parameter_distance(values, jnp.zeros_like(values))


def _values(coefficients: Coefficients) -> Float[Array, "*batch C"]:
    return jnp.concatenate([coefficients.shape, coefficients.expression], axis=-1)
