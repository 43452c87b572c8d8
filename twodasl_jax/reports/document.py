"""The content of a report: `report.json`, the source of its tables and images.

    {"about": {"protocol": ..., "method": ..., "crop": ..., "landmarks": ..., "points": ..., "count": N,
               "failed": [names]},
     "faces": {"names": [...], "yaw": [...], "errors": {METRIC: {REFERENCE: [...]}}},
     METRIC: {REFERENCE: {"unit": ..., "bins": [a, b, c], "balanced": x, "overall": y, "count": n, ...}}}

REFERENCE is an annotation set or another kind of ground truth. Unknown numbers are null.
"""

import json
import math
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float

from twodasl_jax.errors import DatasetError
from twodasl_jax.evaluation import summary
from twodasl_jax.files import atomic_files
from twodasl_jax.protocols.scoring import FaceErrors

# An alignment with a larger error, in percent of the face's size, counts as failed.
_FAILURE_THRESHOLDS = (8.0, 10.0)
_DIGITS = 6
_OWN_KEYS = ("about", "faces")

Document = dict[str, Any]


def build(
    about: dict[str, Any],
    names: Sequence[str],
    yaw: Float[np.ndarray, " N"] | None,
    scores: Sequence[FaceErrors],
) -> Document:
    """Returns the document of the errors on a test set.

    Args:
      about: the settings of the evaluation: protocol, method, crop, input landmarks, scored points, failed faces.
      names: the names of the N faces.
      yaw: (N,) yaw in degrees; None if unknown, which leaves the yaw bins unknown.
      scores: the errors of the N faces by each metric.
    """
    document: Document = {"about": {**about, "count": len(names)}}
    errors: dict[str, dict[str, list[float]]] = {}
    for score in scores:
        document.setdefault(score.metric, {})[score.reference] = summarize(score, yaw)
        known = np.where(score.defined, score.values, np.nan)
        errors.setdefault(score.metric, {})[score.reference] = known.tolist()
    yaw_list = None if yaw is None else yaw.tolist()
    return _without_nan(
        {**document, "faces": {"names": list(names), "yaw": yaw_list, "errors": errors}}
    )


def summarize(score: FaceErrors, yaw: Float[np.ndarray, " N"] | None) -> dict[str, Any]:
    """Returns the statistics of one metric over the faces for which it is defined.

    Means and intervals cover the `count` faces with a prediction. Rates and areas also cover the `failures`.
    """
    values = score.values[score.defined].astype(np.float64)
    found = np.isfinite(values)
    entry: dict[str, Any] = {
        "unit": score.unit,
        "count": int(found.sum()),
        "failures": int((~found).sum()),
    }
    entry |= _means(values[found], None if yaw is None else yaw[score.defined][found])
    if score.unit == "%" and len(values):
        for threshold in _FAILURE_THRESHOLDS:
            entry[f"failure_rate_{threshold:g}"] = summary.failure_rate(values, threshold)
            entry[f"auc_{threshold:g}"] = summary.area_under_curve(values, threshold)
    return entry


def metrics(document: Document) -> list[tuple[str, str]]:
    """Returns the pairs of metric and reference in a document, in its order."""
    return [
        (metric, reference)
        for metric in document
        if metric not in _OWN_KEYS
        for reference in document[metric]
    ]


def errors_of(document: Document, metric: str, reference: str) -> Float[np.ndarray, " N"]:
    """Returns the errors of all faces; nan if unknown."""
    return np.array(document["faces"]["errors"][metric][reference], np.float64)


def write(path: pathlib.Path, document: Document) -> None:
    """Writes `report.json`."""
    text = json.dumps(document, indent=1, allow_nan=False)
    atomic_files.write_bytes(path, f"{text}\n".encode())


def read(path: pathlib.Path) -> Document:
    """Reads a `report.json`.

    Raises:
      DatasetError: the file is not a report.
    """
    try:
        document = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise DatasetError(f"Cannot read {path}: it is not a report.json ({error}).") from error
    if not isinstance(document, dict) or not set(_OWN_KEYS) <= set(document):
        raise DatasetError(
            f"Cannot use {path}: it is not a report.json of experiments/evaluate.py."
        )
    return document


def _means(errors: Float[np.ndarray, " n"], yaw: Float[np.ndarray, " n"] | None) -> dict[str, Any]:
    unknown = {"bins": [None] * 3, "balanced": None, "balanced_interval": None}
    if not len(errors):
        return {**unknown, "overall": None, "overall_interval": None, "median": None}
    overall = {
        "overall": float(errors.mean()),
        "overall_interval": summary.bootstrap_interval([errors]),
        "median": float(np.median(errors)),
    }
    if yaw is None:
        return unknown | overall
    binned = summary.yaw_binned(errors, yaw.astype(np.float64))
    counts = np.bincount(summary.yaw_bins(yaw.astype(np.float64)), minlength=3)
    return {
        "bins": binned.bins,
        "bin_counts": counts.tolist(),
        "balanced": binned.balanced,
        "balanced_interval": summary.balanced_interval(errors, yaw.astype(np.float64)),
    } | overall


def _without_nan(value: Any) -> Any:
    """Replaces numbers that are not finite by None, and rounds the others."""
    if isinstance(value, float):
        return round(value, _DIGITS) if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _without_nan(entry) for key, entry in value.items()}
    if isinstance(value, list | tuple):
        return [_without_nan(entry) for entry in value]
    return value
