"""L_3d and L_2d_con: in-the-wild faces come in, and their projected landmarks are to fall on the noisy ones.

python experiments/train.py --config=configs/ablation/l_2d_con.py --workdir=runs/l_2d_con --config.annotated_share=0.1
"""

import pathlib
import runpy

import ml_collections

_ALONE = runpy.run_path(str(pathlib.Path(__file__).with_name("l_3d.py")))


def get_config() -> ml_collections.ConfigDict:
    """Returns the settings of `l_3d.py` with in-the-wild faces and one more loss."""
    config = _ALONE["get_config"]()
    config.update({"wild_batch_size": 32, "loss_weights": {"l_2d_con": 10.0}})
    return config
