"""The joint distribution of the 52 facial units' activations.

The model describes activations as half-normal (`twodasl_jax.expression_units.activation`): around the
relaxed face each unit follows a normal distribution of which only the non-negative side occurs. The
Gaussian prior of the fitted coefficients is then exact on the side that faces use. The left and the
right twin of a unit mostly act together, and the lips close over an open jaw ("mouthClose") in
proportion to it.
"""

import numpy as np
from jaxtyping import Float

from twodasl_jax.expression_units.activation import EXCLUSIVE_TWINS, scale_of, twin_of

TWIN_CORRELATION = 0.8
# The mean share of an open jaw over which the lips stay closed.
CLOSED_SHARE = 0.3
# The relaxed face about which the units act: lips slightly parted.
RELAXED = {"jawOpen": 0.18}


def activation_covariance(names: list[str]) -> Float[np.ndarray, "K K"]:
    """The covariance of the normal variables behind the activations.

    Args:
      names: the units; twins must both be present.

    Returns:
      A positive semi-definite matrix.
    """
    scale = np.array([scale_of(name) for name in names])
    correlation = np.eye(len(names))
    for i, name in enumerate(names):
        if twin_of(name) != name:
            exclusive = name in EXCLUSIVE_TWINS
            correlation[i, names.index(twin_of(name))] = 0.0 if exclusive else TWIN_CORRELATION
    covariance = correlation * np.outer(scale, scale)
    follow = np.eye(len(names))
    follow[names.index("mouthClose"), names.index("jawOpen")] = CLOSED_SHARE
    return follow @ covariance @ follow.T


def relaxed_activations(names: list[str]) -> Float[np.ndarray, " K"]:
    """The activations of the mean face."""
    return np.array([RELAXED.get(name, 0.0) for name in names])
