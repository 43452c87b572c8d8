"""The claim of the paper: with 2D landmarks and its four losses, few 3D annotations do the work of many.

    D="python experiments/prepare_data.py --dataset=synthetic_faces --label_noise=1.7"
    $D --count=4200 --seed=1 --data_dir=data/ablation/faces
    $D --count=500 --seed=2 --data_dir=data/ablation/usual
    $D --count=500 --seed=3 --data_dir=data/ablation/harsh --conditions=harsh
    python experiments/ablate.py --study=configs/ablation/annotations.py --workdir=runs/annotations --output_dir=report

Of 4,032 rendered faces 1, 5, 10, 25 or 100 % keep their 3D annotation, the same faces for all rows; all have 68 noisy
2D landmarks. The test faces are new ones, in the same conditions, and in harsher ones than the network ever saw.
"""

import pathlib
import runpy
from typing import Any

import ml_collections

_FOLDER = pathlib.Path(__file__).parent
_ALONE, _ALL = "L_3d alone", "all four"
# By row: file of its config.
_ROWS = {
    _ALONE: "l_3d",
    "+ L_2d_con": "l_2d_con",
    "+ L_3d_con": "l_3d_con",
    "+ L_cyc": "l_cyc",
    "+ L_sc": "l_sc",
    _ALL: "all",
}
_SHARES = (0.01, 0.05, 0.1, 0.25)
# Where every row has an entry; elsewhere the first and the last are enough to see how the claim depends on the share.
_DETAILED = 0.1


def get_study() -> dict[str, Any]:
    """Returns the attributes of a `Study`, see experiments/ablation/study.py."""
    cells = [
        (row, f"{share:.0%}", _config(name, share))
        for share in sorted(_SHARES, key=lambda share: share != _DETAILED)
        for row, name in _ROWS.items()
        if share == _DETAILED or row in (_ALONE, _ALL)
    ]
    everything = [(row, "100%", _config(_ROWS[row], 1.0)) for row in (_ALONE, _ALL)]
    # No face is left without an annotation: the half in the wild is drawn from the same ones.
    everything[1][2].wild_dir = everything[1][2].data_dir
    return {
        "title": "How many 3D annotations the four losses stand in for",
        "cells": [*everything, *cells],
        "rows": tuple(_ROWS),
        "columns": ("1%", "5%", "10%", "25%", "100%"),
        "seeds": (0, 1, 2),
        "baseline": _ALONE,
        "goal": (_ALONE, "100%"),
        "test_sets": {"usual": "data/ablation/usual", "harsh": "data/ablation/harsh"},
    }


def _config(name: str, share: float) -> ml_collections.ConfigDict:
    config = runpy.run_path(str(_FOLDER / f"{name}.py"))["get_config"]()
    config.annotated_share = share
    return config
