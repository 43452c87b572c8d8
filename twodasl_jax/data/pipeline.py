"""Endless, exactly resumable batches from prepared data sets, by Grain."""

import dataclasses
import sys
from collections.abc import Sequence
from typing import Any, NamedTuple

import grain
import numpy as np
from jaxtyping import Float, Int

# Bounds of |yaw| in degrees: nearly frontal, half profile, profile, as AFLW2000-3D is scored.
_YAW_BOUNDS = (30.0, 60.0)
_ARRAYS = ("image", "landmarks", "visibility", "vector")
# Bytes of a name that are kept, so that names form an array.
_NAME_LENGTH = 64

# Records of `face_crops`, random access.
Records = Sequence[dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Pool:
    """Some of the faces of a prepared data set, to draw from.

    Attributes:
      records: all its records, random access.
      yaw: (N,) of each record that may be drawn, radians; nan leaves a record out.
      weight: share of the images that come from here, relative to other data sets.
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
    """Returns batches in which data sets, and frontal, half-profile and profile faces in each, have fixed shares.

    Args:
      pools: what is drawn from.
      batch_size: examples a batch, of all processes together.
      yaw_shares: share of |yaw| up to 30, up to 60 and beyond 60 degrees; sums to one.
      seed: of the order.
      process: index of this process, and how many there are; the batches of all, joined, are those of one alone.
    """
    parts = [part for pool in pools for part in _by_yaw(pool, yaw_shares)]
    shuffled = [
        grain.MapDataset.source(part.rows)
        .seed(seed + number)
        .shuffle()
        .repeat()
        .map(lambda row, records=part.records: _named(records[int(row)]))
        for number, part in enumerate(parts)
    ]
    shares = np.array([part.share for part in parts])
    mixed = grain.MapDataset.mix(shuffled, shares / shares.sum())
    index, count = process
    share = batch_size // count

    def own(position: int) -> dict[str, np.ndarray]:
        batch, row = divmod(position, share)
        return mixed[batch * batch_size + index * share + row]

    endless = grain.MapDataset.range(sys.maxsize // count).map(own)
    return endless.batch(share).to_iter_dataset(
        grain.ReadOptions(num_threads=1, prefetch_buffer_size=8)
    )


class _Part(NamedTuple):
    """Rows of a data set that are drawn alike, and their share of all images, up to a common factor."""

    records: Records
    rows: Int[np.ndarray, " M"]
    share: float


def _by_yaw(pool: Pool, shares: tuple[float, float, float]) -> list[_Part]:
    """Splits a data set into its bins of yaw; those that it lacks leave their share to the others."""
    bins = np.digitize(np.degrees(np.abs(pool.yaw)), _YAW_BOUNDS)
    rows = [np.flatnonzero((bins == index) & ~np.isnan(pool.yaw)) for index in range(len(shares))]
    present = [
        (share, chosen) for share, chosen in zip(shares, rows, strict=True) if share and len(chosen)
    ]
    total = sum(share for share, _ in present)
    return [_Part(pool.records, chosen, pool.weight * share / total) for share, chosen in present]


def stacked(places: Sequence[tuple[Records, int]]) -> dict[str, np.ndarray]:
    """Returns some records, given by their data set and row, as arrays."""
    records = [_arrays(source[row]) for source, row in places]
    return {name: np.stack([record[name] for record in records]) for name in _ARRAYS}


def _named(record: dict[str, Any]) -> dict[str, np.ndarray]:
    name = np.asarray(record["name"], f"S{_NAME_LENGTH}")
    return {**_arrays(record), "name": name}


def _arrays(record: dict[str, Any]) -> dict[str, np.ndarray]:
    return {name: record[name] for name in _ARRAYS}
