"""The open weights: the compact network on rendered faces only, which makes the weights free for any use.

    D="python experiments/prepare_data.py --dataset=synthetic_faces --source_dir=SKINS"
    $D --count=16000 --seed=21 --data_dir=data/open/usual
    $D --count=8000 --seed=22 --conditions=harsh --data_dir=data/open/harsh
    python experiments/train.py --config=configs/open_weights.py --workdir=runs/open
    python experiments/make_weights.py --workdir=runs/open --output=twodasl_jax/assets/open_weights.npz

SKINS contains CC0 skin textures in the texture coordinates of the face model. Without --source_dir, all skins are
procedural. twodasl_jax/assets/open_weights.md lists the accuracy of the weights.
"""

import ml_collections

from configs import default_weights


def get_config() -> ml_collections.ConfigDict:
    """Returns the settings of the run."""
    config = default_weights.get_config()
    config.update(
        {
            "data_dir": "data/open/usual:2,data/open/harsh:1",
            "steps": 7500,
            "average_decay": 0.999,
            "learning_rate": 2e-3,
        }
    )
    # Annotations of rendered faces are exact.
    config.loss_weights.update({"coefficients": 0.01})
    # Photos differ more from renderings than renderings differ from each other.
    config.augmentation.update({"colour": 0.2, "grey": 0.2, "erase": 0.4})
    # The network relies more on input landmarks for photos, and detectors are less accurate than human annotators.
    config.detection.update({"noise": 1.5})
    return config
