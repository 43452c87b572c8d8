"""Trains a regressor, or resumes an interrupted run.

  python experiments/train.py --config=configs/compact.py --workdir=runs/first

Each setting of the config can be changed on the command line: --config.steps=100 --config.loss_weights.prior=0. The
dataclasses in twodasl_jax/training/settings.py document all settings. WORKDIR receives the checkpoints (Orbax; the
latest ones and the one with the smallest error on held-out faces), `metrics.jsonl`, `tensorboard/`, `validation/` with
pictures of held-out faces, and the settings. Prepare the data first with experiments/prepare_data.py.

  --dry_run     builds the run and prints its parameters, faces, shapes, arithmetic and memory
  --profile=20  traces 20 steps into WORKDIR/profile/, for TensorBoard or ui.perfetto.dev

All devices of a machine share each batch. For several machines, start the same command on each of them. Add --cluster
on a cluster that JAX detects (Cloud TPU, Slurm, MPI, Kubernetes), or otherwise

  --coordinator_address=FIRST_MACHINE:PORT --num_processes=N --process_id=0 (to N - 1)
"""

import pathlib
import sys

from absl import flags
from ml_collections import config_flags

from twodasl_jax.commands import entry_points
from twodasl_jax.errors import ClusterError, ConfigError
from twodasl_jax.models.face_model import chosen_face_model
from twodasl_jax.training import processes
from twodasl_jax.training.compiled import describe, keep_compiled_programs
from twodasl_jax.training.loop import train
from twodasl_jax.training.run import build_run

_CONFIG = config_flags.DEFINE_config_file("config", None, "Config file of the run, see configs/.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run; created if necessary.")
_FACE_MODEL = flags.DEFINE_string(
    "face_model", None, "Face model file (.npz) in place of the embedded one."
)
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Print a description of the run and exit.")
_PROFILE = flags.DEFINE_integer("profile", 0, "Number of steps to trace.", lower_bound=0)
_COORDINATOR = flags.DEFINE_string(
    "coordinator_address", None, "HOST:PORT of process 0, the same for all processes."
)
_PROCESSES = flags.DEFINE_integer("num_processes", None, "Number of processes of the run.")
_PROCESS = flags.DEFINE_integer("process_id", None, "Index of this process, from 0.")
_CLUSTER = flags.DEFINE_bool("cluster", False, "Join the other processes of a cluster.")
_PATIENCE = flags.DEFINE_float(
    "patience", 300, "Seconds without progress after which another process is considered lost."
)
flags.mark_flag_as_required("config")


def main() -> None:
    keep_compiled_programs()
    if _CLUSTER.value:
        processes.join_cluster()
    else:
        processes.join(_COORDINATOR.value, _PROCESSES.value, _PROCESS.value)
    model = chosen_face_model(_FACE_MODEL.value)
    if _DRY_RUN.value:
        print(describe(build_run(_CONFIG.value, model)))
        return
    try:
        train(_CONFIG.value, workdir(), model, _PROFILE.value, _PATIENCE.value)
    except ClusterError as error:
        print(error, file=sys.stderr)
        processes.exit_without_barrier()


def workdir() -> pathlib.Path:
    """Returns the folder of the run.

    Raises:
      ConfigError: --workdir is missing or is a URL.
    """
    if not _WORKDIR.value:
        raise ConfigError("--workdir is missing: pass the folder of the run.")
    if "://" in _WORKDIR.value:
        raise ConfigError(
            f"--workdir={_WORKDIR.value} is a URL: mount the bucket (gcsfuse, s3fs) and pass its folder."
        )
    return pathlib.Path(_WORKDIR.value)


if __name__ == "__main__":
    entry_points.run(main)
