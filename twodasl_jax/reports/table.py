"""Tables of a report. Each row has its annotation set, mean, interval, counts and settings."""

from collections.abc import Callable, Sequence

from twodasl_jax.evaluation.summary import BIN_NAMES
from twodasl_jax.reports.document import Document, metrics

HEADER = (
    "metric",
    "against",
    "mean",
    "value",
    "95 % interval",
    *BIN_NAMES,
    "median",
    "beyond 10 %",
    "AUC 10",
    "faces",
    "failed",
    "crop",
    "landmarks",
    "points",
)
# The console shows only these metrics. The Markdown table and the page show all.
_HEADLINES = (
    *("nme68_2d", "nme68_3d", "nme34_2d", "pose_rotation"),
    *("dense_nme_3d", "mesh", "identity", "mesh_point_to_plane"),
    *("scan_nme", "scan_point_to_plane"),
)
# A shape error is only meaningful beside that of the mean face.
_BASELINE = "_mean_face"
_UNKNOWN = "-"


def rows(document: Document) -> list[tuple[str, ...]]:
    """Returns the rows below `HEADER`: the balanced mean and the overall mean of each metric."""
    table = []
    for metric, reference in metrics(document):
        entry = document[metric][reference]
        bins = [_number(value) for value in entry["bins"]]
        counts = str(entry["count"]), str(entry["failures"])
        settings = tuple(document["about"][key] for key in ("crop", "landmarks", "points"))
        name = f"{metric} ({entry['unit']})"
        for mean in ("balanced", "overall"):
            if entry[mean] is None and mean == "balanced":
                continue
            interval = _interval(entry[f"{mean}_interval"])
            others = [_number(entry.get(key)) for key in ("median", "failure_rate_10", "auc_10")]
            cells = (
                [*bins, *[_UNKNOWN] * len(others)]
                if mean == "balanced"
                else [*[_UNKNOWN] * len(bins), *others]
            )
            table.append(
                (name, reference, mean, _number(entry[mean]), interval, *cells, *counts, *settings)
            )
    return table


def headlines(table: Sequence[tuple[str, ...]]) -> list[tuple[str, ...]]:
    """Returns the rows of the most important metrics."""
    return [row for row in table if row[0].split()[0].removesuffix(_BASELINE) in _HEADLINES]


def plain(header: Sequence[str], table: Sequence[Sequence[str]]) -> str:
    """Returns a table for the console."""
    return _aligned(header, table, "  ".join)


def markdown(header: Sequence[str], table: Sequence[Sequence[str]]) -> str:
    """Returns a table in Markdown."""
    rule = ["---"] * len(header)
    return _aligned(header, [rule, *table], lambda cells: f"| {' | '.join(cells)} |")


def _aligned(
    header: Sequence[str],
    table: Sequence[Sequence[str]],
    join: Callable[[Sequence[str]], str],
) -> str:
    columns = zip(header, *table, strict=True)
    widths = [max(map(len, column)) for column in columns]
    lines = [
        join([cell.ljust(width) for cell, width in zip(row, widths, strict=True)]).rstrip()
        for row in (header, *table)
    ]
    return "\n".join(lines)


def _number(value: float | None) -> str:
    return _UNKNOWN if value is None else f"{value:.3f}"


def _interval(bounds: Sequence[float | None] | None) -> str:
    if bounds is None or None in bounds:
        return _UNKNOWN
    return " .. ".join(map(_number, bounds))
