"""All losses of 2DASL: L_3d and the four self-supervision losses, with the weights of their own rows.

python experiments/train.py --config=configs/ablation/all.py --workdir=runs/all --config.annotated_share=0.1
"""

import ml_collections

from configs.ablation import l_2d_con, l_3d, l_3d_con, l_cyc, l_sc

_ROWS = {"l_2d_con": l_2d_con, "l_3d_con": l_3d_con, "l_cyc": l_cyc, "l_sc": l_sc}


def get_config() -> ml_collections.ConfigDict:
    """Returns the settings of `l_3d.py` with in-the-wild images and the four losses."""
    config = l_3d.get_config()
    for term, row in _ROWS.items():
        row_config = row.get_config()
        config.wild_batch_size = row_config.wild_batch_size
        config.loss_weights[term] = row_config.loss_weights[term]
    return config
