"""Several processes that train together, one for each host of a cluster."""

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator

import jax

from twodasl_jax.errors import ClusterError, ConfigError

# JAX aborts a process, with a page of stack frames, when another gives no sign of life for so long. `company` comes
# first.
_LONGEST_SILENCE = 3600
_FAILURE = 2
_GLOO = "Gloo"


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
    jax.distributed.initialize(
        coordinator, count, index, heartbeat_timeout_seconds=_LONGEST_SILENCE
    )


def join_cluster() -> None:
    """Makes this process one of those that a cluster started (Cloud TPU, Slurm, MPI, Kubernetes), as JAX detects it.

    Raises:
      ConfigError: there is no such cluster.
    """
    try:
        jax.distributed.initialize(heartbeat_timeout_seconds=_LONGEST_SILENCE)
    except (ValueError, RuntimeError) as error:
        raise ConfigError(
            f"--cluster cannot join a cluster ({error}): use --coordinator_address, --num_processes and "
            "--process_id, or none of them for one process."
        ) from error


@contextlib.contextmanager
def company(patience: float) -> Iterator[Callable[[], None]]:
    """Notices where another process ends or hangs, which would leave this one waiting for ever.

    Args:
      patience: seconds without progress that are taken for a hanging process.

    Yields:
      A function to call whenever the processes got on together; the first call starts the clock. When it runs out,
      this process ends with a sentence and status 2: waiting for the others cannot be interrupted in any other way.

    Raises:
      ClusterError: another process has ended.
    """
    if jax.process_count() == 1:
        yield lambda: None
        return
    over, progress = threading.Event(), [float("inf")]

    def watch() -> None:
        while not over.wait(min(1.0, patience)):
            if time.monotonic() - progress[0] > patience:
                print(_lost(f"there was no progress for {patience:g} seconds"), file=sys.stderr)
                leave_at_once()

    def get_on() -> None:
        progress[0] = time.monotonic()

    threading.Thread(target=watch, daemon=True).start()
    try:
        yield get_on
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        # Gloo, which connects CPUs, is heard through either.
        if isinstance(error, ValueError) and _GLOO not in str(error):
            raise
        raise ClusterError(
            _lost(str(error).splitlines()[0].rpartition("computation: ")[2])
        ) from error
    finally:
        over.set()


def _lost(why: str) -> str:
    return (
        f"Process {jax.process_index()} of {jax.process_count()} lost another one, which has ended or hangs ({why}): "
        "start the same command on all of them again, it goes on from the last checkpoint."
    )


def leave_at_once() -> None:
    """Ends this process with status 2, without the farewell in which JAX would wait for the lost process once more."""
    sys.stderr.flush()
    sys.stdout.flush()
    os._exit(_FAILURE)
