"""Paired comparison of two reports."""

import numpy as np
import pytest

from twodasl_jax.errors import DatasetError
from twodasl_jax.protocols.scoring import FaceErrors
from twodasl_jax.reports import document
from twodasl_jax.reports.comparison import HEADER, compare, notes

YAW = np.repeat([0.0, 45.0, 80.0], 40).astype("f")
NAMES = [f"face{number}" for number in range(120)]
ABOUT = {
    "protocol": "p",
    "method": "m",
    "crop": "c",
    "landmarks": "none",
    "points": "model",
    "failed": [],
}


def report(values, names=NAMES, yaw=YAW, metric="nme68_2d"):
    values = np.asarray(values, "f")
    errors = FaceErrors(metric, "original", "%", values, np.ones(len(values), bool))
    return document.build(ABOUT, names, yaw, [errors])


def cells(row):
    return dict(zip(HEADER, row, strict=True))


def test_shared_difficulty_does_not_widen_interval():
    random = np.random.default_rng(0)
    difficulty = random.gamma(4, 1, 120)
    first, second = difficulty + 1, difficulty + 0.5 + random.normal(0, 0.01, 120)
    balanced, overall = map(cells, compare(report(first), report(second)))
    assert (balanced["mean"], overall["mean"]) == ("balanced", "overall")
    assert balanced["faces"] == "120"
    low, high = map(float, balanced["95 % interval"].split(" .. "))
    assert low < float(balanced["difference"]) < high
    assert high - low < 0.01
    assert float(balanced["difference"]) == pytest.approx(-0.5, abs=0.01)
    assert float(overall["second"]) - float(overall["first"]) == pytest.approx(-0.5, abs=0.01)


def test_matches_faces_by_name_and_excludes_failures_of_either_report():
    values = np.arange(120.0)
    second = values.copy()[::-1] + 2
    first = values.copy()
    first[5] = np.nan
    rows = compare(report(first), report(second, NAMES[::-1], YAW[::-1]))
    assert cells(rows[0])["faces"] == "119"
    assert cells(rows[0])["failed"] == "1 / 0"
    assert cells(rows[0])["difference"] == "+2.000"
    assert cells(rows[0])["95 % interval"] == "+2.000 .. +2.000"


def test_no_balanced_mean_without_yaw():
    rows = compare(report(np.ones(120), yaw=None), report(np.ones(120), yaw=None))
    assert [cells(row)["mean"] for row in rows] == ["overall"]


def test_rejects_reports_without_shared_faces_or_metrics():
    with pytest.raises(DatasetError, match="share no faces"):
        compare(report(np.ones(120)), report(np.ones(120), [name.upper() for name in NAMES]))
    with pytest.raises(DatasetError, match="share no metric"):
        compare(report(np.ones(120)), report(np.ones(120), metric="nme34_2d"))


def test_notes_name_unshared_faces_protocols_and_points():
    whole, part = report(np.ones(120)), report(np.ones(100), NAMES[:100], YAW[:100])
    assert notes(whole, whole) == []
    assert notes(whole, part) == ["20 faces are only in the first report and do not count here."]
    part["about"]["protocol"] = "q"
    assert notes(part, whole)[1] == "The reports are of different protocols: q and p."
    part["about"]["points"] = "300w_lp"
    assert notes(part, whole)[2] == "The reports score different points: 300w_lp and model."
