"""Trains a regressor; a run that was interrupted goes on where it stopped.

  python experiments/train.py --config=configs/compact.py --workdir=runs/first

Any setting of the config can be changed: --config.steps=100 --config.loss_weights.prior=0. WORKDIR gets the
checkpoints (Orbax; the last ones, and the best by its error on held-out faces), `metrics.jsonl`, `tensorboard/`,
`validation/` with pictures of held-out faces, and the config. Prepare the data first with experiments/prepare_data.py.

  --dry_run     builds everything and says what the run would be: parameters, faces, shapes, arithmetic, memory
  --profile=20  traces so many steps into WORKDIR/profile/, for TensorBoard or ui.perfetto.dev

All devices of the machine share each batch. On several machines, start the same command on each, with --cluster
where the cluster is one that JAX knows (Cloud TPU, Slurm, MPI, Kubernetes), or else with

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
from twodasl_jax.training.compiled import keep_compiled_programs
from twodasl_jax.training.dry_run import describe
from twodasl_jax.training.loop import train
from twodasl_jax.training.run import build_run

_CONFIG = config_flags.DEFINE_config_file("config", None, "Config file of the run, see configs/.")
_WORKDIR = flags.DEFINE_string("workdir", None, "Folder of the run; created if needed.")
_FACE_MODEL = flags.DEFINE_string("face_model", None, "A face model's .npz, not the embedded one.")
_DRY_RUN = flags.DEFINE_bool("dry_run", False, "Say what the run would be, and leave.")
_PROFILE = flags.DEFINE_integer("profile", 0, "How many steps are traced.", lower_bound=0)
_COORDINATOR = flags.DEFINE_string(
    "coordinator_address", None, "HOST:PORT of process 0, the same for all processes."
)
_PROCESSES = flags.DEFINE_integer("num_processes", None, "How many processes train together.")
_PROCESS = flags.DEFINE_integer("process_id", None, "Which of them this one is, from 0.")
_CLUSTER = flags.DEFINE_bool("cluster", False, "Join the processes that a cluster started.")
_PATIENCE = flags.DEFINE_float(
    "patience", 300, "Seconds without progress after which another process is taken for lost."
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
        processes.leave_at_once()


def workdir() -> pathlib.Path:
    """Returns the folder of the run.

    Raises:
      ConfigError: none is given, or it is no folder of a file system.
    """
    if not _WORKDIR.value:
        raise ConfigError("--workdir is missing: the folder of the run.")
    if "://" in _WORKDIR.value:
        raise ConfigError(
            f"--workdir={_WORKDIR.value} is no folder: mount the bucket (gcsfuse, s3fs) and give its folder."
        )
    return pathlib.Path(_WORKDIR.value)


if __name__ == "__main__":
    entry_points.run(main)
