"""Writes the averaged weights of a training run into one file that `Reconstructor` reads.

python experiments/export_weights.py --workdir=runs/first --output=weights.npz
"""

import pathlib
import sys

from absl import app, flags

from twodasl_jax.errors import InputError
from twodasl_jax.training.checkpoints import trained_weights
from twodasl_jax.weights import save_weights

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a training run.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "File to write (.npz, float16).", required=True)


def main(argv: list[str]) -> int:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments: {' '.join(argv[1:])}")
    workdir = pathlib.Path(_WORKDIR.value)
    try:
        weights = trained_weights(workdir)
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    save_weights(_OUTPUT.value, weights)
    print(f"{_OUTPUT.value}: {pathlib.Path(_OUTPUT.value).stat().st_size / 1e6:.2f} MB")
    return 0


if __name__ == "__main__":
    app.run(main)
