"""What the errors of single faces say together: means, yaw bins, failures, cumulative curve, intervals.

A face without a usable prediction has the error nan. It cannot enter a mean, so that every mean goes with the number
of such failures; failure rate and cumulative curve count it as an error beyond every threshold.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Bool, Float, Int

from twodasl_jax.array_types import typed

# Degrees of |yaw| that still belong to the lower bin.
_YAW_BOUNDS = (30.0, 60.0)
BIN_NAMES = ("0-30", "30-60", "60-90")


class YawBinnedError(NamedTuple):
    """Means of an error, in its own unit.

    Attributes:
      bins: over the faces with |yaw| in [0, 30], (30, 60] and beyond 60 degrees; nan where there is none.
      balanced: of the three bins; nan where a bin is empty.
      overall: over all faces.
    """

    bins: tuple[float, float, float]
    balanced: float
    overall: float


@typed
def yaw_bins(yaw: Float[np.ndarray, " N"]) -> Int[np.ndarray, " N"]:
    """Returns which of the three bins of AFLW2000-3D each yaw (degrees) falls into: 0, 1 or 2."""
    return np.digitize(np.abs(yaw), _YAW_BOUNDS, right=True)


@typed
def yaw_binned(errors: Float[np.ndarray, " N"], yaw: Float[np.ndarray, " N"]) -> YawBinnedError:
    """Returns the means of the errors of N > 0 faces over the yaw bins of AFLW2000-3D; yaw in degrees."""
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
    """Returns the 95 % interval of the balanced mean by bootstrap over the images of each yaw bin.

    It is (nan, nan) where a bin is empty, because the mean is not known then either.
    """
    parts = _parts(errors, yaw)
    return bootstrap_interval(parts) if all(map(len, parts)) else (float("nan"), float("nan"))


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
    means = [
        group[generator.integers(len(group), size=(draws, len(group)))].mean(axis=1)
        for group in groups
    ]
    low, high = np.percentile(np.mean(means, axis=0), [2.5, 97.5])
    return float(low), float(high)


@typed
def failure_rate(errors: Float[np.ndarray, " N"], threshold: float) -> float:
    """Returns how many errors are beyond a threshold, or nan, in percent of all."""
    return float(100 * np.mean(~_within(errors, threshold)))


@typed
def cumulative_curve(
    errors: Float[np.ndarray, " N"], thresholds: Float[np.ndarray, " T"]
) -> Float[np.ndarray, " T"]:
    """Returns the share of errors up to each threshold, from 0 to 1 (the cumulative error distribution)."""
    finite = np.sort(errors[np.isfinite(errors)])
    return np.searchsorted(finite, thresholds, side="right") / len(errors)


@typed
def area_under_curve(errors: Float[np.ndarray, " N"], threshold: float) -> float:
    """Returns the area under the cumulative curve up to a threshold, over the threshold: from 0 to 1.

    An error e adds the part of the axis from e to the threshold, so that no grid is needed.
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
