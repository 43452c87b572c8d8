"""Trains a regressor; a run that was interrupted goes on where it stopped.

  python experiments/train.py --config=configs/compact_aflw68.py --workdir=runs/first

Any setting of the config can be changed: --config.steps=100 --config.loss_weights.prior=0. WORKDIR gets the
checkpoints (Orbax), `metrics.jsonl` and the config. Prepare the data first with experiments/prepare_data.py.

All devices of the machine share each batch. On several machines, start the same command on each, with --cluster
where the cluster is one that JAX knows (Cloud TPU, Slurm, MPI, Kubernetes), or else with

  --coordinator_address=FIRST_MACHINE:PORT --num_processes=N --process_id=0 (to N - 1)
"""

import pathlib

from absl import flags
from ml_collections import config_flags

from twodasl_jax import programs
from twodasl_jax.face_model import embedded_face_model
from twodasl_jax.training import processes
from twodasl_jax.training.compiled import keep_compiled_programs
from twodasl_jax.training.loop import train

_CONFIG = config_flags.DEFINE_config_file("config", None, "Config file of the run, see configs/.")
_WORKDIR = flags.DEFINE_string(
    "workdir", None, "Folder of the run; created if needed.", required=True
)
_COORDINATOR = flags.DEFINE_string(
    "coordinator_address", None, "HOST:PORT of process 0, the same for all processes."
)
_PROCESSES = flags.DEFINE_integer("num_processes", None, "How many processes train together.")
_PROCESS = flags.DEFINE_integer("process_id", None, "Which of them this one is, from 0.")
_CLUSTER = flags.DEFINE_bool("cluster", False, "Join the processes that a cluster started.")
flags.mark_flag_as_required("config")


def main() -> None:
    keep_compiled_programs()
    if _CLUSTER.value:
        processes.join_cluster()
    else:
        processes.join(_COORDINATOR.value, _PROCESSES.value, _PROCESS.value)
    train(_CONFIG.value, pathlib.Path(_WORKDIR.value), embedded_face_model())


if __name__ == "__main__":
    programs.run(main)
