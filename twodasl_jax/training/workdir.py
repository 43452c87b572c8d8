"""The folder of a run: one run at a time, and one config."""

import contextlib
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import filelock
import jax
import ml_collections

from twodasl_jax.errors import ConfigError, OutputError
from twodasl_jax.files.atomic_files import write_bytes

# What a run may change when it goes on: how long it is, what it tells, and where its data lies.
_MAY_CHANGE = (
    *("steps", "log_every", "evaluate_every", "checkpoint_every", "checkpoints_kept"),
    *("data_dir", "wild_dir", "init_from", "map"),
)


@contextlib.contextmanager
def held(workdir: pathlib.Path) -> Iterator[None]:
    """Makes a folder and keeps other runs out of it; the first of several processes holds it for all.

    Raises:
      OutputError: another run holds it.
    """
    if jax.process_index() > 0:
        yield
        return
    workdir.mkdir(parents=True, exist_ok=True)
    # The system takes the lock back however a process ends.
    lock = filelock.FileLock(workdir / ".lock")
    try:
        lock.acquire(timeout=0)
    except filelock.Timeout as error:
        raise OutputError(
            f"{workdir} is in use by another run: wait for it, or choose another --workdir"
        ) from error
    with lock:
        yield


def check_config(workdir: pathlib.Path, config: ml_collections.ConfigDict) -> None:
    """Checks that a run that goes on has the settings that it was started with.

    Raises:
      ConfigError: it has others; the first is named.
    """
    path = workdir / "config.json"
    if not path.exists():
        return
    before, now = (_flat(settings) for settings in (json.loads(path.read_text()), _plain(config)))
    for name in sorted(set(before) | set(now)):
        if name not in _MAY_CHANGE and before.get(name) != now.get(name):
            raise ConfigError(
                f"{workdir} was started with {name}={before.get(name)!r}, not {now.get(name)!r}: use that, or start "
                f"another --workdir from its weights (--config.init_from={workdir})"
            )


def write_config(workdir: pathlib.Path, config: ml_collections.ConfigDict) -> None:
    """Keeps the settings beside the run; of several processes the first writes."""
    if jax.process_index() == 0:
        write_bytes(workdir / "config.json", config.to_json(indent=2).encode())


def _plain(config: ml_collections.ConfigDict) -> dict[str, Any]:
    return json.loads(config.to_json())


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= (
            _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        )
    return flat
