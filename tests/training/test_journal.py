"""What a run tells: lines of JSON, the same for TensorBoard, pictures; nothing twice."""

import json
import struct

import imageio.v3 as imageio
import numpy as np
from tensorboardX.proto.event_pb2 import Event

from twodasl_jax.training.journal import open_journal


def lines(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").open()]


def board(workdir):
    """Returns (step, name, value) of all that TensorBoard would show; a picture's value is its size."""
    values = []
    for path in sorted((workdir / "tensorboard").iterdir()):
        data = path.read_bytes()
        while data:
            # TFRecord: length, its checksum, the record, its checksum.
            (length,) = struct.unpack("<Q", data[:8])
            event, data = Event.FromString(data[12 : 12 + length]), data[16 + length :]
            for value in event.summary.value:
                picture = (value.image.height, value.image.width)
                shown = picture if value.HasField("image") else value.simple_value
                values.append((event.step, value.tag, shown))
    return values


def test_numbers_and_pictures_are_taken_down(tmp_path):
    with open_journal(tmp_path, 0) as journal:
        line = journal.write(2, {"loss": np.float32(0.5), "raw/vdc": 1.25})
        journal.show(2, np.full((6, 9, 3), 100, np.uint8))
    assert json.loads(line) == {"step": 2, "loss": 0.5, "raw/vdc": 1.25}
    assert lines(tmp_path) == [json.loads(line)]
    assert imageio.imread(tmp_path / "validation" / "step_00000002.png").shape == (6, 9, 3)
    assert board(tmp_path) == [
        (2, "loss", 0.5),
        (2, "raw/vdc", 1.25),
        (2, "validation", (6, 9)),
    ]


def test_what_was_told_of_steps_that_were_lost_is_forgotten(tmp_path):
    with open_journal(tmp_path, 0) as journal:
        for step in range(1, 6):
            journal.write(step, {"loss": step})
    with (tmp_path / "metrics.jsonl").open("a") as log:
        log.write('{"step": 6, "lo')
    with open_journal(tmp_path, 3) as journal:
        journal.write(4, {"loss": 40})
    assert [(line["step"], line["loss"]) for line in lines(tmp_path)] == [
        (1, 1),
        (2, 2),
        (3, 3),
        (4, 40),
    ]
