"""The folder of a run: its settings on resumption, and its metrics in all formats."""

import json
import struct

import imageio.v3 as imageio
import numpy as np
import pytest
from tensorboardX.proto.event_pb2 import Event

from configs import compact
from twodasl_jax.errors import ConfigError
from twodasl_jax.training.workdir import check_config, open_metric_writer, write_config


@pytest.fixture
def started(tmp_path):
    """A folder in which a run was started."""
    write_config(tmp_path, compact.get_config())
    return tmp_path


def test_run_resumes_with_same_settings(started):
    check_config(started, compact.get_config())


def test_folder_without_run_accepts_any_settings(tmp_path):
    check_config(tmp_path, compact.get_config())


def test_length_intervals_and_paths_may_change(started):
    config = compact.get_config()
    config.update({"steps": 20000, "log_every": 7, "data_dir": "elsewhere", "map": "pmap"})
    check_config(started, config)


@pytest.mark.parametrize(
    ("setting", "value", "message"),
    [
        ("seed", 3, r"seed=0, not 3"),
        ("norm_groups", 4, r"norm_groups=1, not 4"),
        ("loss_weights.l_sc", 0.5, r"loss_weights\.l_sc=0\.0, not 0\.5: .*init_from="),
    ],
)
def test_changed_settings_are_refused(started, setting, value, message):
    config = compact.get_config()
    config.update_from_flattened_dict({setting: value})
    with pytest.raises(ConfigError, match=message):
        check_config(started, config)


def logged(workdir):
    return [json.loads(line) for line in (workdir / "metrics.jsonl").open()]


def tensorboard_values(workdir):
    """Returns (step, name, value) of all TensorBoard events; the value of a picture is its size."""
    values = []
    for path in sorted((workdir / "tensorboard").iterdir()):
        data = path.read_bytes()
        while data:
            # TFRecord: length, checksum of the length, record, checksum of the record.
            (length,) = struct.unpack("<Q", data[:8])
            event, data = Event.FromString(data[12 : 12 + length]), data[16 + length :]
            for value in event.summary.value:
                size = (value.image.height, value.image.width)
                content = size if value.HasField("image") else value.simple_value
                values.append((event.step, value.tag, content))
    return values


def test_metrics_and_pictures_are_written_in_all_formats(tmp_path):
    with open_metric_writer(tmp_path, 0) as writer:
        line = writer.write_scalars(2, {"loss": np.float32(0.5), "raw/vdc": 1.25})
        writer.write_picture(2, np.full((6, 9, 3), 100, np.uint8))
    assert json.loads(line) == {"step": 2, "loss": 0.5, "raw/vdc": 1.25}
    assert logged(tmp_path) == [json.loads(line)]
    assert imageio.imread(tmp_path / "validation" / "step_00000002.png").shape == (6, 9, 3)
    assert tensorboard_values(tmp_path) == [
        (2, "loss", 0.5),
        (2, "raw/vdc", 1.25),
        (2, "validation", (6, 9)),
    ]


def test_metrics_of_lost_steps_are_removed(tmp_path):
    with open_metric_writer(tmp_path, 0) as writer:
        for step in range(1, 6):
            writer.write_scalars(step, {"loss": step})
    with (tmp_path / "metrics.jsonl").open("a") as log:
        log.write('{"step": 6, "lo')
    with open_metric_writer(tmp_path, 3) as writer:
        writer.write_scalars(4, {"loss": 40})
    assert [(line["step"], line["loss"]) for line in logged(tmp_path)] == [
        (1, 1),
        (2, 2),
        (3, 3),
        (4, 40),
    ]
