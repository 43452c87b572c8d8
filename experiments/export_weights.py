"""Writes the averaged weights of a training run into one file that `Reconstructor` reads.

python experiments/export_weights.py --workdir=runs/first --output=weights.npz [--checkpoint=best]
"""

import pathlib

from absl import flags

from twodasl_jax.commands import entry_points
from twodasl_jax.errors import ConfigError
from twodasl_jax.models.weights import save_weights
from twodasl_jax.training.checkpoints import best_step, trained_weights

_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of a training run.", required=True)
_OUTPUT = flags.DEFINE_string("output", None, "File to write (.npz, float16).", required=True)
_CHECKPOINT = flags.DEFINE_string(
    "checkpoint", "last", "Which: last, best (on held-out faces), or the number of a step."
)


def main() -> None:
    workdir = pathlib.Path(_WORKDIR.value)
    save_weights(_OUTPUT.value, trained_weights(workdir, chosen_step(workdir)))
    print(f"{_OUTPUT.value}: {pathlib.Path(_OUTPUT.value).stat().st_size / 1e6:.2f} MB")


def chosen_step(workdir: pathlib.Path) -> int | None:
    """Returns the step that --checkpoint names; None for the last one.

    Raises:
      ConfigError: it names none.
    """
    name = _CHECKPOINT.value
    if name == "best":
        return best_step(workdir)
    if name != "last" and not name.isdecimal():
        raise ConfigError(f"--checkpoint={name}: use last, best or the number of a step.")
    return None if name == "last" else int(name)


if __name__ == "__main__":
    entry_points.run(main)
