"""The claim of the paper: with 2D landmarks and its four losses, few 3D annotations suffice.

    D="python experiments/prepare_data.py --dataset=synthetic_faces --label_noise=1.7"
    $D --count=4200 --seed=1 --data_dir=data/ablation/faces
    $D --count=500 --seed=2 --data_dir=data/ablation/usual
    $D --count=500 --seed=3 --data_dir=data/ablation/harsh --conditions=harsh
    python experiments/ablate.py --study=configs/ablation/annotations.py --workdir=runs/annotations --output_dir=report

Of 4,032 rendered faces, 1, 5, 10, 25 or 100 % keep their 3D annotation; the choice is the same for all rows. All faces
have 68 noisy labels. The test faces are new faces in the same conditions, and in harsher ones than in training.
"""

import types
from typing import Any

import ml_collections

# `all` is a builtin function.
from configs.ablation import all as all_four
from configs.ablation import l_2d_con, l_3d, l_3d_con, l_cyc, l_sc

_ALONE, _ALL = "L_3d alone", "all four"
# The config of each row.
ROWS = {
    _ALONE: l_3d,
    "+ L_2d_con": l_2d_con,
    "+ L_3d_con": l_3d_con,
    "+ L_cyc": l_cyc,
    "+ L_sc": l_sc,
    _ALL: all_four,
}
_SHARES = (0.01, 0.05, 0.1, 0.25)
# The share with an entry in every row. The first and the last row have all shares.
_DETAILED = 0.1


def get_study() -> dict[str, Any]:
    """Returns the attributes of a `Study`, see experiments/ablation/study.py."""
    cells = [
        (row, f"{share:.0%}", _config(module, share))
        for share in sorted(_SHARES, key=lambda share: share != _DETAILED)
        for row, module in ROWS.items()
        if share == _DETAILED or row in (_ALONE, _ALL)
    ]
    everything = [(row, "100%", _config(ROWS[row], 1.0)) for row in (_ALONE, _ALL)]
    # All faces are annotated here, so that in-the-wild images must be drawn from the same faces.
    everything[1][2].wild_dir = everything[1][2].data_dir
    return {
        "title": "How many 3D annotations the four losses stand in for",
        "cells": [*everything, *cells],
        "rows": tuple(ROWS),
        "columns": ("1%", "5%", "10%", "25%", "100%"),
        "seeds": (0, 1, 2),
        "baseline": _ALONE,
        "goal": (_ALONE, "100%"),
        "test_sets": {"usual": "data/ablation/usual", "harsh": "data/ablation/harsh"},
    }


def _config(row: types.ModuleType, share: float) -> ml_collections.ConfigDict:
    config = row.get_config()
    config.annotated_share = share
    return config
