"""Three minutes of training on two CPU cores, with rendered faces only: `make train-quickstart`.

    python experiments/prepare_data.py --dataset=synthetic_faces --count=2500 --data_dir=data/quickstart
    python experiments/train.py --config=configs/quickstart.py --workdir=runs/quickstart

After every 50 steps, WORKDIR/validation/ gets a picture of 12 held-out faces with true and predicted landmarks.
"""

import ml_collections

from configs import compact


def get_config() -> ml_collections.ConfigDict:
    """Returns the settings of the run: the compact network, the vertex distance, and 2D landmark consistency."""
    config = compact.get_config()
    config.update(
        {
            "data_dir": "data/quickstart",
            "steps": 200,
            "warmup_steps": 20,
            "average_decay": 0.95,
            "yaw_shares": (0.34, 0.33, 0.33),
            "log_every": 10,
            "evaluate_every": 50,
            "checkpoint_every": 50,
        }
    )
    return config
