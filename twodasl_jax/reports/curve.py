"""The cumulative error curve of a report as an image."""

import io

import numpy as np
from matplotlib.figure import Figure

from twodasl_jax.evaluation.summary import cumulative_curve
from twodasl_jax.reports.document import Document, errors_of

_LIMIT = 10.0
_INCHES = (7.0, 4.6)
_DOTS_PER_INCH = 130


def draw(document: Document) -> bytes:
    """Returns a PNG of the fraction of faces below each error, for the whole-face errors of all annotation sets.

    Faces without a prediction count as errors beyond every threshold, so failures keep the curve below 100 %.
    """
    figure = Figure(figsize=_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot()
    thresholds = np.linspace(0, _LIMIT, 500)
    for metric, reference in _curves(document):
        entry = document[metric][reference]
        errors = errors_of(document, metric, reference)
        padded = _pad_failures(errors, entry["count"] + entry["failures"])
        percent = 100 * cumulative_curve(padded, thresholds)
        label = f"{metric}, {reference}: AUC {entry['auc_10']:.3f}, beyond 10 %: {entry['failure_rate_10']:.1f} %"
        axes.plot(thresholds, percent, label=label, linewidth=1.8)
    about = document["about"]
    axes.set(
        xlim=(0, _LIMIT),
        ylim=(0, 100),
        xlabel="normalized mean error, %",
        ylabel="faces, %",
        title=f"{about['method']} on {about['count']} faces ({about['protocol']})",
    )
    axes.grid(alpha=0.3)
    axes.legend(loc="lower right", fontsize="small")
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()


def _curves(document: Document) -> list[tuple[str, str]]:
    """Returns the whole-face errors in percent, without regions and other normalisations."""
    names = [name for name in document if name.startswith("nme") and name.endswith(("_2d", "_3d"))]
    names += [name for name in ("scan_nme",) if name in document]
    return [(name, reference) for name in names for reference in document[name]]


def _pad_failures(errors: np.ndarray, count: int) -> np.ndarray:
    """Returns the finite errors, padded with nan to `count` values."""
    finite = errors[np.isfinite(errors)]
    return np.concatenate([finite, np.full(count - len(finite), np.nan)])
