"""Adversarial losses of the regressor (L_sc) and of the self-critic, as functions of logits.

The critic of the paper ends in a softmax over one unit, which is constant. We read it as a sigmoid,
so the score of the critic is a logit.
"""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Float

from twodasl_jax.array_types import Array

Pointwise = Callable[[Float[Array, "*batch"]], Float[Array, "*batch"]]


@dataclasses.dataclass(frozen=True)
class AdversarialLoss:
    """The losses of the critic and of the regressor, each an element-wise function of logits.

    Attributes:
      real: the loss of the critic for a consistent pair of image and coefficients.
      fake: the loss of the critic for an inconsistent pair.
      regressor: L_sc, the loss of the regressor for a pair with predicted coefficients.
      boundary: the logit above which the critic classifies a pair as consistent.
    """

    real: Pointwise
    fake: Pointwise
    regressor: Pointwise
    boundary: float


# Goodfellow et al., Generative Adversarial Nets, NeurIPS 2014.
NON_SATURATING = AdversarialLoss(
    real=lambda logits: jax.nn.softplus(-logits),
    fake=lambda logits: jax.nn.softplus(logits),
    regressor=lambda logits: jax.nn.softplus(-logits),
    boundary=0.0,
)
# Mao et al., Least Squares Generative Adversarial Networks, ICCV 2017 (a = 0, b = c = 1).
LEAST_SQUARES = AdversarialLoss(
    real=lambda logits: (logits - 1.0) ** 2 / 2,
    fake=lambda logits: logits**2 / 2,
    regressor=lambda logits: (logits - 1.0) ** 2 / 2,
    boundary=0.5,
)
# Miyato et al., Spectral Normalization for Generative Adversarial Networks, ICLR 2018.
HINGE = AdversarialLoss(
    real=lambda logits: jnp.maximum(1.0 - logits, 0.0),
    fake=lambda logits: jnp.maximum(1.0 + logits, 0.0),
    regressor=lambda logits: -logits,
    boundary=0.0,
)

ADVERSARIAL_LOSSES = {
    "non_saturating": NON_SATURATING,
    "least_squares": LEAST_SQUARES,
    "hinge": HINGE,
}
