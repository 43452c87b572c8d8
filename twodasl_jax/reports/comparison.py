"""Paired comparison of two methods on the same faces.

A paired difference has a far smaller uncertainty than the difference of two independent means.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Int

from twodasl_jax.errors import DatasetError
from twodasl_jax.evaluation import summary
from twodasl_jax.reports.document import Document, errors_of, metrics

HEADER = (
    *("metric", "against", "mean", "first", "second", "difference", "95 % interval"),
    *("faces", "failed"),
)


class _Pair(NamedTuple):
    """The errors of the faces for which both methods have one."""

    first: Float[np.ndarray, " n"]
    second: Float[np.ndarray, " n"]
    yaw: Float[np.ndarray, " n"] | None


def compare(first: Document, second: Document) -> list[tuple[str, ...]]:
    """Returns the rows below `HEADER`. A negative difference means that the second method is better.

    A row covers the faces for which both reports have an error, and gives their number. `failed` is the number of faces
    without a prediction in each report.

    Raises:
      DatasetError: the reports share no faces or no metric.
    """
    rows_first, rows_second = _shared(first["faces"]["names"], second["faces"]["names"])
    shared = [key for key in metrics(first) if key in metrics(second)]
    table = []
    for metric, reference in shared:
        pair = _pair(first, second, (rows_first, rows_second), (metric, reference))
        unit = first[metric][reference]["unit"]
        failed = " / ".join(str(each[metric][reference]["failures"]) for each in (first, second))
        table += [(f"{metric} ({unit})", reference, *row, failed) for row in _rows(pair)]
    if not table:
        raise DatasetError("The reports share no metric: compare reports of one protocol.")
    return table


def notes(first: Document, second: Document) -> list[str]:
    """Returns warnings about unequal reports: unshared faces, different protocols or different points."""
    names = [set(document["faces"]["names"]) for document in (first, second)]
    warnings = []
    for which, unshared in (("first", names[0] - names[1]), ("second", names[1] - names[0])):
        if unshared:
            warnings.append(
                f"{len(unshared)} faces are only in the {which} report and do not count here."
            )
    protocols = [document["about"]["protocol"] for document in (first, second)]
    if protocols[0] != protocols[1]:
        warnings.append(
            f"The reports are of different protocols: {protocols[0]} and {protocols[1]}."
        )
    points = [document["about"].get("points", "unknown") for document in (first, second)]
    if points[0] != points[1]:
        warnings.append(f"The reports score different points: {points[0]} and {points[1]}.")
    return warnings


def _shared(
    first: list[str], second: list[str]
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    """Returns the rows of the shared faces in both lists of names."""
    indices = {name: row for row, name in enumerate(second)}
    pairs = [(row, indices[name]) for row, name in enumerate(first) if name in indices]
    if not pairs:
        raise DatasetError("The reports share no faces: compare reports of one test set.")
    rows_first, rows_second = np.array(pairs).T
    return rows_first, rows_second


def _pair(
    first: Document,
    second: Document,
    rows: tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]],
    key: tuple[str, str],
) -> _Pair:
    errors = [
        errors_of(document, *key)[shared]
        for document, shared in zip((first, second), rows, strict=True)
    ]
    both = np.isfinite(errors).all(axis=0)
    yaw = first["faces"]["yaw"]
    shared_yaw = None if yaw is None else np.array(yaw, np.float64)[rows[0]][both]
    return _Pair(errors[0][both], errors[1][both], shared_yaw)


def _rows(pair: _Pair) -> list[tuple[str, ...]]:
    if not len(pair.first):
        return []
    groupings = {"overall": np.zeros(len(pair.first), int)}
    if pair.yaw is not None and len(set(summary.yaw_bins(pair.yaw))) == len(summary.BIN_NAMES):
        groupings = {"balanced": summary.yaw_bins(pair.yaw), **groupings}
    rows = []
    for mean, groups in groupings.items():
        parts = [groups == group for group in np.unique(groups)]
        means = [
            float(np.mean([errors[part].mean() for part in parts]))
            for errors in (pair.first, pair.second)
        ]
        difference = pair.second - pair.first
        low, high = summary.bootstrap_interval([difference[part] for part in parts])
        numbers = (*(f"{value:.3f}" for value in means), f"{means[1] - means[0]:+.3f}")
        rows.append((mean, *numbers, f"{low:+.3f} .. {high:+.3f}", str(len(pair.first))))
    return rows
