"""The population of the face model: adults of both sexes with a balanced mix of ancestries.

A face is the base mesh plus weighted MakeHuman targets. *Macro* targets (ancestry x sex x age, and
sex x age x muscle x weight) have products of the person's attributes as weights. *Local* targets are
pairs of opposite displacements with one normally distributed weight.

The means and standard deviations of the local weights are chosen to match the landmark statistics of
ICT-FaceKit (MIT licence, built from scans): after alignment, the landmarks have the mean and covariance
of its mean face and 100 identity modes. The smallest standard deviation is 0.15. Only these numbers
come from ICT-FaceKit, none of its data.
"""

import dataclasses
import itertools

import numpy as np
from jaxtyping import Float

from .makehuman import MakeHuman

ANCESTRIES = ("african", "asian", "caucasian")
SEXES = ("female", "male")
AGES = ("young", "old")
LEVELS = ("min", "average", "max")
# The ranges of uniformly distributed attributes: the share of "old" (0 is about 25 years, 1 about 90),
# and muscle and weight on MakeHuman's scale from 0 to 1.
OLD_RANGE = (0.0, 0.8)
MUSCLE_RANGE = (0.0, 1.0)
WEIGHT_RANGE = (0.0, 1.0)


@dataclasses.dataclass(frozen=True)
class LocalTarget:
    """A pair of opposite targets.

    Attributes:
      name: the group and stem; a stem that starts with "l-" includes its right twin.
      negative: the suffix of the target for negative weights.
      positive: the suffix of the target for positive weights.
      mean: the mean weight in the population.
      sigma: the standard deviation of the weight.
    """

    name: str
    negative: str
    positive: str
    mean: float
    sigma: float


