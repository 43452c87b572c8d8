"""Endless, exactly resumable batches from prepared data sets, built on Grain."""

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import grain
import numpy as np
from jaxtyping import Float, Int

# The bounds between frontal, half-profile and profile faces: |yaw| in degrees, as in the
# AFLW2000-3D protocol.
_YAW_BOUNDS = (30.0, 60.0)
_ARRAYS = ("image", "landmarks", "visibility", "vector")
# Longer names are cut to this number of bytes, so that the names of a batch form an array.
_NAME_LENGTH = 64

# The records of a `face_crops` data set, with random access.
Records = Sequence[dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Pool:
    """The faces of one prepared data set that batches may contain.

    Attributes:
      records: all N records of the data set.
      yaw: the (N,) yaw of each record in radians; a record whose yaw is nan is never drawn.
      weight: the share of this data set in the batches, relative to the other data sets.
    """

    records: Records
    yaw: Float[np.ndarray, " N"]
    weight: float = 1.0


def training_batches(
    pools: Sequence[Pool],
    batch_size: int,
    yaw_shares: tuple[float, float, float],
    seed: int,
    process: tuple[int, int] = (0, 1),
) -> grain.IterDataset:
    """Returns endless batches with fixed shares of each data set and of each yaw range within it.

    Args:
      pools: the data sets.
      batch_size: the number of examples per batch, over all processes.
      yaw_shares: the shares of frontal (|yaw| up to 30 degrees), half-profile (up to 60) and
        profile faces; their sum is one.
      seed: the seed of the order.
      process: the index of this process and the number of processes. Concatenated over all
        processes, the batches equal those of a single process.
    """
    parts = [part for pool in pools for part in _split_by_yaw(pool, yaw_shares)]
    shuffled = [
        grain.MapDataset.source(part.rows)
        .seed(seed + number)
        .shuffle()
        .repeat()
        .map(lambda row, records=part.records: _named_arrays(records[int(row)]))
        for number, part in enumerate(parts)
    ]
    shares = np.array([part.share for part in parts])
    mixed = grain.MapDataset.mix(shuffled, shares / shares.sum())
    index, count = process
    local_size = batch_size // count

    def local_example(position: int) -> dict[str, np.ndarray]:
        batch, row = divmod(position, local_size)
        return mixed[batch * batch_size + index * local_size + row]

    endless = grain.MapDataset.range(sys.maxsize // count).map(local_example)
    return endless.batch(local_size).to_iter_dataset(
        grain.ReadOptions(num_threads=1, prefetch_buffer_size=8)
    )


class _Part(NamedTuple):
    """The rows of one data set in one yaw range, with their unnormalised share of the examples."""

    records: Records
    rows: Int[np.ndarray, " M"]
    share: float


def _split_by_yaw(pool: Pool, shares: tuple[float, float, float]) -> list[_Part]:
    """Splits a data set into yaw ranges; the share of an empty range goes to the others."""
    bins = np.digitize(np.degrees(np.abs(pool.yaw)), _YAW_BOUNDS)
    rows = [np.flatnonzero((bins == index) & ~np.isnan(pool.yaw)) for index in range(len(shares))]
    present = [
        (share, chosen) for share, chosen in zip(shares, rows, strict=True) if share and len(chosen)
    ]
    total = sum(share for share, _ in present)
    return [_Part(pool.records, chosen, pool.weight * share / total) for share, chosen in present]


def stack_records(places: Sequence[tuple[Records, int]]) -> dict[str, np.ndarray]:
    """Returns the stacked arrays of some records.

    Args:
      places: the data set and the row of each record.
    """
    records = [_arrays(source[row]) for source, row in places]
    return {name: np.stack([record[name] for record in records]) for name in _ARRAYS}


def _named_arrays(record: dict[str, Any]) -> dict[str, np.ndarray]:
    name = np.asarray(record["name"], f"S{_NAME_LENGTH}")
    return {**_arrays(record), "name": name}


def _arrays(record: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: record[name] for name in _ARRAYS}
