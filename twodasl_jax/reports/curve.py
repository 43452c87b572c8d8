"""The cumulative error curve of a report as a picture."""

import io

import numpy as np
from matplotlib.figure import Figure

from twodasl_jax.evaluation.summary import cumulative_curve
from twodasl_jax.reports.document import Document, errors_of

_LIMIT = 10.0
_INCHES = (7.0, 4.6)
_DOTS_PER_INCH = 130


def draw(document: Document) -> bytes:
    """Returns a PNG of the share of faces below each error, for the landmark errors of every annotation set.

    A face without a prediction never comes below, so that the curve ends under 100 % where there are failures.
    """
    figure = Figure(figsize=_INCHES, dpi=_DOTS_PER_INCH, layout="constrained")
    axes = figure.add_subplot()
    thresholds = np.linspace(0, _LIMIT, 500)
    for metric, reference in _curves(document):
        entry = document[metric][reference]
        values = errors_of(document, metric, reference)
        counted = _pad_failures(values, entry["count"] + entry["failures"])
        share = 100 * cumulative_curve(counted, thresholds)
        label = f"{metric}, {reference}: AUC {entry['auc_10']:.3f}, beyond 10 %: {entry['failure_rate_10']:.1f} %"
        axes.plot(thresholds, share, label=label, linewidth=1.8)
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
    """The whole-face errors in percent; regions and other normalizers would only crowd the picture."""
    names = [name for name in document if name.startswith("nme") and name.endswith(("_2d", "_3d"))]
    names += [name for name in ("scan_nme",) if name in document]
    return [(name, reference) for name in names for reference in document[name]]


def _pad_failures(values: np.ndarray, count: int) -> np.ndarray:
    """Returns the known errors, and nan for the faces that should have one."""
    finite = values[np.isfinite(values)]
    return np.concatenate([finite, np.full(count - len(finite), np.nan)])
