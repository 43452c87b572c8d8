"""How long calls take beside each other."""

import time
from collections.abc import Callable, Mapping
from typing import TypeVar

import tqdm

Name = TypeVar("Name")

_REST = 0.02  # seconds


def interleaved(calls: Mapping[Name, Callable[[], object]], rounds: int) -> dict[Name, list[float]]:
    """Times each call once a round, in turn, so that all see the same moods of the machine; returns seconds."""
    seconds: dict[Name, list[float]] = {name: [] for name in calls}
    for _ in tqdm.trange(rounds, desc="rounds", unit="round", leave=False, disable=None):
        for name, call in calls.items():
            # Threads of the call before still wait for work, and would take a core from this one.
            time.sleep(_REST)
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return seconds
