"""L_3d only: training on annotated images. The other rows of the ablation add losses.

    python experiments/train.py --config=configs/ablation/l_3d.py --workdir=runs/l_3d --config.annotated_share=0.1

`configs/ablation/annotations.py` has the commands for the data and for all rows.
"""

import ml_collections

from configs import compact


def get_config() -> ml_collections.ConfigDict:
    """Returns the settings of the row. The network has half the width, so that a run takes minutes on one core."""
    config = compact.get_config()
    config.update(
        {
            "data_dir": "data/ablation/faces",
            "architecture": "compact_half",
            "steps": 600,
            "batch_size": 32,
            "warmup_steps": 50,
            "average_decay": 0.99,
            "yaw_shares": (0.34, 0.33, 0.33),
            "loss_weights": {
                "wpdc": 1.0,
                "vdc": 0.0,
                "coefficients": 0.0,
                "prior": 0.0,
                "l_2d_con": 0.0,
            },
            "critic": {"width": 4, "warmup_steps": 100, "ramp_steps": 100},
            "evaluate_every": 300,
            "checkpoint_every": 300,
        }
    )
    return config
