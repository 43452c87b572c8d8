"""The compact network on photos of your own with 68 noisy 2D landmarks each.

    python experiments/prepare_data.py --dataset=pseudo_3d --source_dir=FACES --data_dir=data/mine
    python experiments/train.py --config=configs/compact.py --config.data_dir=data/mine --workdir=runs/mine
    python experiments/export_weights.py --workdir=runs/mine --output=weights.npz

On two CPU cores an hour is 600,000 images. With 12,520 faces of AFLW such an hour reaches a balanced NME of 4.0 % on
AFLW2000-3D; what the embedded weights do beyond it is in configs/default_weights.py. With
--config.init_from=twodasl_jax/assets/weights.npz it starts from these.
"""

import ml_collections


def get_config() -> ml_collections.ConfigDict:
    """Returns the settings of the run; each can be changed on the command line (--config.steps=100)."""
    return ml_collections.ConfigDict(
        {
            # Prepared data; several are mixed by weights: "data/a:3,data/b:1".
            "data_dir": "data/mine",
            # Weights to start from: a file of them, or the folder of another run.
            "init_from": "",
            "seed": 0,
            "architecture": "compact",
            # Of the network's computation; parameters, losses and geometry stay float32.
            "dtype": "float32",
            "steps": 10000,
            # Faces with their pseudo 3D annotation, and faces of `wild_dir` of which only the landmarks count.
            "batch_size": 64,
            "wild_batch_size": 0,
            "wild_dir": "",
            # BatchNorm's statistics are those of the whole batch (1), or of as many equal parts of it: a multiple of
            # the number of devices, none of which then waits for another.
            "norm_groups": 1,
            # How a step is mapped over devices: shard_map or pmap.
            "map": "shard_map",
            "learning_rate": 2e-3,
            "warmup_steps": 300,
            "weight_decay": 0.01,
            "gradient_clip": 1.0,
            "average_decay": 0.998,
            # Faces whose labels the model cannot explain better than this share of their size are left out.
            "largest_fit_error": 0.06,
            # Share of the 3D annotations that count; the other faces of data_dir join those in the wild.
            "annotated_share": 1.0,
            # Shares of |yaw| up to 30, up to 60 and up to 90 degrees in every batch, on average.
            "yaw_shares": (0.4, 0.3, 0.3),
            # Names and equations: twodasl_jax/losses/__init__.py. A weight of zero removes the term and its cost.
            "loss_weights": {
                "wpdc": 0.0,
                "pdc": 0.0,
                "vdc": 1.0,
                "coefficients": 0.002,
                "prior": 0.0005,
                "l_2d_con": 0.5,
                "l_3d_con": 0.0,
                "l_cyc": 0.0,
                "l_sc": 0.0,
            },
            # Points of the vertex distance: "landmarks", a number of vertices, or "all".
            "vertices": "landmarks",
            "point_norm": "manhattan",
            "augmentation": {
                "rotation": 12.0,
                "log_scale": 0.08,
                "shift": 4.0,
                "mirror": 0.5,
                "colour": 0.12,
                "grey": 0.1,
                "erase": 0.2,
            },
            # What the landmark map shows, how it is drawn, and how its landmarks are found.
            "landmark_map": {"points": "inner", "kind": "hard", "sigma": 1.5},
            "detection": {"share": 0.5, "noise": 1.0, "hidden_noise": 1.0, "dropped": 0.1},
            # The self-critic plays where l_sc counts.
            "critic": {
                # Channels of its first convolution.
                "width": 16,
                "loss": "non_saturating",
                "learning_rate": 1e-4,
                "weight_decay": 0.0,
                "gradient_clip": 1.0,
                "updates": 1,
                "warmup_steps": 500,
                "ramp_steps": 500,
                "mismatched": False,
            },
            "log_every": 50,
            "evaluate_every": 500,
            "checkpoint_every": 500,
            # The last ones, beside the one that did best on held-out faces.
            "checkpoints_kept": 2,
        }
    )
