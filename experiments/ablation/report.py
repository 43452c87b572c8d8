"""The report of a study: tables with paired differences, and curves."""

import io
import itertools
from collections.abc import Iterator, Mapping

import numpy as np
import scipy.stats
from jaxtyping import Float
from matplotlib.figure import Figure

from experiments.ablation.measures import MEASURES
from experiments.ablation.study import Study
from twodasl_jax.reports.table import markdown

# Mean errors of the finished runs, by (row, column), then by (test set, measure), then by seed.
Results = Mapping[tuple[str, str], Mapping[tuple[str, str], Mapping[int, float]]]

_MISSING = ""
# The smallest distance from the baseline to the goal, relative to the error, for which the share is reported. For
# smaller distances the share is noise.
_SMALLEST_DISTANCE = 0.05
# Width and height of one panel.
_INCHES = (4.6, 3.4)
_DOTS_PER_INCH = 110


def write_tables(study: Study, results: Results) -> str:
    """Returns a Markdown table for each test set and measure.

    An entry is the mean +- standard deviation over the seeds. The parentheses contain the difference from the baseline
    of the same column with its 95 % confidence interval (Student's t, paired by seed). They also contain the share of
    the distance from the baseline to the goal, unless this distance is small.
    """
    sections = [
        f"### {MEASURES[measure]}: {test_set} faces\n\n{_table(study, results, (test_set, measure))}"
        for test_set, measure in _panels(study)
    ]
    return "\n\n".join(sections) + "\n"


def _panels(study: Study) -> Iterator[tuple[str, str]]:
    return itertools.product(study.test_sets, MEASURES)


def _table(study: Study, results: Results, panel: tuple[str, str]) -> str:
    columns = study.columns
    goal = _values(results, study.goal, panel)
    table = []
    for row in study.rows:
        cells = [row]
        for column in columns:
            baseline = _values(results, (study.baseline, column), panel)
            own = _values(results, (row, column), panel)
            cells.append(_entry(own, {} if row == study.baseline else baseline, goal))
        table.append(cells)
    return markdown(("", *columns), table)


def _values(results: Results, cell: tuple[str, str], panel: tuple[str, str]) -> Mapping[int, float]:
    return results.get(cell, {}).get(panel, {})


def _entry(
    own: Mapping[int, float], baseline: Mapping[int, float], goal: Mapping[int, float]
) -> str:
    if not own:
        return _MISSING
    values = np.array(list(own.values()))
    entry = f"{values.mean():.2f}"
    if len(values) > 1:
        entry += f" +- {values.std(ddof=1):.2f}"
    shared = sorted(set(own) & set(baseline))
    if not shared:
        return entry
    differences = np.array([own[seed] - baseline[seed] for seed in shared])
    entry += f" ({differences.mean():+.2f}"
    if len(shared) > 1:
        entry += " [{:+.2f}, {:+.2f}]".format(*_interval(differences))
    distances = [baseline[seed] - goal[seed] for seed in shared if seed in goal]
    if len(distances) == len(shared) and np.mean(distances) > _SMALLEST_DISTANCE * values.mean():
        entry += f", {-100 * differences.mean() / np.mean(distances):.0f} %"
    return entry + ")"


def _interval(differences: Float[np.ndarray, " n"]) -> tuple[float, float]:
    """Returns the 95 % confidence interval of the mean of a few differences."""
    half = scipy.stats.t.ppf(0.975, len(differences) - 1) * scipy.stats.sem(differences)
    return differences.mean() - half, differences.mean() + half


def draw_curves(study: Study, results: Results) -> bytes:
    """Returns a PNG with a panel for each measure (across) and test set (down), and a curve for each row."""
    columns = study.columns
    down, across = len(study.test_sets), len(MEASURES)
    figure = Figure(
        (across * _INCHES[0], down * _INCHES[1]), dpi=_DOTS_PER_INCH, layout="constrained"
    )
    panels = figure.subplots(down, across, squeeze=False)
    for axes, (test_set, measure) in zip(panels.flat, _panels(study), strict=True):
        for row in study.rows:
            present = [
                (place, list(values.values()))
                for place, column in enumerate(columns)
                if (values := _values(results, (row, column), (test_set, measure)))
            ]
            if not present:
                continue
            places, values_of = zip(*present, strict=True)
            means = [np.mean(values) for values in values_of]
            (line,) = axes.plot(places, means, marker="o", markersize=4, label=row)
            for place, by_seed in present:
                axes.plot([place] * len(by_seed), by_seed, ".", color=line.get_color(), alpha=0.35)
        axes.set(title=f"{test_set} faces", ylabel=MEASURES[measure])
        axes.set_xticks(range(len(columns)), columns)
        axes.grid(alpha=0.3)
    handles, labels = panels[0, 0].get_legend_handles_labels()
    figure.legend(handles, labels, loc="outside upper center", ncols=len(labels))
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    return buffer.getvalue()
