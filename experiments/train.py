"""Trains a regressor; a run that was interrupted goes on where it stopped.

  python experiments/train.py --config=configs/compact_aflw68.py --workdir=runs/first

Any setting of the config can be changed: --config.steps=100 --config.loss_weights.prior=0. WORKDIR gets the
checkpoints (Orbax), `metrics.jsonl` and the config. Prepare the data first with experiments/prepare_data.py.
"""

import pathlib
import sys

from absl import app, flags, logging
from ml_collections import config_flags

from twodasl_jax.errors import InputError
from twodasl_jax.face_model import embedded_face_model
from twodasl_jax.training.loop import train

_CONFIG = config_flags.DEFINE_config_file("config", None, "Config file of the run, see configs/.")
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; created if needed.", required=True
)
flags.mark_flag_as_required("config")


def main(argv: list[str]) -> int:
    if len(argv) > 1:
        raise app.UsageError(f"unexpected arguments: {' '.join(argv[1:])}")
    # Orbax tells of every file it writes.
    logging.set_verbosity(logging.WARNING)
    try:
        train(_CONFIG.value, pathlib.Path(_WORKDIR.value), embedded_face_model())
    except InputError as error:
        print(error, file=sys.stderr)
        return 2
    return 0


if __name__ == "__main__":
    app.run(main)
