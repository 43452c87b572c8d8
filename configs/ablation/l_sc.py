"""L_3d and L_sc: a critic distinguishes annotated from predicted coefficients, and the network learns to fool it.

python experiments/train.py --config=configs/ablation/l_sc.py --workdir=runs/l_sc --config.annotated_share=0.1
"""

import ml_collections

from configs.ablation import l_3d


def get_config() -> ml_collections.ConfigDict:
    """Returns the settings of `l_3d.py` with in-the-wild images and one more loss."""
    config = l_3d.get_config()
    config.update({"wild_batch_size": 32, "loss_weights": {"l_sc": 0.02}})
    return config