LOCAL_TARGETS = (
    LocalTarget("cheek/l-cheek-bones", "decr", "incr", 0.00, 0.15),
    LocalTarget("cheek/l-cheek-inner", "decr", "incr", 0.00, 0.15),
    LocalTarget("cheek/l-cheek-trans", "down", "up", 0.00, 0.15),
    LocalTarget("cheek/l-cheek-volume", "decr", "incr", 0.00, 0.15),
    LocalTarget("chin/chin-bones", "decr", "incr", 0.00, 0.15),
    LocalTarget("chin/chin-cleft", "decr", "incr", 0.00, 0.15),
    LocalTarget("chin/chin-height", "decr", "incr", -0.14, 0.15),
    LocalTarget("chin/chin-jaw-drop", "decr", "incr", 0.00, 0.15),
    LocalTarget("chin/chin-prognathism", "decr", "incr", 0.00, 0.15),
    LocalTarget("chin/chin-prominent", "decr", "incr", 0.30, 0.35),
    LocalTarget("chin/chin-width", "decr", "incr", 0.00, 0.15),
    LocalTarget("eyebrows/eyebrows-angle", "down", "up", 0.00, 0.20),
    LocalTarget("eyebrows/eyebrows-trans", "backward", "forward", 0.00, 0.20),
    LocalTarget("eyebrows/eyebrows-trans", "down", "up", 0.00, 0.25),
    LocalTarget("eyes/l-eye-bag", "decr", "incr", 0.00, 0.15),
    LocalTarget("eyes/l-eye-bag-height", "decr", "incr", 0.00, 0.15),
    LocalTarget("eyes/l-eye-bag", "in", "out", 0.00, 0.15),
    LocalTarget("eyes/l-eye-corner1", "down", "up", 0.00, 0.15),
    LocalTarget("eyes/l-eye-corner2", "down", "up", -0.22, 0.20),
    LocalTarget("eyes/l-eye-epicanthus", "in", "out", 0.00, 0.15),
    LocalTarget("eyes/l-eye-eyefold-angle", "down", "up", 0.00, 0.15),
    LocalTarget("eyes/l-eye-eyefold", "concave", "convex", 0.00, 0.15),
    LocalTarget("eyes/l-eye-eyefold", "down", "up", 0.00, 0.15),
    LocalTarget("eyes/l-eye-height1", "decr", "incr", 0.00, 0.30),
    LocalTarget("eyes/l-eye-height2", "decr", "incr", 0.00, 0.30),
    LocalTarget("eyes/l-eye-height3", "decr", "incr", 0.00, 0.15),
    LocalTarget("eyes/l-eye-push1", "in", "out", 0.42, 0.30),
    LocalTarget("eyes/l-eye-push2", "in", "out", 0.00, 0.25),
    LocalTarget("eyes/l-eye-scale", "decr", "incr", 0.13, 0.15),
    LocalTarget("eyes/l-eye-trans", "down", "up", -0.50, 0.15),
    LocalTarget("eyes/l-eye-trans", "in", "out", 0.00, 0.15),
    LocalTarget("forehead/forehead-nubian", "decr", "incr", 0.00, 0.15),
    LocalTarget("forehead/forehead-temple", "decr", "incr", 0.00, 0.15),
    LocalTarget("forehead/forehead-trans", "backward", "forward", 0.00, 0.15),
    LocalTarget("head/head-age", "decr", "incr", 0.00, 0.50),
    LocalTarget("head/head-angle", "in", "out", 0.00, 0.20),
    LocalTarget("head/head-fat", "decr", "incr", 0.15, 0.15),
    LocalTarget("head/head-scale-depth", "decr", "incr", 0.00, 0.15),
    LocalTarget("head/head-scale-horiz", "decr", "incr", 0.00, 0.15),
    LocalTarget("head/head-scale-vert", "decr", "incr", 0.00, 0.15),
    LocalTarget("mouth/mouth-angles", "down", "up", 0.09, 0.20),
    LocalTarget("mouth/mouth-cupidsbow", "decr", "incr", 0.00, 0.15),
    LocalTarget("mouth/mouth-cupidsbow-width", "decr", "incr", 0.22, 0.15),
    LocalTarget("mouth/mouth-dimples", "in", "out", 0.00, 0.15),
    LocalTarget("mouth/mouth-laugh-lines", "in", "out", 0.00, 0.15),
    LocalTarget("mouth/mouth-lowerlip-ext", "down", "up", 0.00, 0.15),
    LocalTarget("mouth/mouth-lowerlip-height", "decr", "incr", 0.00, 0.40),
    LocalTarget("mouth/mouth-lowerlip-middle", "down", "up", 0.00, 0.35),
    LocalTarget("mouth/mouth-lowerlip-volume", "decr", "incr", 0.29, 0.25),
    LocalTarget("mouth/mouth-lowerlip-width", "decr", "incr", 0.40, 0.15),
    LocalTarget("mouth/mouth-philtrum-volume", "decr", "incr", 0.00, 0.15),
    LocalTarget("mouth/mouth-scale-depth", "decr", "incr", 0.10, 0.15),
    LocalTarget("mouth/mouth-scale-horiz", "decr", "incr", 0.00, 0.25),
    LocalTarget("mouth/mouth-scale-vert", "decr", "incr", -0.16, 0.25),
    LocalTarget("mouth/mouth-trans", "backward", "forward", -0.24, 0.15),
    LocalTarget("mouth/mouth-trans", "down", "up", 0.00, 0.15),
    LocalTarget("mouth/mouth-upperlip-ext", "down", "up", 0.00, 0.15),
    LocalTarget("mouth/mouth-upperlip-height", "decr", "incr", 0.00, 0.15),
    LocalTarget("mouth/mouth-upperlip-middle", "down", "up", -0.08, 0.15),
    LocalTarget("mouth/mouth-upperlip-volume", "decr", "incr", 0.14, 0.40),
    LocalTarget("mouth/mouth-upperlip-width", "decr", "incr", 0.00, 0.15),
    LocalTarget("nose/nose-base", "down", "up", -0.18, 0.15),
    LocalTarget("nose/nose-compression", "compress", "uncompress", 0.42, 0.15),
    LocalTarget("nose/nose-curve", "concave", "convex", 0.22, 0.35),
    LocalTarget("nose/nose-flaring", "decr", "incr", 0.00, 0.15),
    LocalTarget("nose/nose-greek", "decr", "incr", 0.12, 0.20),
    LocalTarget("nose/nose-hump", "decr", "incr", 0.00, 0.30),
    LocalTarget("nose/nose-nostrils-angle", "down", "up", -0.08, 0.15),
    LocalTarget("nose/nose-nostrils-width", "decr", "incr", -0.10, 0.15),
    LocalTarget("nose/nose-point", "down", "up", 0.25, 0.15),
    LocalTarget("nose/nose-point-width", "decr", "incr", 0.00, 0.15),
    LocalTarget("nose/nose-scale-depth", "decr", "incr", 0.24, 0.20),
    LocalTarget("nose/nose-scale-horiz", "decr", "incr", -0.12, 0.15),
    LocalTarget("nose/nose-scale-vert", "decr", "incr", 0.10, 0.15),
    LocalTarget("nose/nose-septumangle", "decr", "incr", -0.34, 0.15),
    LocalTarget("nose/nose-trans", "backward", "forward", 0.14, 0.30),
    LocalTarget("nose/nose-trans", "down", "up", 0.21, 0.15),
    LocalTarget("nose/nose-volume", "decr", "incr", 0.00, 0.15),
    LocalTarget("nose/nose-width1", "decr", "incr", 0.00, 0.15),
    LocalTarget("nose/nose-width2", "decr", "incr", 0.00, 0.15),
    LocalTarget("nose/nose-width3", "decr", "incr", -0.17, 0.15),
    LocalTarget("head/head", "square", "oval", 0.00, 0.15),
    LocalTarget("head/head", "rectangular", "round", 0.11, 0.15),
    LocalTarget("head/head", "triangular", "invertedtriangular", 0.00, 0.15),
)


