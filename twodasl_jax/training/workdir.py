"""The folder of a run: its lock, its settings, and its metrics as JSON lines, pictures and TensorBoard files."""

import contextlib
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

import filelock
import imageio.v3 as imageio
import jax
import ml_collections
import numpy as np
import tensorboardX
from jaxtyping import UInt8

from twodasl_jax.errors import ConfigError, OutputError
from twodasl_jax.files.atomic_files import replacing, write_bytes

# Settings that may change when a run resumes: its length, its intervals, and the location of its data.
_MAY_CHANGE = (
    *("steps", "log_every", "evaluate_every", "checkpoint_every", "checkpoints_kept"),
    *("data_dir", "wild_dir", "init_from", "map"),
)


@contextlib.contextmanager
def locked(workdir: pathlib.Path) -> Iterator[None]:
    """Creates a folder and locks it for one run. Only the first of several processes takes the lock.

    Raises:
      OutputError: another run has locked the folder.
    """
    if jax.process_index() > 0:
        yield
        return
    workdir.mkdir(parents=True, exist_ok=True)
    # The operating system releases the lock when the process ends, even after a crash.
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
    """Checks that a run resumes with the settings that it started with.

    Raises:
      ConfigError: a setting has changed; the message names the first one.
    """
    path = workdir / "config.json"
    if not path.exists():
        return
    before, now = (_flat(json.loads(text)) for text in (path.read_text(), config.to_json()))
    for name in sorted(set(before) | set(now)):
        if name not in _MAY_CHANGE and before.get(name) != now.get(name):
            raise ConfigError(
                f"{workdir} was started with {name}={before.get(name)!r}, not {now.get(name)!r}: use the former, or "
                f"start from its weights in another --workdir (--config.init_from={workdir})"
            )


def write_config(workdir: pathlib.Path, config: ml_collections.ConfigDict) -> None:
    """Writes the settings to the folder. Only the first of several processes writes."""
    if jax.process_index() == 0:
        write_bytes(workdir / "config.json", config.to_json(indent=2).encode())


def _flat(settings: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Returns nested settings as one dictionary with names like "loss_weights.vdc"."""
    flat: dict[str, Any] = {}
    for name, value in settings.items():
        flat |= (
            _flat(value, f"{prefix}{name}.") if isinstance(value, dict) else {prefix + name: value}
        )
    return flat


class MetricWriter:
    """Writes metrics and pictures to files and to TensorBoard.

    Args:
      log: the open `metrics.jsonl`; None for a process that writes nothing.
      board: the writer of TensorBoard files, likewise.
      pictures: the folder of the pictures, likewise.
    """

    def __init__(
        self,
        log: TextIO | None = None,
        board: tensorboardX.SummaryWriter | None = None,
        pictures: pathlib.Path | None = None,
    ):
        self._log, self._board, self._pictures = log, board, pictures

    def write_scalars(self, step: int, values: Mapping[str, Any]) -> str:
        """Writes the metrics of a step, and returns them as a line of JSON."""
        numbers = {name: round(float(value), 6) for name, value in values.items()}
        line = json.dumps({"step": step} | numbers)
        if self._log and self._board:
            self._log.write(line + "\n")
            self._log.flush()
            for name, number in numbers.items():
                self._board.add_scalar(name, number, step)
        return line

    def write_picture(self, step: int, picture: UInt8[np.ndarray, "H W 3"]) -> None:
        """Writes a picture of the held-out faces after a step."""
        if self._pictures and self._board:
            with replacing(self._pictures / f"step_{step:08d}.png") as path:
                imageio.imwrite(path, picture)
            self._board.add_image("validation", picture, step, dataformats="HWC")


@contextlib.contextmanager
def open_metric_writer(workdir: pathlib.Path, step: int) -> Iterator[MetricWriter]:
    """Opens the metrics of a run that continues after a step. Metrics of later steps are removed.

    Only the first of several processes writes.
    """
    if jax.process_index() > 0:
        yield MetricWriter()
        return
    pictures = workdir / "validation"
    pictures.mkdir(exist_ok=True)
    log = workdir / "metrics.jsonl"
    _remove_later_steps(log, step)
    board = tensorboardX.SummaryWriter(str(workdir / "tensorboard"), purge_step=step + 1)
    with open(log, "a") as lines, contextlib.closing(board):
        yield MetricWriter(lines, board, pictures)


def _remove_later_steps(log: pathlib.Path, step: int) -> None:
    """Removes the lines of later steps and an incomplete last line."""
    if not log.exists():
        return
    lines = log.read_text().splitlines(keepends=True)
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
    if kept != lines:
        write_bytes(log, "".join(kept).encode())
