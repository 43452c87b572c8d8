"""A killed run ends like an uninterrupted one: `kill_training.py` with two kills."""

import os
import pathlib
import subprocess
import sys

import pytest

ROOT = pathlib.Path(__file__).parents[2]


@pytest.mark.slow
def test_killed_run_equals_uninterrupted_run_bit_for_bit(tmp_path):
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
        "maintenance/kill_training.py",
        f"--data_dir={data}",
        f"--workdir={tmp_path / 'runs'}",
        "--kills=2",
        "--steps=30",
    )
    assert killed.returncode == 0, killed.stderr
    assert "killed 2 times" in killed.stdout
    assert "Bit for bit equal." in killed.stdout
