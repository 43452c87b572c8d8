"""Several processes that train together, one for each host of a cluster."""

import jax

from twodasl_jax.errors import ConfigError


def join(coordinator: str | None, count: int | None, index: int | None) -> None:
    """Makes this process one of several; call it before anything else touches JAX.

    Args:
      coordinator: HOST:PORT that process 0 listens at, the same for all.
      count: how many processes there are.
      index: which one this is, from 0. With none of the three the process trains alone.

    Raises:
      ConfigError: only some of the three are given, or the index is none of the count.
    """
    given = {"coordinator_address": coordinator, "num_processes": count, "process_id": index}
    missing = [f"--{name}" for name, value in given.items() if value is None]
    if len(missing) == len(given):
        return
    if missing or count is None or index is None:
        raise ConfigError(f"Several processes need {' and '.join(missing)} as well.")
    if not 0 <= index < count:
        raise ConfigError(f"--process_id={index} of {count} processes: use 0 to {count - 1}.")
    jax.distributed.initialize(coordinator, count, index)


def join_cluster() -> None:
    """Makes this process one of those that a cluster started (Cloud TPU, Slurm, MPI, Kubernetes), as JAX detects it.

    Raises:
      ConfigError: there is no such cluster.
    """
    try:
        jax.distributed.initialize()
    except (ValueError, RuntimeError) as error:
        raise ConfigError(
            f"--cluster cannot join a cluster ({error}): use --coordinator_address, --num_processes and "
            "--process_id, or none of them for one process."
        ) from error
