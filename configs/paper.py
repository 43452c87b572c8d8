"""2DASL as the paper trains it: ResNet-50, annotated and in-the-wild faces in each step, four self-supervisions.

    python experiments/prepare_data.py --dataset=face300w_lp --source_dir=300W_LP --data_dir=data/300w_lp
    python experiments/train.py --config=configs/paper.py --workdir=runs/paper

and, for the second stage, in which the vertex distance alone counts, from the weights of the first:

    python experiments/train.py --config=configs/paper.py:fine_tune --workdir=runs/paper_fine_tuned \
        --config.init_from=runs/paper

300W_LP is the extracted archive. Faces in the wild of your own (`prepare_data.py --dataset=faces_2d`) come in by
--config.wild_dir=FOLDER; without them the half in the wild is 300W-LP again, of which only the landmarks count there.

Made for one GPU or TPU; a step of 32 images takes about ten seconds on two CPU cores. Not trained by us yet: what it
reaches is not known. The loss weights are known from a second-hand implementation, and batch size and learning rates
from memory of the paper; what is ours is marked.
"""

import ml_collections

from twodasl_jax.geometry.frames import CROP_SIZE

# The paper gives its weights without units. Read as weights of distances in crop pixels they keep the cycle, whose
# weight is one, on a par with L_3d; losses here are in shares of the crop's side (our reading).
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
_NO_LOSSES = dict.fromkeys(
    ("wpdc", "pdc", "vdc", "coefficients", "prior", "l_2d_con", "l_3d_con", "l_cyc", "l_sc"), 0.0
)


def get_config(stage: str = "full") -> ml_collections.ConfigDict:
    """Returns the settings of a stage, "full" or "fine_tune"; each can be changed on the command line."""
    return ml_collections.ConfigDict(
        {
            # Prepared data; several are mixed by weights: "data/a:3,data/b:1".
            "data_dir": "data/300w_lp",
            "wild_dir": "data/300w_lp",
            # Weights to start from: a file of them, or the folder of another run.
            "init_from": "",
            "seed": 0,
            "architecture": "resnet50",
            # Of the networks' computation; parameters, losses and geometry stay float32.
            "dtype": "float32",
            # BatchNorm's statistics are those of the whole batch (1), or of as many equal parts of it: a multiple of
            # the number of devices, none of which then waits for another.
            "norm_groups": 1,
            # How a step is mapped over devices: shard_map or pmap.
            "map": "shard_map",
            "steps": 100_000,  # ours
            # Half annotated, half in the wild (ours), 32 together.
            "batch_size": 16,
            "wild_batch_size": 16,
            "learning_rate": 5e-5,
            "warmup_steps": 1000,  # ours
            "weight_decay": 0.0,
            "gradient_clip": 10.0,  # ours
            "average_decay": 0.999,  # ours
            # Faces whose labels the model cannot explain better than this share of their size are left out.
            "largest_fit_error": 0.06,
            # Share of the 3D annotations that count; the other faces of data_dir join those in the wild.
            "annotated_share": 1.0,
            # Shares of |yaw| up to 30, up to 60 and up to 90 degrees in every batch, on average (ours).
            "yaw_shares": (0.4, 0.3, 0.3),
            # Names and equations: twodasl_jax/losses/__init__.py. A weight of zero removes the term and its cost.
            "loss_weights": _NO_LOSSES | _LOSS_WEIGHTS[stage],
            # Points of the vertex distance: "landmarks", a number of vertices, or "all".
            "vertices": "all",
            "point_norm": "euclidean",  # ours
            # What the landmark map shows, how it is drawn, and how its landmarks are found.
            "landmark_map": {"points": "official", "kind": "hard", "sigma": 1.5},
            "detection": {"share": 1.0, "noise": 1.0, "hidden_noise": 1.0, "dropped": 0.0},  # ours
            # The self-critic plays where l_sc counts. All but its learning rate is ours.
            "critic": {
                # Channels of its first convolution.
                "width": 16,
                "loss": "non_saturating",
                "learning_rate": 1e-4,
                "weight_decay": 0.0,
                "gradient_clip": 10.0,
                "updates": 1,
                "warmup_steps": 1000,
                "ramp_steps": 1000,
                "mismatched": False,
            },
            "augmentation": {  # ours
                "rotation": 12.0,
                "log_scale": 0.08,
                "shift": 4.0,
                "mirror": 0.5,
                "colour": 0.12,
                "grey": 0.1,
                "erase": 0.2,
            },
            "log_every": 50,
            "evaluate_every": 1000,
            "checkpoint_every": 1000,
            # The last ones, beside the one that did best on held-out faces.
            "checkpoints_kept": 2,
        }
    )
