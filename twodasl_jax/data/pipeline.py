"""Endless, exactly resumable batches from prepared data sets, by Grain."""

import sys
from collections.abc import Sequence
from typing import Any

import grain
import numpy as np

# Bounds of |yaw| in degrees: nearly frontal, half profile, profile, as AFLW2000-3D is scored.
_YAW_BOUNDS = (30.0, 60.0)
_ARRAYS = ("image", "landmarks", "visibility", "vector")
# Bytes of a name that are kept, so that names form an array.
_NAME_LENGTH = 64


def training_batches(
    source: Sequence[dict[str, Any]],
    yaw: np.ndarray,
    batch_size: int,
    yaw_shares: tuple[float, float, float],
    seed: int,
    process: tuple[int, int] = (0, 1),
) -> grain.IterDataset:
    """Returns batches in which frontal, half-profile and profile faces have fixed shares, with their names.

    Args:
      source: records of `face_crops`, random access.
      yaw: yaw of each record that may be drawn, radians; nan leaves a record out.
      batch_size: examples a batch, of all processes together.
      yaw_shares: share of |yaw| up to 30, up to 60 and beyond 60 degrees; sums to one.
      seed: of the order.
      process: index of this process, and how many there are; the batches of all, joined, are those of one alone.
    """
    bins = np.digitize(np.degrees(np.abs(yaw)), _YAW_BOUNDS)
    datasets, shares = [], []
    for index, share in enumerate(yaw_shares):
        rows = np.flatnonzero((bins == index) & ~np.isnan(yaw))
        if share > 0 and len(rows):
            picked = grain.MapDataset.source(rows).seed(seed + index).shuffle().repeat()
            datasets.append(picked.map(lambda row: _named(source[int(row)])))
            shares.append(share)
    mixed = grain.MapDataset.mix(datasets, np.array(shares) / np.sum(shares))
    index, count = process
    share = batch_size // count

    def own(position: int) -> dict[str, np.ndarray]:
        batch, row = divmod(position, share)
        return mixed[batch * batch_size + index * share + row]

    endless = grain.MapDataset.range(sys.maxsize // count).map(own)
    return endless.batch(share).to_iter_dataset(
        grain.ReadOptions(num_threads=1, prefetch_buffer_size=8)
    )


def stacked(source: Sequence[dict[str, Any]], rows: Sequence[int]) -> dict[str, np.ndarray]:
    """Returns some records of a (small) data set as arrays."""
    records = [_arrays(source[row]) for row in rows]
    return {name: np.stack([record[name] for record in records]) for name in _ARRAYS}


def _named(record: dict[str, Any]) -> dict[str, np.ndarray]:
    name = np.asarray(record["name"], f"S{_NAME_LENGTH}")
    return {**_arrays(record), "name": name}


def _arrays(record: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: record[name] for name in _ARRAYS}
