"""Writes the averaged weights of a training run into one file that `Reconstructor` reads.

python experiments/export_weights.py --workdir=runs/first --output=weights.npz
"""

import pathlib

from absl import flags

from twodasl_jax import programs
from twodasl_jax.training.checkpoints import trained_weights
from twodasl_jax.weights import save_weights

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a training run.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "File to write (.npz, float16).", required=True)


def main() -> None:
    save_weights(_OUTPUT.value, trained_weights(pathlib.Path(_WORKDIR.value)))
    print(f"{_OUTPUT.value}: {pathlib.Path(_OUTPUT.value).stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    programs.run(main)
