"""Reasons to stop a run early: preemption (SIGTERM) and divergence."""

import contextlib
import signal
from collections.abc import Callable, Iterator, Sequence

import jax
import numpy as np
from jax.experimental import multihost_utils

from twodasl_jax.errors import DivergenceError
from twodasl_jax.training.state import Metrics

# The largest number of face names in an error message.
_NAMES_LISTED = 64


@contextlib.contextmanager
def preemption_signal() -> Iterator[Callable[[int], bool]]:
    """Handles SIGTERM, which clusters send before they reclaim a machine.

    Several processes must stop after the same step. JAX installs a signal handler in each of them when they join, and
    chooses a common step as soon as one of them receives the signal.

    Yields:
      A function of the number of the last step that returns whether the run should stop after it.
    """
    if jax.process_count() > 1:
        yield multihost_utils.reached_preemption_sync_point
        return
    received = []
    previous_handler = signal.signal(signal.SIGTERM, lambda *_: received.append(True))
    try:
        yield lambda step: bool(received)
    finally:
        signal.signal(signal.SIGTERM, previous_handler)


class DivergenceCheck:
    """Checks that metrics are finite.

    Metrics stay on the device until `check`, so that the host does not wait for every step.
    """

    def __init__(self) -> None:
        self._unchecked: list[tuple[int, Metrics, Sequence[str]]] = []

    def add(self, step: int, metrics: Metrics, names: Sequence[str]) -> None:
        """Adds the metrics of a step and the names of the faces in its batch."""
        self._unchecked.append((step, metrics, names))

    def check(self) -> None:
        """Checks all steps since the last call.

        Raises:
          DivergenceError: a metric is not finite; gradient norms are among the metrics. The message names the first
            such step, its metrics, and the faces in this process's share of the batch.
        """
        steps, self._unchecked = self._unchecked, []
        for step, metrics, names in steps:
            values = jax.device_get(metrics)
            diverged = sorted(name for name, value in values.items() if not np.isfinite(value))
            if diverged:
                listed = ", ".join(names[:_NAMES_LISTED])
                listed += " ..." if len(names) > _NAMES_LISTED else ""
                raise DivergenceError(
                    f"Not finite at step {step}: {', '.join(diverged)}. Lower learning_rate or gradient_clip, or "
                    f"check these faces: {listed}. The last checkpoint precedes this step; the same command continues "
                    "from it."
                )
