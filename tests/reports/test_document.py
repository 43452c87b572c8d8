"""`report.json`: statistics, unknown values, reading and writing; tables of reports."""

import json

import numpy as np
import pytest

from twodasl_jax.errors import DatasetError
from twodasl_jax.protocols.scoring import FaceErrors
from twodasl_jax.reports import document, table

YAW = np.array([0.0, 10.0, 45.0, 50.0, 70.0, 80.0], "f")
ABOUT = {
    "protocol": "p",
    "method": "m",
    "crop": "given",
    "landmarks": "none",
    "points": "model",
    "failed": ["c"],
}


def score(values, metric="nme68_2d", unit="%", defined=None):
    values = np.array(values, "f")
    defined = np.ones(len(values), bool) if defined is None else np.array(defined, bool)
    return FaceErrors(metric, "original", unit, values, defined)


def built(*scores, yaw=YAW):
    return document.build(ABOUT, list("abcdef"), yaw, scores)


def test_statistics_match_hand_computed_values():
    entry = built(score([1, 3, 4, 6, 9, 11]))["nme68_2d"]["original"]
    assert entry["bins"] == [2, 5, 10]
    assert entry["bin_counts"] == [2, 2, 2]
    assert entry["balanced"] == pytest.approx(17 / 3, abs=1e-6)
    assert entry["overall"] == pytest.approx(34 / 6, abs=1e-6)
    assert (entry["count"], entry["failures"]) == (6, 0)
    assert entry["failure_rate_8"] == pytest.approx(100 / 3, abs=1e-5)
    assert entry["failure_rate_10"] == pytest.approx(100 / 6, abs=1e-5)
    low, high = entry["overall_interval"]
    assert low < entry["overall"] < high


def test_failures_change_rates_but_not_means():
    report = built(score([1, 3, np.nan, 6, 9, 11]))
    entry = report["nme68_2d"]["original"]
    assert (entry["count"], entry["failures"]) == (5, 1)
    assert entry["bins"] == [2, 6, 10]
    assert entry["bin_counts"] == [2, 1, 2]
    assert entry["failure_rate_10"] == pytest.approx(100 * 2 / 6, abs=1e-5)
    assert report["faces"]["errors"]["nme68_2d"]["original"][2] is None
    assert report["about"]["failed"] == ["c"]


def test_excludes_faces_with_undefined_error():
    entry = built(score([1, 3, 4, 6, 9, 999], defined=[1, 1, 1, 1, 1, 0]))["nme68_2d"]["original"]
    assert (entry["count"], entry["failures"]) == (5, 0)
    assert entry["bins"][2] == 9


def test_unknown_values_are_null():
    no_yaw = built(score([1, 3, 4, 6, 9, 11]), yaw=None)["nme68_2d"]["original"]
    assert (no_yaw["balanced"], no_yaw["bins"]) == (None, [None] * 3)
    assert no_yaw["overall"] is not None
    nothing = built(score([np.nan] * 6))["nme68_2d"]["original"]
    assert (nothing["overall"], nothing["count"], nothing["failures"]) == (None, 0, 6)
    assert nothing["failure_rate_8"] == 100
    frontal = built(score([1, 3, 4, 6, 9, 11]), yaw=np.zeros(6, "f"))["nme68_2d"]["original"]
    assert frontal["balanced"] is None
    assert frontal["bins"] == [pytest.approx(34 / 6, abs=1e-6), None, None]


def test_angles_have_no_failure_rate():
    entry = built(score([1, 3, 4, 6, 9, 11], "pose_yaw", "degrees"))["pose_yaw"]["original"]
    assert not any(key.startswith(("failure_rate", "auc")) for key in entry)


def test_write_and_read_document(tmp_path):
    report = built(score([1, 3, np.nan, 6, 9, 11]), score([1, 1, 2, 2, 3, 3], "nme68_3d"))
    document.write(tmp_path / "report.json", report)
    again = document.read(tmp_path / "report.json")
    assert again == json.loads(json.dumps(report))
    assert document.metrics(again) == [("nme68_2d", "original"), ("nme68_3d", "original")]
    np.testing.assert_array_equal(
        document.errors_of(again, "nme68_2d", "original"), [1, 3, np.nan, 6, 9, 11]
    )


@pytest.mark.parametrize("text", ["", "no json", "[1]", "{}", '{"about": {}}'])
def test_rejects_other_files(tmp_path, text):
    (tmp_path / "other.json").write_text(text)
    with pytest.raises(DatasetError, match=r"other\.json"):
        document.read(tmp_path / "other.json")


def test_rows_contain_statistics_and_settings():
    report = built(score([1, 3, 4, 6, 9, 11]), score([1, 1, 2, 2, 3, 3], "nme68_2d_jaw"))
    rows = table.rows(report)
    assert [row[2] for row in rows] == ["balanced", "overall"] * 2
    for row in rows:
        cells = dict(zip(table.HEADER, row, strict=True))
        assert cells["metric"].endswith("(%)")
        assert cells["against"] == "original"
        assert cells["faces"] == "6"
        assert cells["crop"] == "given"
        assert cells["landmarks"] == "none"
        assert " .. " in cells["95 % interval"]
    balanced, overall = (dict(zip(table.HEADER, row, strict=True)) for row in rows[:2])
    assert [balanced[name] for name in ("value", "0-30", "30-60", "60-90", "median")] == [
        *("5.667", "2.000", "5.000", "10.000", "-")
    ]
    assert [overall[name] for name in ("0-30", "median", "beyond 10 %", "AUC 10")] == [
        *("-", "5.000", "16.667", "0.450")
    ]
    assert table.headlines(rows) == rows[:2]


def test_table_columns_are_aligned():
    header, rows = ("a", "long name"), [("1234", "x"), ("5", "y")]
    assert table.plain(header, rows) == "a     long name\n1234  x\n5     y"
    assert table.markdown(header, rows).splitlines() == [
        "| a    | long name |",
        "| ---  | ---       |",
        "| 1234 | x         |",
        "| 5    | y         |",
    ]
