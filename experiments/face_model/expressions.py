"""How strongly and how jointly people use the 52 facial units.

A unit such as "jawOpen" has no opposite, so its activation is never negative. The model describes
activations as half-normal: around the relaxed face each unit follows a normal distribution of which
only the non-negative side occurs. The Gaussian prior of the fitted coefficients is then exact on
the side that faces use. The left and the right twin of a unit mostly act together, and the lips
close over an open jaw ("mouthClose") in proportion to it.
"""

import numpy as np
from jaxtyping import Float

# Standard deviation of the normal variable behind each activation (1 is a unit's full strength).
USUAL_SCALE = 0.6
MINOR_SCALE = 0.25
MINOR_UNITS = (
    "cheekPuff", "cheekSquint", "eyeLookDown", "eyeLookIn", "eyeLookOut", "eyeLookUp", "jawForward",
    "mouthDimple", "mouthFrown", "mouthPress", "mouthRollLower", "mouthRollUpper",
    "mouthShrugLower", "mouthShrugUpper", "mouthStretch", "noseSneer",
)  # fmt: skip
SCALES = {
    "jawOpen": 0.3,
    "jawLeft": 0.3,
    "jawRight": 0.3,
    "mouthLeft": 0.5,
    "mouthRight": 0.5,
    "tongueOut": 0.0,
    "mouthClose": 0.0,
}
TWIN_CORRELATION = 0.8
# Moving to both sides at once is no movement at all.
EXCLUSIVE_TWINS = frozenset({"jawLeft", "jawRight", "mouthLeft", "mouthRight"})
# The mean share of an open jaw over which the lips stay closed.
CLOSED_SHARE = 0.3
# The relaxed face about which the units act: lips slightly parted.
RELAXED = {"jawOpen": 0.18}


def twin_of(name: str) -> str:
    """The name of a unit's mirror image; a unit on the midline is its own."""
    if name.endswith("Left"):
        return name.removesuffix("Left") + "Right"
    if name.endswith("Right"):
        return name.removesuffix("Right") + "Left"
    return name


def scale_of(name: str) -> float:
    """The standard deviation of the normal variable behind a unit's activation."""
    stem = name.removesuffix("Left").removesuffix("Right")
    usual = MINOR_SCALE if stem in MINOR_UNITS else USUAL_SCALE
    return SCALES.get(name, usual)


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
