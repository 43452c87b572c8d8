"""Statistics of the errors of many faces: means, yaw bins, failure rates, curves and intervals.

A face without a usable prediction has the error nan, and is a failure. Means exclude failures, so
reports list the number of failures with each mean. Failure rates and cumulative curves count
failures as errors beyond every threshold.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from twodasl_jax.array_types import typed

# The upper bounds (inclusive) of |yaw| of the first two bins, in degrees.
_YAW_BOUNDS = (30.0, 60.0)
BIN_NAMES = ("0-30", "30-60", "60-90")


class YawBinnedError(NamedTuple):
    """Means of an error over yaw bins, in the unit of the error.

    Attributes:
      bins: the means over the faces with |yaw| in [0, 30], (30, 60] and beyond 60 degrees; nan for
        an empty bin.
      balanced: the mean of the three bin means; nan if a bin is empty.
      overall: the mean over all faces.
    """

    bins: tuple[float, float, float]
    balanced: float
    overall: float


@typed
def yaw_bins(yaw: Float[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
    """Returns the bin of AFLW2000-3D (0, 1 or 2) of each yaw in degrees."""
    return np.digitize(np.abs(yaw), _YAW_BOUNDS, right=True)


@typed
def yaw_binned(errors: Float[np.ndarray, " N"], yaw: Float[np.ndarray, " N"]) -> YawBinnedError:
    """Computes the means of errors over the yaw bins of AFLW2000-3D.

    Args:
      errors: (N,) the errors of N > 0 faces, without nan.
      yaw: (N,) the yaw of each face in degrees.
    """
    first, second, third = (
        float(part.mean()) if len(part) else float("nan") for part in _parts(errors, yaw)
    )
    return YawBinnedError(
        (first, second, third), (first + second + third) / 3, float(errors.mean())
    )


@typed
def balanced_interval(
    errors: Float[np.ndarray, " N"], yaw: Float[np.ndarray, " N"]
) -> tuple[float, float]:
    """Computes the 95 % interval of the balanced mean by bootstrap over the faces of each yaw bin.

    The arguments are those of `yaw_binned`. The interval is (nan, nan) if a bin is empty, because
    the balanced mean is nan too.
    """
    parts = _parts(errors, yaw)
    return bootstrap_interval(parts) if all(map(len, parts)) else (float("nan"), float("nan"))


def bootstrap_interval(
    groups: Sequence[Float[np.ndarray, " n"]], draws: int = 2000, seed: int = 0
) -> tuple[float, float]:
    """Computes the 95 % interval of the mean of group means by bootstrap within each group.

    Args:
      groups: the errors of the faces of each group; a single group gives the interval of its mean.
      draws: the number of bootstrap samples.
      seed: the seed of the random generator.
    """
    generator = np.random.default_rng(seed)
    means = [
        group[generator.integers(len(group), size=(draws, len(group)))].mean(axis=1)
        for group in groups
    ]
    low, high = np.percentile(np.mean(means, axis=0), [2.5, 97.5])
    return float(low), float(high)


@typed
def failure_rate(errors: Float[np.ndarray, " N"], threshold: float) -> float:
    """Computes the percentage of errors that exceed a threshold or are nan."""
    return float(100 * np.mean(~_within(errors, threshold)))


@typed
def cumulative_curve(
    errors: Float[np.ndarray, " N"], thresholds: Float[np.ndarray, " T"]
) -> Float[np.ndarray, " T"]:
    """Computes the fraction of errors up to each threshold (the cumulative error distribution)."""
    finite = np.sort(errors[np.isfinite(errors)])
    return np.searchsorted(finite, thresholds, side="right") / len(errors)


@typed
def area_under_curve(errors: Float[np.ndarray, " N"], threshold: float) -> float:
    """Computes the area under the cumulative curve up to a threshold, divided by the threshold.

    The result is from 0 to 1. It is exact: each error e contributes the interval from e to the
    threshold.
    """
    within = errors[_within(errors, threshold)]
    return float(np.sum(1 - within / threshold) / len(errors))


def _within(errors: Float[np.ndarray, " N"], threshold: float) -> Bool[np.ndarray, " N"]:
    return np.nan_to_num(errors, nan=np.inf) <= threshold


def _parts(
    errors: Float[np.ndarray, " N"], yaw: Float[np.ndarray, " N"]
) -> list[Float[np.ndarray, " n"]]:
    bins = yaw_bins(yaw)
    return [errors[bins == index] for index in range(len(_YAW_BOUNDS) + 1)]
