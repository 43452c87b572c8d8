"""The joint distribution of the activations of the 52 expression units.

Activations are half-normal (`twodasl_jax.models.expression_units.activation`): around the relaxed face, each
unit follows the non-negative side of a normal distribution. The Gaussian prior of the fitted
coefficients is exact on that side. Left and right twins of a unit mostly act together. "mouthClose"
closes the lips over an open jaw, in proportion to "jawOpen".
"""

import numpy as np
from jaxtyping import Float

from twodasl_jax.models.expression_units.activation import EXCLUSIVE_TWINS, scale_of, twin_of

TWIN_CORRELATION = 0.8
# The mean ratio of "mouthClose" to "jawOpen".
CLOSED_SHARE = 0.3
# The activations of the relaxed face, with slightly parted lips.
RELAXED = {"jawOpen": 0.18}


def activation_covariance(names: list[str]) -> Float[np.ndarray, "K K"]:
    """Returns the covariance of the normal variables underlying the activations, positive semi-definite.

    Args:
      names: the names of the units; both twins of a unit must be present.
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
    """Returns the activations of the mean face."""
    return np.array([RELAXED.get(name, 0.0) for name in names])
