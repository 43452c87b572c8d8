"""Trains a regressor; a run that was interrupted goes on where it stopped.

  python experiments/train.py --config=configs/compact_aflw68.py --workdir=runs/first

Any setting of the config can be changed: --config.steps=100 --config.loss_weights.prior=0. WORKDIR gets the
checkpoints (Orbax), `metrics.jsonl` and the config. Prepare the data first with experiments/prepare_data.py.
"""

import pathlib

from absl import flags
from ml_collections import config_flags

from twodasl_jax import programs
from twodasl_jax.face_model import embedded_face_model
from twodasl_jax.training.loop import train

_CONFIG = config_flags.DEFINE_config_file("config", None, "Config file of the run, see configs/.")
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; created if needed.", required=True
)
flags.mark_flag_as_required("config")


def main() -> None:
    train(_CONFIG.value, pathlib.Path(_WORKDIR.value), embedded_face_model())


if __name__ == "__main__":
    programs.run(main)