@dataclasses.dataclass(frozen=True)
class Population:
    """Faces as weights of displacement fields.

    Attributes:
      fields: (K, N, 3) displacements of the base mesh in mm.
      weights: (n, K) the weights of the fields in each face.
    """

    fields: Float[np.ndarray, "K N 3"]
    weights: Float[np.ndarray, "n K"]


def level_weights(value: Float[np.ndarray, " n"]) -> Float[np.ndarray, "n 3"]:
    """Returns the shares of "min", "average" and "max" for values between 0 and 1."""
    low, high = np.maximum(1 - 2 * value, 0), np.maximum(2 * value - 1, 0)
    return np.stack([low, 1 - low - high, high], axis=1)


def macro_weights(rng: np.random.Generator, count: int) -> Float[np.ndarray, "n 48"]:
    """Returns the weights of the macro targets of random adults, in the order of `macro_target_names`.

    Args:
      rng: the random generator.
      count: n, the number of faces.
    """
    ancestry = rng.dirichlet(np.ones(len(ANCESTRIES)), size=count)
    male = rng.uniform(size=count)
    old = rng.uniform(*OLD_RANGE, size=count)
    muscle = level_weights(rng.uniform(*MUSCLE_RANGE, size=count))
    weight = level_weights(rng.uniform(*WEIGHT_RANGE, size=count))
    sex = np.stack([1 - male, male], axis=1)
    age = np.stack([1 - old, old], axis=1)
    person = np.einsum("nr,ns,na->nrsa", ancestry, sex, age)
    body = np.einsum("ns,na,nm,nw->nsamw", sex, age, muscle, weight)
    return np.concatenate([person.reshape(count, -1), body.reshape(count, -1)], axis=1)


def macro_target_names() -> list[str]:
    """Returns the names of the macro targets: ancestry x sex x age, then sex x age x muscle x weight."""
    person = [f"{r}-{s}-{a}" for r, s, a in itertools.product(ANCESTRIES, SEXES, AGES)]
    body = [
        f"universal-{s}-{a}-{m}muscle-{w}weight"
        for s, a, m, w in itertools.product(SEXES, AGES, LEVELS, LEVELS)
    ]
    return [f"macrodetails/{name}" for name in person + body]


def local_weights(rng: np.random.Generator, count: int) -> Float[np.ndarray, "n K"]:
    """Returns the non-negative weights of the local targets of random faces.

    Args:
      rng: the random generator.
      count: n, the number of faces.

    Returns:
      (n, K) weights: two columns per entry of `LOCAL_TARGETS`, for its negative and its positive target.
    """
    mean = np.array([target.mean for target in LOCAL_TARGETS])
    sigma = np.array([target.sigma for target in LOCAL_TARGETS])
    signed = mean + sigma * rng.standard_normal((count, len(mean)))
    sided = np.stack([np.maximum(-signed, 0.0), np.maximum(signed, 0.0)], axis=2)
    return sided.reshape(count, -1)


def _local_field(source: MakeHuman, name: str) -> Float[np.ndarray, "N 3"]:
    """Returns the displacements of a local target; those of a left target include the right side."""
    group, stem = name.split("/")
    field = source.target(name)
    if stem.startswith("l-"):
        field = field + source.target(f"{group}/r-{stem[2:]}")
    return field


def sample_population(source: MakeHuman, rng: np.random.Generator, count: int) -> Population:
    """Returns random faces of the population.

    Args:
      source: the MakeHuman data.
      rng: the random generator.
      count: the number of faces.
    """
    local_names = [
        f"{target.name}-{suffix}"
        for target in LOCAL_TARGETS
        for suffix in (target.negative, target.positive)
    ]
    fields = [source.target(name) for name in macro_target_names()]
    fields += [_local_field(source, name) for name in local_names]
    weights = [macro_weights(rng, count), local_weights(rng, count)]
    return Population(np.stack(fields), np.concatenate(weights, axis=1))
