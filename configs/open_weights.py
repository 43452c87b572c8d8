"""The open weights: the compact network on rendered faces alone, so that they are free for any use.

    D="python experiments/prepare_data.py --dataset=synthetic_faces --source_dir=SKINS"
    $D --count=16000 --seed=21 --data_dir=data/open/usual
    $D --count=8000 --seed=22 --conditions=harsh --data_dir=data/open/harsh
    python experiments/train.py --config=configs/open_weights.py --workdir=runs/open
    python experiments/export_weights.py --workdir=runs/open --output=twodasl_jax/assets/open_weights.npz

SKINS are CC0 pictures of skins in the face model's texture coordinates; without --source_dir all skins are made of
formulas. What the weights reach: twodasl_jax/assets/open_weights.md.
"""

import pathlib
import runpy

import ml_collections

_DEFAULT = runpy.run_path(str(pathlib.Path(__file__).with_name("default_weights.py")))


def get_config() -> ml_collections.ConfigDict:
    """Returns the settings of the run; each can be changed on the command line (--config.steps=100)."""
    config = _DEFAULT["get_config"]()
    config.update(
        {
            "data_dir": "data/open/usual:2,data/open/harsh:1",
            "steps": 7500,
            "average_decay": 0.999,
            "learning_rate": 2e-3,
        }
    )
    # Annotations are exact, off the landmarks too.
    config.loss_weights.update({"coefficients": 0.01})
    # Photos are more different from renderings than these from each other.
    config.augmentation.update({"colour": 0.2, "grey": 0.2, "erase": 0.4})
    # Who never saw a photo does well to trust landmarks, but detectors are off by more than annotators.
    config.detection.update({"noise": 1.5})
    return config
