"""What a run tells while it goes on: `metrics.jsonl`, pictures, and both for TensorBoard."""

import contextlib
import json
import pathlib
from collections.abc import Iterator, Mapping
from typing import Any, TextIO

import imageio.v3 as imageio
import jax
import numpy as np
import tensorboardX
from jaxtyping import UInt8

from twodasl_jax.files.atomic_files import replacing, write_bytes


class Journal:
    """Takes down numbers and pictures by step; of several processes only the first writes.

    Args:
      log: open `metrics.jsonl`; None for a process that writes nothing.
      board: writer of TensorBoard's files.
      pictures: folder of the pictures.
    """

    def __init__(
        self,
        log: TextIO | None = None,
        board: tensorboardX.SummaryWriter | None = None,
        pictures: pathlib.Path | None = None,
    ):
        self._log, self._board, self._pictures = log, board, pictures

    def write(self, step: int, values: Mapping[str, Any]) -> str:
        """Adds one line of JSON to the log, and each number to TensorBoard; returns the line."""
        numbers = {name: round(float(value), 6) for name, value in values.items()}
        line = json.dumps({"step": step} | numbers)
        if self._log and self._board:
            self._log.write(line + "\n")
            self._log.flush()
            for name, number in numbers.items():
                self._board.add_scalar(name, number, step)
        return line

    def show(self, step: int, picture: UInt8[np.ndarray, "H W 3"]) -> None:
        """Keeps a picture of the held-out faces."""
        if self._pictures and self._board:
            with replacing(self._pictures / f"step_{step:08d}.png") as beside:
                imageio.imwrite(beside, picture)
            self._board.add_image("validation", picture, step, dataformats="HWC")


@contextlib.contextmanager
def open_journal(workdir: pathlib.Path, step: int) -> Iterator[Journal]:
    """Opens the journal of a run that goes on after a step; what it told of later steps is forgotten."""
    if jax.process_index() > 0:
        yield Journal()
        return
    pictures = workdir / "validation"
    pictures.mkdir(exist_ok=True)
    log = workdir / "metrics.jsonl"
    _forget_later_steps(log, step)
    board = tensorboardX.SummaryWriter(str(workdir / "tensorboard"), purge_step=step + 1)
    with open(log, "a") as lines, contextlib.closing(board):
        yield Journal(lines, board, pictures)


def _forget_later_steps(log: pathlib.Path, step: int) -> None:
    """Cuts what will be written once more, and a line that was never ended."""
    if not log.exists():
        return
    lines = log.read_text().splitlines(keepends=True)
    kept = [line for line in lines if line.endswith("\n") and json.loads(line)["step"] <= step]
    if kept != lines:
        write_bytes(log, "".join(kept).encode())
