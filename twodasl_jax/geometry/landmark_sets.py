"""Sets of the 68 iBUG landmarks, for landmark maps and losses, with the weight of each point."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

from twodasl_jax.array_types import Array, typed


@dataclasses.dataclass(frozen=True, eq=False)
class LandmarkSet:
    """A set of K points, each the midpoint of two of the 68 landmarks.

    Attributes:
      pairs: (K, 2) indices of the two landmarks; equal for a point that is one landmark.
      weights: (K,) the weight of each point in a loss; only ratios matter.
    """

    pairs: Int[np.ndarray, "K 2"]
    weights: Float[np.ndarray, " K"]

    @property
    def parents(self) -> Bool[np.ndarray, "68"]:
        """The mask of the landmarks that occur in `pairs`."""
        return np.isin(np.arange(68), self.pairs)


def _landmarks(first: int, last: int) -> LandmarkSet:
    indices = np.arange(first, last)
    return LandmarkSet(np.stack([indices, indices], axis=1), np.ones(len(indices), np.float32))


# The points of the official landmark map. (37, 40) and (43, 46) are the pupils, and (62, 66) is the
# middle of the mouth. The weights are those of a second-hand implementation of 2DASL.
OFFICIAL = LandmarkSet(
    pairs=np.array(
        [(17, 17), (19, 19), (21, 21), (22, 22), (24, 24), (26, 26)]  # brows
        + [(36, 36), (37, 40), (39, 39), (42, 42), (43, 46), (45, 45)]  # eyes
        + [(31, 31), (30, 30), (35, 35)]  # nose
        + [(48, 48), (62, 66), (54, 54)]  # mouth
    ),
    weights=np.array([1, 1, 1, 1, 1, 1, 1, 2, 1, 1, 2, 1, 1, 4, 1, 2, 4, 2], np.float32),
)
# Brows, eyes, nose and mouth. 2D detectors and 3D points disagree on the jaw.
INNER = _landmarks(17, 68)
ALL = _landmarks(0, 68)

# The parts of the face that the 68 landmarks outline.
REGIONS = {
    "jaw": slice(0, 17),
    "brow": slice(17, 27),
    "nose": slice(27, 36),
    "eyes": slice(36, 48),
    "mouth": slice(48, 68),
}

LANDMARK_SETS = {"official": OFFICIAL, "inner": INNER, "all": ALL}


@typed
def pick_points(
    landmarks: Float[Array, "*batch 68 D"], chosen: LandmarkSet
) -> Float[Array, "*batch K D"]:
    """Computes the K points of a set.

    Args:
      landmarks: (..., 68, D) landmarks in any frame; nan marks a missing landmark.
      chosen: the set.

    Returns:
      (..., K, D) points; a point is nan if one of its two landmarks is missing.
    """
    first, second = chosen.pairs.T
    return (landmarks[..., first, :] + landmarks[..., second, :]) / 2


@typed
def pick_weights(
    visible: Bool[Array, "*batch 68"], chosen: LandmarkSet
) -> Float[Array, "*batch K"]:
    """Computes the K weights of a set.

    Args:
      visible: (..., 68) the mask of visible landmarks.
      chosen: the set.

    Returns:
      (..., K) weights; a weight is zero if one of the two landmarks is not visible.
    """
    first, second = chosen.pairs.T
    return (visible[..., first] & visible[..., second]) * chosen.weights
