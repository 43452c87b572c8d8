"""L_sc, the game of regressor and self-critic, on the critic's logits: pure and element by element.

The paper's critic ends in a softmax over one unit, which would be constant; a sigmoid is meant, so that its score is
a logit here.
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
    """What the two players minimise, each a function of logits.

    Attributes:
      real: the critic's cost of a consistent pair of image and coefficients.
      fake: the critic's cost of an inconsistent pair.
      fooled: L_sc, the regressor's cost of a pair that it predicted.
      boundary: the logit above which the critic takes a pair for consistent.
    """

    real: Pointwise
    fake: Pointwise
    fooled: Pointwise
    boundary: float


# Goodfellow et al., Generative Adversarial Nets, NeurIPS 2014.
NON_SATURATING = AdversarialLoss(
    real=lambda logits: jax.nn.softplus(-logits),
    fake=lambda logits: jax.nn.softplus(logits),
    fooled=lambda logits: jax.nn.softplus(-logits),
    boundary=0.0,
)
# Mao et al., Least Squares Generative Adversarial Networks, ICCV 2017 (a = 0, b = c = 1).
LEAST_SQUARES = AdversarialLoss(
    real=lambda logits: (logits - 1.0) ** 2 / 2,
    fake=lambda logits: logits**2 / 2,
    fooled=lambda logits: (logits - 1.0) ** 2 / 2,
    boundary=0.5,
)
# Miyato et al., Spectral Normalization for Generative Adversarial Networks, ICLR 2018.
HINGE = AdversarialLoss(
    real=lambda logits: jnp.maximum(1.0 - logits, 0.0),
    fake=lambda logits: jnp.maximum(1.0 + logits, 0.0),
    fooled=lambda logits: -logits,
    boundary=0.0,
)

ADVERSARIAL_LOSSES = {
    "non_saturating": NON_SATURATING,
    "least_squares": LEAST_SQUARES,
    "hinge": HINGE,
}
