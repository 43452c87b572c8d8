"""Timing of several calls under the same conditions."""

import os
import platform
import time
from collections.abc import Callable, Mapping, Sequence
from typing import TypeVar

import jax
import tqdm

Name = TypeVar("Name")

_PAUSE = 0.02  # seconds


def interleaved(calls: Mapping[Name, Callable[[], object]], rounds: int) -> dict[Name, list[float]]:
    """Times each call once per round, in turn, so that changes of the machine's speed affect all calls.

    Args:
      calls: the functions by name.
      rounds: the number of times that each is called.

    Returns:
      The seconds of each call, `rounds` for each name.
    """
    times: dict[Name, list[float]] = {name: [] for name in calls}
    for _ in tqdm.trange(rounds, desc="rounds", unit="round", leave=False, disable=None):
        for name, call in calls.items():
            # Lets the threads of the previous call, which busy-wait for work, go to sleep.
            time.sleep(_PAUSE)
            times[name].append(seconds(call))
    return times


def seconds(call: Callable[[], object]) -> float:
    """Returns the duration of one call."""
    start = time.perf_counter()
    call()
    return time.perf_counter() - start


def value_range(values: Sequence[float]) -> str:
    """Returns the smallest and the largest value as text."""
    return f"{min(values):.1f} .. {max(values):.1f}"


def machine() -> str:
    """Returns the processor, the number of cores, the version of JAX and the date as text."""
    processor = platform.processor() or platform.machine()
    date = time.strftime("%Y-%m-%d")
    return f"{processor}, {os.cpu_count()} cores, JAX {jax.__version__}, {date}"
