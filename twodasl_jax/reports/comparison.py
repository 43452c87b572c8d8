"""Two methods on the same faces: paired differences, which are far more certain than two single means."""

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
    """Errors of the faces for which both methods have one."""

    first: Float[np.ndarray, " n"]
    second: Float[np.ndarray, " n"]
    yaw: Float[np.ndarray, " n"] | None


def compare(first: Document, second: Document) -> list[tuple[str, ...]]:
    """Returns the rows below `HEADER`; a negative difference says that the second method is better.

    Only faces with both errors enter a row, whose count says how many; `failed` is how many faces of each report have
    no prediction.

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
    """Returns what a reader of `compare` should know: faces in one report only, other protocols and points."""
    names = [set(document["faces"]["names"]) for document in (first, second)]
    remarks = []
    for which, alone in (("first", names[0] - names[1]), ("second", names[1] - names[0])):
        if alone:
            remarks.append(
                f"{len(alone)} faces are only in the {which} report and do not count here."
            )
    protocols = [document["about"]["protocol"] for document in (first, second)]
    if protocols[0] != protocols[1]:
        remarks.append(
            f"The reports are of different protocols: {protocols[0]} and {protocols[1]}."
        )
    points = [document["about"].get("points", "not said") for document in (first, second)]
    if points[0] != points[1]:
        remarks.append(f"The reports score different points: {points[0]} and {points[1]}.")
    return remarks


def _shared(
    first: list[str], second: list[str]
) -> tuple[Int[np.ndarray, " n"], Int[np.ndarray, " n"]]:
    places = {name: row for row, name in enumerate(second)}
    pairs = [(row, places[name]) for row, name in enumerate(first) if name in places]
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
        errors_of(document, *key)[chosen]
        for document, chosen in zip((first, second), rows, strict=True)
    ]
    both = np.isfinite(errors).all(axis=0)
    yaw = first["faces"]["yaw"]
    chosen_yaw = None if yaw is None else np.array(yaw, np.float64)[rows[0]][both]
    return _Pair(errors[0][both], errors[1][both], chosen_yaw)


def _rows(pair: _Pair) -> list[tuple[str, ...]]:
    if not len(pair.first):
        return []
    everything = np.zeros(len(pair.first), int)
    groupings = {"overall": everything}
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
