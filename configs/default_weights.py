"""The embedded weights: the compact network on faces of AFLW, profiled copies of them, and rendered faces.

    D="python experiments/prepare_data.py"
    $D --dataset=aflw --source_dir=AFLW --profiled=1 --data_dir=data/aflw
    $D --dataset=synthetic_faces --count=8000 --seed=11 --label_noise=1 --source_dir=SKINS --data_dir=data/rendered
    python experiments/train.py --config=configs/default_weights.py --workdir=runs/default
    python experiments/make_weights.py --workdir=runs/default --output=twodasl_jax/assets/weights.npz

AFLW contains aflw68/ and aflw21/ (`twodasl_jax/preparation/aflw.py`), and SKINS contains skin textures in the texture
coordinates of the face model. The present weights started from earlier ones (--config.init_from) and took 92 minutes on
one CPU core; twodasl_jax/assets/weights.md lists their accuracy. On two cores, two processes with one thread each are a
third faster than one process with two threads. Start both, with --process_id=0 and 1:

    XLA_FLAGS="--xla_cpu_multi_thread_eigen=false intra_op_parallelism_threads=1" python experiments/train.py \\
        --config=configs/default_weights.py --workdir=runs/default \\
        --coordinator_address=localhost:7777 --num_processes=2 --process_id=0
"""

import ml_collections

from configs import compact


def get_config() -> ml_collections.ConfigDict:
    """Returns the settings of the run."""
    config = compact.get_config()
    config.update(
        {
            "data_dir": "data/aflw:17,data/rendered:3",
            # Two processes then need not synchronise their BatchNorm statistics.
            "norm_groups": 2,
            "steps": 18_000,
            "learning_rate": 1.5e-3,
            "average_decay": 0.9995,
            "evaluate_every": 1000,
        }
    )
    config.augmentation.update({"rotation": 15.0, "log_scale": 0.1, "erase": 0.3})
    # Detectors are inaccurate at hidden landmarks.
    config.detection.update({"hidden_noise": 4.0})
    return config
