"""Losses on coefficients: L_3d (WPDC) and PDC of annotated images, and the prior of the face model."""

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
    """Computes (a' - a*)^T diag(w) (a' - a*), which is L_3d of 2DASL and WPDC of 3DDFA.

    Args:
      predicted: (..., C) the predicted vectors a', whitened.
      target: (..., C) the annotated vectors a*, whitened.
      weights: (..., C) the weights w from `displacement_weights`.
    """
    return jnp.sum(weights * (predicted - target) ** 2, axis=-1)


@typed
def displacement_weights(
    predicted: Float[Array, "*batch C"],
    target: Float[Array, "*batch C"],
    landmarks: Landmarks,
) -> Float[jax.Array, "*batch C"]:
    """Computes the weight of each coefficient from the landmark displacement that its error causes.

    The displacement d_i is the change of the landmarks if the prediction replaces coefficient i of
    the annotation only:

        d_i = |x(a* with a*_i := a'_i) - x(a*)|        w_i = d_i / sum_j d_j

    The weights are constants of the loss, so no gradient flows through them.

    Args:
      predicted: (..., C) the predicted vectors a', not whitened.
      target: (..., C) the annotated vectors a*, not whitened.
      landmarks: the function x from vectors to 3D landmarks in the crop frame.

    Returns:
      (..., C) weights with a sum of one; all zero for a perfect prediction.
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
    """Computes the mean squared error of (..., C) whitened vectors, the PDC of 3DDFA."""
    return jnp.mean((predicted - target) ** 2, axis=-1)


@typed
def coefficient_distance(predicted: Coefficients, target: Coefficients) -> Float[Array, "*batch"]:
    """Computes the mean squared error of shape and expression coefficients, in squared standard deviations."""
    return parameter_distance(_values(predicted), _values(target))


@typed
def coefficient_prior(coefficients: Coefficients) -> Float[Array, "*batch"]:
    """Computes the mean square of shape and expression coefficients; its mean over random faces is one."""
    values = _values(coefficients)
    return parameter_distance(values, jnp.zeros_like(values))


def _values(coefficients: Coefficients) -> Float[Array, "*batch C"]:
    return jnp.concatenate([coefficients.shape, coefficients.expression], axis=-1)
