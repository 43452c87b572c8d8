"""Ablation studies: their definition, the report by hand, and a complete study on a few faces."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from configs.ablation import annotations, photos
from experiments.ablation.report import draw_curves, write_tables
from experiments.ablation.study import read_study
from twodasl_jax.errors import ConfigError

ROOT = pathlib.Path(__file__).parents[2]
EXPERIMENTS = ROOT / "experiments"
STUDY = """
import ml_collections

def get_study():
    cell = lambda row, column: (row, column, ml_collections.ConfigDict({"row": row, "seed": 0}))
    return {
        "title": "Test",
        "cells": [cell("plain", "few"), cell("plain", "all"), cell("new", "few")],
        "rows": ("plain", "new"),
        "columns": ("few", "all"),
        "seeds": (0, 1),
        "baseline": "plain",
        "goal": ("plain", "all"),
        "test_sets": {"usual": "data/usual"},
    }
"""


@pytest.fixture
def study(tmp_path):
    (tmp_path / "study.py").write_text(STUDY)
    return read_study(tmp_path / "study.py")


def test_runs_are_ordered_by_seed_with_distinct_folders(study):
    runs = list(study.runs())
    assert [run.folder for run in runs] == [
        *("plain_few_seed0", "plain_all_seed0", "new_few_seed0"),
        *("plain_few_seed1", "plain_all_seed1", "new_few_seed1"),
    ]
    assert [run.config.seed for run in runs] == [0, 0, 0, 1, 1, 1]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "has no function get_study"),
        ("def get_study():\n    return {}", "must return exactly"),
        (
            STUDY.replace('cell("new", "few")', 'cell("plain", "few")'),
            "occur more than once: plain_few_seed0",
        ),
    ],
)
def test_invalid_study_is_refused(tmp_path, text, message):
    (tmp_path / "study.py").write_text(text)
    with pytest.raises(ConfigError, match=message):
        read_study(tmp_path / "study.py")


def test_table_contains_means_paired_differences_and_share_of_distance(study):
    def cell(*values):
        return {("usual", "nme"): dict(enumerate(values))}

    results = {
        ("plain", "few"): cell(8.0, 9.0),
        ("plain", "all"): cell(6.0, 7.0),
        ("new", "few"): cell(6.5, 7.3),
    }
    table = write_tables(study, results).splitlines()
    assert table[0] == "### NME of 68 points, %: usual faces"
    cells = [[entry.strip() for entry in line.split("|")[1:-1]] for line in table[4:6]]
    assert cells[0] == ["plain", "8.50 +- 0.71", "6.50 +- 0.71"]
    # The mean of the differences -1.5 and -1.7 is 1.6 of 2. Student's t for one degree of freedom is 12.706.
    assert cells[1] == ["new", "6.90 +- 0.57 (-1.60 [-2.87, -0.33], 80 %)", ""]
    assert draw_curves(study, results).startswith(b"\x89PNG")


def test_annotation_study_has_losses_and_shares_of_paper():
    study = annotations.get_study()
    detailed = {row: config for row, column, config in study["cells"] if column == "10%"}
    terms = {
        row: {
            name for name in ("l_2d_con", "l_3d_con", "l_cyc", "l_sc") if config.loss_weights[name]
        }
        for row, config in detailed.items()
    }
    assert terms["L_3d alone"] == set()
    assert terms["all four"] == {"l_2d_con", "l_3d_con", "l_cyc", "l_sc"}
    assert [len(chosen) for chosen in terms.values()] == [0, 1, 1, 1, 1, 4]
    shares = {column: config.annotated_share for _, column, config in study["cells"]}
    assert shares == {"1%": 0.01, "5%": 0.05, "10%": 0.1, "25%": 0.25, "100%": 1.0}


def test_photo_study_has_same_rows_with_half_of_the_annotations():
    study = photos.get_study()
    assert [row for row, _, _ in study["cells"]] == list(study["rows"])
    for _, _, config in study["cells"]:
        weights = config.loss_weights
        assert config.annotated_share == 0.5
        assert weights.vdc > 0 == weights.wpdc
        assert bool(config.wild_batch_size) == bool(
            weights.l_2d_con or weights.l_cyc or weights.l_sc or weights.l_3d_con
        )


TINY = """
from configs.ablation import l_3d

def get_study():
    alone = l_3d.get_config()
    alone.update({{"data_dir": "{data}", "steps": 2, "batch_size": 8, "annotated_share": 0.5}})
    return {{
        "title": "Tiny",
        "cells": [("alone", "few", alone)],
        "rows": ("alone",),
        "columns": ("few",),
        "seeds": (0,),
        "baseline": "alone",
        "goal": ("alone", "few"),
        "test_sets": {{"usual": "{data}:validation"}},
    }}
"""


@pytest.mark.slow
def test_study_is_trained_evaluated_and_reported_once(tmp_path):
    def run(program, *arguments):
        command = [sys.executable, EXPERIMENTS / program, *map(str, arguments)]
        environment = os.environ | {"PYTHONPATH": str(ROOT)}
        return subprocess.run(command, capture_output=True, text=True, check=True, env=environment)

    data = tmp_path / "data"
    run("prepare_data.py", "--dataset=synthetic_faces", "--count=50", f"--data_dir={data}")
    (tmp_path / "study.py").write_text(TINY.format(data=data))
    arguments = [
        f"--study={tmp_path / 'study.py'}",
        f"--workdir={tmp_path / 'runs'}",
        f"--output_dir={tmp_path / 'report'}",
    ]
    run("ablate.py", *arguments)
    errors = dict(np.load(tmp_path / "runs" / "alone_few_seed0" / "errors.npz"))
    assert set(errors) == {
        f"usual/{name}" for name in ("nme", "nme_with_landmarks", "nme_3d", "shape")
    }
    assert all(values.shape == (2,) and (values > 0).all() for values in errors.values())
    (first, *_) = json.loads((tmp_path / "report" / "ablation.json").read_text())
    assert first["by_seed"]["0"] == pytest.approx(errors["usual/nme"].mean())
    assert "1 of 1 runs" in (tmp_path / "report" / "ablation.md").read_text()
    changed = (tmp_path / "runs" / "alone_few_seed0" / "metrics.jsonl").stat().st_mtime
    run("ablate.py", *arguments)
    assert (tmp_path / "runs" / "alone_few_seed0" / "metrics.jsonl").stat().st_mtime == changed
