"""SIGTERM, which clusters send before they take a machine away: finish the step, save, leave."""

import contextlib
import signal
from collections.abc import Callable, Iterator

import jax
from jax.experimental import multihost_utils


@contextlib.contextmanager
def preemption_signal() -> Iterator[Callable[[int], bool]]:
    """Yields a function that says, after a step, whether the run is to end with it.

    One process asks its own signal handler. Several processes must end at the same step: JAX has a handler of its own
    in each of them since they joined, and agrees on a step once any of them was asked.
    """
    if jax.process_count() > 1:
        yield multihost_utils.reached_preemption_sync_point
        return
    asked = []
    before = signal.signal(signal.SIGTERM, lambda *_: asked.append(True))
    try:
        yield lambda step: bool(asked)
    finally:
        signal.signal(signal.SIGTERM, before)
