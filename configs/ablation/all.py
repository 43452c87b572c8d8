"""All of 2DASL: L_3d and the four self-supervisions, each as in the config of its own.

python experiments/train.py --config=configs/ablation/all.py --workdir=runs/all --config.annotated_share=0.1
"""

import pathlib
import runpy

import ml_collections

_TERMS = ("l_2d_con", "l_3d_con", "l_cyc", "l_sc")


def get_config() -> ml_collections.ConfigDict:
    """Returns the settings of `l_3d.py` with in-the-wild faces and the four losses."""
    config = _config("l_3d")
    config.wild_batch_size = _config("l_cyc").wild_batch_size
    for term in _TERMS:
        config.loss_weights[term] = _config(term).loss_weights[term]
    return config


def _config(name: str) -> ml_collections.ConfigDict:
    return runpy.run_path(str(pathlib.Path(__file__).with_name(f"{name}.py")))["get_config"]()
