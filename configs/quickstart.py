"""Learns faces in three minutes on two CPU cores, from rendered faces and nothing else: `make train-quickstart`.

    python experiments/prepare_data.py --dataset=synthetic_faces --count=2500 --data_dir=data/quickstart
    python experiments/train.py --config=configs/quickstart.py --workdir=runs/quickstart

WORKDIR/validation/ shows 12 held-out faces with true and predicted points after every 50 steps.
"""

import pathlib
import runpy

import ml_collections

_COMPACT = runpy.run_path(str(pathlib.Path(__file__).with_name("compact.py")))


def get_config() -> ml_collections.ConfigDict:
    """Returns the settings of the run: the compact network, the vertex distance, and 2D landmark consistency."""
    config = _COMPACT["get_config"]()
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
