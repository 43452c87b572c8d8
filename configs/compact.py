"""The compact network on your own photos, each with 68 noisy 2D landmarks.

    python experiments/prepare_data.py --dataset=pseudo_3d --source_dir=FACES --data_dir=data/mine
    python experiments/train.py --config=configs/compact.py --config.data_dir=data/mine --workdir=runs/mine
    python experiments/make_weights.py --workdir=runs/mine --output=weights.npz

Two CPU cores process 600,000 images per hour. After one hour on 12,520 faces of AFLW, the balanced NME on AFLW2000-3D
is 4.0 %. `configs/default_weights.py` adds the settings of the embedded weights. With
--config.init_from=twodasl_jax/assets/weights.npz, training starts from these weights.
"""

import ml_collections

from twodasl_jax.training.settings import default_config


def get_config() -> ml_collections.ConfigDict:
    """Returns the settings of the run. --config.NAME=VALUE changes a setting, for example --config.steps=100."""
    config = default_config()
    config.data_dir = "data/mine"
    config.loss_weights.update(
        {"vdc": 1.0, "coefficients": 0.002, "prior": 0.0005, "l_2d_con": 0.5}
    )
    config.landmark_map.points = "inner"
    return config
