"""The four losses on photos: faces of AFLW, half of them with a pseudo 3D annotation.

    python experiments/prepare_data.py --dataset=aflw --source_dir=AFLW --profiled=1 --data_dir=data/aflw
    python experiments/ablate.py --study=configs/ablation/photos.py --workdir=runs/photos --output_dir=report

The rows are those of configs/ablation/annotations.py. L_3d has the form of the embedded weights: the vertex distance
with a small coefficient distance. The test faces are the held-out faces; their pseudo 3D annotations are fitted to
manual landmarks of two mark-ups.
"""

import types
from typing import Any

import ml_collections

from configs.ablation.annotations import ROWS

_DATA = "data/aflw"
_COLUMN = "AFLW"


def get_study() -> dict[str, Any]:
    """Returns the attributes of a `Study`, see experiments/ablation/study.py."""
    return {
        "title": "Which losses help on photos",
        "cells": [(row, _COLUMN, _config(module)) for row, module in ROWS.items()],
        "rows": tuple(ROWS),
        "columns": (_COLUMN,),
        "seeds": (0, 1),
        "baseline": "L_3d alone",
        "goal": ("all four", _COLUMN),
        "test_sets": {"held-out photos": f"{_DATA}:validation"},
    }


def _config(row: types.ModuleType) -> ml_collections.ConfigDict:
    config = row.get_config()
    config.update({"data_dir": _DATA, "annotated_share": 0.5, "steps": 600})
    config.yaw_shares = (0.4, 0.3, 0.3)
    config.loss_weights.update({"wpdc": 0.0, "vdc": 1.0, "coefficients": 0.002, "prior": 0.0005})
    for term in ("l_2d_con", "l_3d_con", "l_cyc", "l_sc"):
        # The weights of the rows balance the weighted parameter distance, which has larger values.
        config.loss_weights[term] /= 10
    return config
