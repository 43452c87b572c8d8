"""The paper's method on a TPU pod: 64 chips, 4096 images a step, bf16.

    python experiments/train.py --config=configs/pod.py --cluster --workdir=gs://BUCKET/pod \
        --config.data_dir=ANNOTATED --config.wild_dir=IN_THE_WILD
    python experiments/compile_for_tpu.py --config=configs/pod.py --topology=v5e:8x8

The second command needs no TPU: the real compiler says what a step costs.
"""

import ml_collections

from configs import paper


def get_config(stage: str = "full") -> ml_collections.ConfigDict:
    """Returns `paper.py` at 128 times its batch; the learning rate grows with the square root, as for Adam."""
    config = paper.get_config(stage)
    config.update(
        {
            "dtype": "bfloat16",
            # 64 images each, close to the paper's batch.
            "norm_groups": 64,
            "batch_size": 2048,
            "wild_batch_size": 2048,
            "learning_rate": 5e-5 * 128**0.5,
            "steps": 5000,
            "warmup_steps": 500,
            "checkpoint_every": 500,
            "evaluate_every": 500,
        }
    )
    return config
