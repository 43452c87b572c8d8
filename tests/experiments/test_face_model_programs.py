"""End-to-end tests of the programs that measure and draw face models."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from twodasl_jax.geometry.morphable_model import landmark_space, synthesize
from twodasl_jax.geometry.projection import WeakPerspective, picture_from_model
from twodasl_jax.geometry.rotation import rotation_from_euler
from twodasl_jax.models.face_model import embedded_face_model

PROGRAMS = pathlib.Path(__file__).parents[2] / "experiments" / "face_model"


def run(program, *arguments):
    command = [sys.executable, PROGRAMS / program, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def write_faces_of_the_model(folder, count=12):
    """Writes annotations of random faces of the embedded model."""
    random = np.random.default_rng(0)
    yaw = random.uniform(-60, 60, count).astype(np.float32)
    angles = np.stack([np.radians(yaw), 0 * yaw, 0 * yaw], axis=1)
    cameras = WeakPerspective(
        scale=np.full(count, 1.5, np.float32),
        rotation=rotation_from_euler(angles),
        translation=np.full((count, 3), 200.0, np.float32),
    )
    faces = synthesize(
        landmark_space(embedded_face_model()),
        0.5 * random.standard_normal((count, 40)).astype(np.float32),
        0.5 * random.standard_normal((count, 10)).astype(np.float32),
    )
    points = np.asarray(picture_from_model(cameras, faces))
    np.savez(folder / "annotations.npz", pts68=points.swapaxes(1, 2), yaw=yaw)


def test_faces_of_the_model_have_small_errors(tmp_path):
    write_faces_of_the_model(tmp_path)
    finished = run("measure.py", "--what=landmarks", f"--data_dir={tmp_path}")
    assert finished.returncode == 0, finished.stderr
    header, _, *rows = finished.stdout.splitlines()
    assert header.startswith("12 faces, 40 shape and 10 expression")
    means = {row[:15].strip(): float(row[15:21]) for row in rows}
    assert 0 < means["2D NME, all"] < 0.4
    assert means["depth"] < 2.0
    assert means["yaw, degrees"] < 3.0


@pytest.mark.slow
def test_only_units_within_ten_components_are_recovered():
    finished = run("measure.py", "--what=expression_units", "--faces=150")
    assert finished.returncode == 0, finished.stderr
    header, _, _, *rows = finished.stdout.splitlines()
    assert header.startswith("150 faces, 10 expression components")
    correlations = {row[:16].strip(): float(row[24:36]) for row in rows}
    assert len(rows) == 30
    for name in ("jawOpen", "mouthSmile", "mouthPucker", "eyeBlink", "browDown", "jawLeft/Right"):
        assert correlations[name] > 0.85, name
    for name in ("eyeSquint", "eyeLookUp", "cheekSquint"):
        assert correlations[name] == 0, name


def test_images_of_the_card_are_drawn(tmp_path):
    model = PROGRAMS.parents[1] / "twodasl_jax" / "assets" / "face_model.npz"
    finished = run("draw.py", f"--output_dir={tmp_path}", f"--model={model}")
    assert finished.returncode == 0, finished.stderr
    names = sorted(path.stem.removeprefix("face_model_") for path in tmp_path.iterdir())
    assert names == ["expression", "mean", "random", "shape"]
    for path in tmp_path.iterdir():
        covered = np.any(np.asarray(Image.open(path).convert("RGB")) < 250, axis=-1).mean()
        assert 0.2 < covered < 0.8, "there are faces on white"
        assert path.stat().st_size < 300_000
