"""The paper's method on a TPU pod: 64 chips, 4096 images a step, bf16.

    python experiments/train.py --config=configs/pod.py --cluster --workdir=SHARED_FOLDER/pod \
        --config.data_dir=ANNOTATED --config.wild_dir=IN_THE_WILD
    python experiments/benchmarks/compile_for_tpu.py --config=configs/pod.py --topology=v5e:8x8

The same command runs on each host; SHARED_FOLDER is one that all of them see. The second command needs no TPU: the
real compiler says what a step costs.
"""

import pathlib
import runpy

import ml_collections

_PAPER = runpy.run_path(str(pathlib.Path(__file__).with_name("paper.py")))


def get_config(stage: str = "full") -> ml_collections.ConfigDict:
    """Returns `paper.py` at 128 times its batch; learning rates grow with the square root, as for Adam."""
    config = _PAPER["get_config"](stage)
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
            "critic": {"learning_rate": 1e-4 * 128**0.5, "warmup_steps": 200, "ramp_steps": 200},
        }
    )
    return config
