"""2DASL as in the paper: ResNet-50, annotated and in-the-wild images in each step, and four self-supervision losses.

    python experiments/prepare_data.py --dataset=face300w_lp --source_dir=300W_LP --data_dir=data/300w_lp
    python experiments/train.py --config=configs/paper.py --workdir=runs/paper

The second stage starts from the weights of the first, with the vertex distance alone:

    python experiments/train.py --config=configs/paper.py:fine_tune --workdir=runs/paper_fine_tuned \
        --config.init_from=runs/paper

300W_LP is the extracted archive. --config.wild_dir=FOLDER adds your own in-the-wild faces
(`prepare_data.py --dataset=faces_2d`). The default is 300W-LP again, without its annotations.

The config requires a GPU or TPU: a step of 32 images takes about ten seconds on two CPU cores. We have not trained
this config yet, so its accuracy is unknown. The loss weights are from a second-hand implementation. Batch size and
learning rates are recalled from the paper. Settings of our own choice are marked "ours", as are all defaults of
`twodasl_jax.training.settings` that remain.
"""

import ml_collections

from twodasl_jax.geometry.frames import CROP_SIZE
from twodasl_jax.training.settings import default_config

# The paper does not give the units of its weights. Read as weights of distances in crop pixels, they balance the
# cycle, with a weight of one, against L_3d. The losses here are shares of the crop side (our interpretation).
_PIXELS = CROP_SIZE

_LOSS_WEIGHTS = {
    "full": {
        "wpdc": 1.0,
        "l_2d_con": 0.005 * _PIXELS,
        "l_3d_con": 0.005 * _PIXELS,
        "l_cyc": 1.0 * _PIXELS,
        "l_sc": 0.005,
    },
    "fine_tune": {"vdc": 1.0 * _PIXELS},
}


def get_config(stage: str = "full") -> ml_collections.ConfigDict:
    """Returns the settings of a stage, "full" or "fine_tune"."""
    config = default_config()
    config.update(
        {
            "data_dir": "data/300w_lp",
            "wild_dir": "data/300w_lp",
            "architecture": "resnet50",
            "steps": 100_000,  # ours
            # 32 images per step; the equal parts are ours.
            "batch_size": 16,
            "wild_batch_size": 16,
            "learning_rate": 5e-5,
            "warmup_steps": 1000,  # ours
            "weight_decay": 0.0,
            "gradient_clip": 10.0,  # ours
            "average_decay": 0.999,  # ours
            "loss_weights": _LOSS_WEIGHTS[stage],
            "vertices": "all",
            "point_norm": "euclidean",  # ours
            "detection": {"share": 1.0, "dropped": 0.0},  # ours
            "critic": {"gradient_clip": 10.0, "warmup_steps": 1000, "ramp_steps": 1000},  # ours
            "evaluate_every": 1000,
            "checkpoint_every": 1000,
        }
    )
    return config
