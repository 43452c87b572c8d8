"""Which of the four losses help on photos: AFLW's faces, half of them with a pseudo 3D annotation.

    python experiments/prepare_data.py --dataset=aflw --source_dir=AFLW --turned=1 --data_dir=data/aflw
    python experiments/ablate.py --study=configs/ablation/photos.py --workdir=runs/photos --output_dir=report

The rows are those of configs/ablation/annotations.py, with the form of L_3d by which the embedded weights learn: the
vertex distance, and a little of the coefficients' own. They are tested on the faces that were held out, whose pseudo 3D
annotations rest on manual points of two mark-ups.
"""

import pathlib
import runpy
from typing import Any

import ml_collections

_FOLDER = pathlib.Path(__file__).parent
_DATA = "data/aflw"
# By row: file of its config.
_ROWS = {
    "L_3d alone": "l_3d",
    "+ L_2d_con": "l_2d_con",
    "+ L_3d_con": "l_3d_con",
    "+ L_cyc": "l_cyc",
    "+ L_sc": "l_sc",
    "all four": "all",
}
_COLUMN = "AFLW"


def get_study() -> dict[str, Any]:
    """Returns the attributes of a `Study`, see experiments/ablation/study.py."""
    return {
        "title": "Which losses help on photos",
        "cells": [(row, _COLUMN, _config(name)) for row, name in _ROWS.items()],
        "rows": tuple(_ROWS),
        "columns": (_COLUMN,),
        "seeds": (0, 1),
        "baseline": "L_3d alone",
        "goal": ("all four", _COLUMN),
        "test_sets": {"held-out photos": f"{_DATA}:validation"},
    }


def _config(name: str) -> ml_collections.ConfigDict:
    config = runpy.run_path(str(_FOLDER / f"{name}.py"))["get_config"]()
    config.update({"data_dir": _DATA, "annotated_share": 0.5, "steps": 600})
    config.yaw_shares = (0.4, 0.3, 0.3)
    config.loss_weights.update({"wpdc": 0.0, "vdc": 1.0, "coefficients": 0.002, "prior": 0.0005})
    for term in ("l_2d_con", "l_3d_con", "l_cyc", "l_sc"):
        # Those of the other rows go with L_3d as the weighted parameter distance, whose numbers are larger.
        config.loss_weights[term] /= 10
    return config
