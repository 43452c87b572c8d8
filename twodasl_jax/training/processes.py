"""Training in several processes, one per host: how they join, and the watchdog that detects a lost process."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

import jax

from twodasl_jax.errors import ClusterError, ConfigError

# Seconds until JAX aborts a process with a stack trace because another one does not respond. `watchdog` is faster.
_JAX_TIMEOUT = 3600
_FAILURE = 2
_GLOO = "Gloo"


def join(coordinator: str | None, count: int | None, index: int | None) -> None:
    """Joins several processes. Call it before any other use of JAX.

    Args:
      coordinator: HOST:PORT of process 0, the same for all processes.
      count: the number of processes.
      index: the index of this process, from 0. If all three are None, the process trains alone.

    Raises:
      ConfigError: only some of the three are given, or the index is out of range.
    """
    arguments = {"coordinator_address": coordinator, "num_processes": count, "process_id": index}
    missing = [f"--{name}" for name, value in arguments.items() if value is None]
    if len(missing) == len(arguments):
        return
    if missing or count is None or index is None:
        raise ConfigError(f"Several processes also need {' and '.join(missing)}.")
    if not 0 <= index < count:
        raise ConfigError(f"--process_id={index} of {count} processes: use 0 to {count - 1}.")
    jax.distributed.initialize(coordinator, count, index, heartbeat_timeout_seconds=_JAX_TIMEOUT)


def join_cluster() -> None:
    """Joins the processes of a cluster that JAX detects: Cloud TPU, Slurm, MPI or Kubernetes.

    Raises:
      ConfigError: JAX detects no cluster.
    """
    try:
        jax.distributed.initialize(heartbeat_timeout_seconds=_JAX_TIMEOUT)
    except (ValueError, RuntimeError) as error:
        raise ConfigError(
            f"--cluster cannot join a cluster ({error}): use --coordinator_address, --num_processes and "
            "--process_id, or none of them for one process."
        ) from error


@contextlib.contextmanager
def watchdog(patience: float) -> Iterator[Callable[[], None]]:
    """Detects that another process has ended or hangs, because this one would wait for it forever.

    If no heartbeat occurs for `patience` seconds, this process prints an error and exits with status 2. A collective
    operation cannot be interrupted in another way.

    Args:
      patience: the number of seconds without a heartbeat after which another process is considered lost.

    Yields:
      The heartbeat, a function to call after each step. The first call starts the clock.

    Raises:
      ClusterError: another process has ended.
    """
    if jax.process_count() == 1:
        yield lambda: None
        return
    stopped, last_heartbeat = threading.Event(), [float("inf")]

    def watch() -> None:
        while not stopped.wait(min(1.0, patience)):
            if time.monotonic() - last_heartbeat[0] > patience:
                print(_lost(f"no progress for {patience:g} seconds"), file=sys.stderr)
                exit_without_barrier()

    def heartbeat() -> None:
        last_heartbeat[0] = time.monotonic()

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield heartbeat
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        # Gloo, the transport between CPUs, raises either type.
        if isinstance(error, ValueError) and _GLOO not in str(error):
            raise
        cause = str(error).splitlines()[0].rpartition("computation: ")[2]
        raise ClusterError(_lost(cause)) from error
    finally:
        stopped.set()


def _lost(cause: str) -> str:
    return (
        f"Process {jax.process_index()} of {jax.process_count()} lost another process, which has ended or hangs "
        f"({cause}): restart the same command on all of them; it continues from the last checkpoint."
    )


def exit_without_barrier() -> None:
    """Ends this process with status 2; skips JAX's shutdown barrier, which would block on the lost process."""
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(_FAILURE)
