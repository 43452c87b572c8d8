"""A run that is killed, whatever it is at, ends like one that was left alone: few kills of `kill_training.py`."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.slow
def test_a_killed_run_ends_bit_for_bit_like_one_that_was_left_alone(tmp_path):
    def run(program, *arguments):
        return subprocess.run(
            [sys.executable, ROOT / "experiments" / program, *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
        )

    data = tmp_path / "data"
    run("prepare_data.py", "--dataset=synthetic_faces", "--count=75", f"--data_dir={data}")
    killed = run(
        "kill_training.py",
        f"--data_dir={data}",
        f"--workdir={tmp_path / 'runs'}",
        "--kills=2",
        "--steps=30",
    )
    assert killed.returncode == 0, killed.stderr
    assert "killed 2 times" in killed.stdout
    assert "Bit for bit equal." in killed.stdout
