"""The embedded weights: the compact network on AFLW's faces, turned copies of them, and rendered ones.

    D="python experiments/prepare_data.py"
    $D --dataset=aflw --source_dir=AFLW --turned=1 --data_dir=data/aflw
    $D --dataset=synthetic_faces --count=8000 --seed=11 --label_noise=1 --source_dir=SKINS --data_dir=data/rendered
    python experiments/train.py --config=configs/default_weights.py --workdir=runs/default
    python experiments/export_weights.py --workdir=runs/default --output=twodasl_jax/assets/weights.npz

AFLW holds aflw68/ and aflw21/ (`twodasl_jax/preparation/aflw.py`), SKINS pictures of skins in the face model's texture
coordinates. The present weights started from earlier ones (--config.init_from) and took 92 minutes on one CPU core;
what they reach: twodasl_jax/assets/weights.md. On two cores two processes of one thread each are a third faster than
one of two threads; start both, with --process_id=0 and 1:

    XLA_FLAGS="--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1" python experiments/train.py \\
        --config=configs/default_weights.py --workdir=runs/default \\
        --coordinator_address=localhost:7777 --num_processes=2 --process_id=0
"""

import pathlib
import runpy

import ml_collections

_COMPACT = runpy.run_path(str(pathlib.Path(__file__).with_name("compact.py")))


def get_config() -> ml_collections.ConfigDict:
    """Returns the settings of the run; each can be changed on the command line (--config.steps=100)."""
    config = _COMPACT["get_config"]()
    config.update(
        {
            "data_dir": "data/aflw:17,data/rendered:3",
            # So that two processes need not wait for each other's statistics.
            "norm_groups": 2,
            "steps": 18_000,
            "learning_rate": 1.5e-3,
            "average_decay": 0.9995,
            "evaluate_every": 1000,
        }
    )
    config.augmentation.update({"rotation": 15.0, "log_scale": 0.1, "erase": 0.3})
    # Hidden points are guessed by a detector, and shown as such.
    config.detection.update({"hidden_noise": 4.0})
    return config
