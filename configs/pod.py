"""The method of the paper on a TPU pod: 64 chips, 4096 images per step, bf16.

    python experiments/train.py --config=configs/pod.py --cluster --workdir=SHARED_FOLDER/pod \
        --config.data_dir=ANNOTATED --config.wild_dir=IN_THE_WILD
    python experiments/benchmark.py --what=tpu --config=configs/pod.py --topology=v5e:8x8

Run the first command on every host; SHARED_FOLDER is a folder that all hosts share. The second command needs no TPU:
it compiles the step with the TPU compiler and prints its cost.
"""

import ml_collections

from configs import paper


def get_config(stage: str = "full") -> ml_collections.ConfigDict:
    """Returns `paper.py` with a batch of 128 times the size; learning rates scale with its square root, as for Adam."""
    config = paper.get_config(stage)
    config.update(
        {
            "dtype": "bfloat16",
            # 64 images per group, close to the batch of the paper.
            "norm_groups": 64,
            "batch_size": 2048,
            "wild_batch_size": 2048,
            "learning_rate": 5e-5 * 128**0.5,
            "steps": 5000,
            "warmup_steps": 500,
            "checkpoint_every": 500,
            "evaluate_every": 500,
            "critic": {"learning_rate": 1e-4 * 128**0.5, "warmup_steps": 200, "ramp_steps": 200},
        }
    )
    return config
