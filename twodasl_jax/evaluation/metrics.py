"""Means of per-image errors as AFLW2000-3D is scored: yaw bins, balanced mean, bootstrap interval."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from twodasl_jax.array_types import typed
from twodasl_jax.errors import DatasetError

_YAW_BOUNDS = (30.0, 60.0)


class YawBinnedError(NamedTuple):
    """NME in percent.

    Attributes:
      bins: mean over the images with |yaw| in [0, 30], (30, 60] and beyond 60 degrees.
      balanced: mean of the three bins.
      overall: mean over all images.
    """

    bins: tuple[float, float, float]
    balanced: float
    overall: float


@typed
def yaw_binned(errors: Float[np.ndarray, " N"], yaw: Float[np.ndarray, " N"]) -> YawBinnedError:
    """Returns means of per-image errors over the yaw bins of AFLW2000-3D; yaw in degrees."""
    first, second, third = (float(part.mean()) for part in _yaw_bins(errors, yaw))
    return YawBinnedError(
        (first, second, third), (first + second + third) / 3, float(errors.mean())
    )


@typed
def balanced_interval(
    errors: Float[np.ndarray, " N"], yaw: Float[np.ndarray, " N"]
) -> tuple[float, float]:
    """Returns the 95 % interval of the balanced mean by bootstrap over the images of each yaw bin."""
    return bootstrap_interval(_yaw_bins(errors, yaw))


def bootstrap_interval(
    groups: Sequence[Float[np.ndarray, " n"]], draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Returns the 95 % interval of the mean of group means, drawing anew within each group.

    Args:
      groups: errors of the images of each group; of one group for a plain mean.
      draws: number of bootstrap samples.
      seed: of the draws.
    """
    generator = np.random.default_rng(seed)
    means = [generator.choice(group, (draws, len(group))).mean(axis=1) for group in groups]
    low, high = np.percentile(np.mean(means, axis=0), [2.5, 97.5])
    return float(low), float(high)


def _yaw_bins(
    errors: Float[np.ndarray, " N"], yaw: Float[np.ndarray, " N"]
) -> list[Float[np.ndarray, " n"]]:
    """Splits errors by |yaw|; an empty bin has no mean, so it is an error."""
    bins = np.digitize(np.abs(yaw), _YAW_BOUNDS, right=True)
    parts = [errors[bins == index] for index in range(len(_YAW_BOUNDS) + 1)]
    for part, name in zip(parts, ("up to 30", "from 30 to 60", "beyond 60"), strict=True):
        if not len(part):
            raise DatasetError(
                f"no image has a |yaw| {name} degrees: the balanced mean needs all three bins"
            )
    return parts
