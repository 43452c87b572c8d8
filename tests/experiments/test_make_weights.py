"""Weights files from training runs and published checkpoints, and the scores of published networks."""

import dataclasses
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest
from PIL import Image

from tests.helpers import published_networks, torch_writer
from tests.helpers.torch_writer import call, named, plain
from tests.weight_formats.test_model_change import other_description, projected
from twodasl_jax.geometry.coefficients import Whitening, unwhiten
from twodasl_jax.geometry.mirroring import LANDMARK_MIRROR
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space
from twodasl_jax.models.face_model import digest, save_face_model
from twodasl_jax.models.weights import load_weights
from twodasl_jax.weight_formats.landmark_basis import read_landmark_basis

ROOT = pathlib.Path(__file__).parents[2]


def run(program, **flags):
    arguments = [f"--{name}={value}" for name, value in flags.items()]
    return subprocess.run(
        [sys.executable, ROOT / "experiments" / f"{program}.py", *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


@pytest.fixture(scope="module")
def published_model(face_model):
    """The small face model in its authors' description: micrometres, rotated, with another origin."""
    return other_description(face_model)


@pytest.fixture(scope="module")
def whitening():
    """The whitening of coefficients of faces that fill the crop."""
    pose = np.array([4e-4, 0, 0, 60, 0, 4e-4, 0, 60, 0, 0, 4e-4, -60])
    mean = np.concatenate([pose, np.zeros(50)]).astype(np.float32)
    std = np.concatenate([np.where(pose > 1, 5, 5e-5), np.full(50, 0.3)]).astype(np.float32)
    return Whitening(mean, std)


@pytest.fixture(scope="module")
def folder(tmp_path_factory, face_model, published_model, whitening):
    """A folder of all input files."""
    folder = tmp_path_factory.mktemp("files")
    state = published_networks.mobilenet_state(8)
    torch_writer.write_state(folder / "small.pth", state, stream=False)
    np.savez(folder / "whitening.npz", param_mean=whitening.mean, param_std=whitening.std)
    save_face_model(folder / "model.npz", face_model)
    save_face_model(folder / "published.npz", published_model)
    return folder


def inputs(folder):
    return {
        "published": folder / "small.pth",
        "whitening": folder / "whitening.npz",
        "published_model": folder / "published.npz",
        "face_model": folder / "model.npz",
    }


@pytest.fixture(scope="module")
def converted(folder):
    """The finished program; it writes small.npz to the folder."""
    return run("make_weights", **inputs(folder), output=folder / "small.npz")


def test_published_weights_are_written_for_the_face_model(converted, folder, face_model):
    assert (converted.returncode, converted.stderr) == (0, "")
    weights = load_weights(folder / "small.npz")
    assert weights.architecture == "mobilenet_v1_025"
    assert weights.face_model == digest(face_model)
    assert weights.face_model in converted.stdout


@pytest.mark.parametrize(
    ("changes", "sentence"),
    [
        ({"published": ""}, "Give one source of the weights: --workdir"),
        ({"workdir": "runs/first"}, "Give one source of the weights: --workdir"),
        ({"published": "", "workdir": "runs/first"}, "--whitening does not apply to --workdir"),
        ({"checkpoint": "best"}, "--checkpoint does not apply to --published"),
        ({"whitening": ""}, "--whitening is missing: --published needs it"),
    ],
)
def test_flags_of_two_sources_are_rejected(folder, tmp_path, changes, sentence):
    flags = inputs(folder) | changes | {"output": tmp_path / "weights.npz"}
    finished = run("make_weights", **flags)
    assert finished.returncode == 2
    assert finished.stderr.startswith(sentence)
    assert not list(tmp_path.iterdir())


def test_face_model_in_another_unit_is_rejected(folder, tmp_path):
    flags = inputs(folder) | {"output": tmp_path / "weights.npz"}
    del flags["published_model"]
    finished = run("make_weights", **flags)
    assert finished.returncode == 2
    assert "give the model in the unit in which the network was published" in finished.stderr
    assert not list(tmp_path.iterdir())


@pytest.fixture(scope="module")
def synthetic_set(folder):
    """A test set of the synthetic images, each a whole crop."""
    (folder / "set" / "images").mkdir(parents=True)
    for name, image in zip("ab", published_networks.images(), strict=True):
        Image.fromarray(image).save(folder / "set" / "images" / f"{name}.png")
    np.savez(
        folder / "set" / "annotations.npz",
        names=["a", "b"],
        yaw=np.array([0.0, 50.0]),
        pts68=published_networks.numbers("points", (2, 3, 68), 0, 120),
        roi_box=np.float32([[0, 0, 120, 120]] * 2),
    )
    return folder / "set"


@pytest.mark.usefixtures("converted")
def test_published_network_decodes_as_in_pytorch(
    folder, synthetic_set, published_model, whitening, golden
):
    """Compares with the outputs of PyTorch for the same images, decoded in the authors' description."""
    finished = run(
        "decode_coefficients",
        data_dir=synthetic_set,
        weights=folder / "small.npz",
        face_model=folder / "model.npz",
        first_pixel=0.25,
        output=folder / "predictions.npz",
    )
    assert finished.returncode == 0, finished.stderr
    vectors = unwhiten(golden("published_networks")["mobilenet"], whitening)
    expected = np.asarray(projected(landmark_space(published_model), vectors))
    assert np.ptp(expected[..., 0], axis=1).min() > 20
    shift = np.array([-0.75, -0.75, 0])
    with np.load(folder / "predictions.npz") as predictions:
        assert predictions["names"].tolist() == ["a", "b"]
        np.testing.assert_allclose(predictions["landmarks"], expected + shift, atol=0.02)


@pytest.mark.slow
@pytest.mark.usefixtures("converted")
def test_report_with_another_face_model(folder, synthetic_set):
    finished = run(
        "evaluate",
        protocol="annotations",
        data_dir=synthetic_set,
        weights=folder / "small.npz",
        face_model=folder / "model.npz",
        output_dir=folder / "report",
    )
    assert finished.returncode == 0, finished.stderr
    about = json.loads((folder / "report" / "report.json").read_text("utf-8"))["about"]
    assert (about["points"], about["failed"]) == ("model", [])


def hostile(path, stream):
    command = plain(f"touch {path.parent / 'marker'}")
    torch_writer.write(path, call(named("os", "system"), command), {}, stream=stream)


def truncated(path, stream):
    state = published_networks.mobilenet_state(8)
    torch_writer.write_state(path, state, stream=stream)
    path.write_bytes(path.read_bytes()[:-1000])


def not_a_number(path, stream):
    state = published_networks.mobilenet_state(8)
    state["fc.bias"] = np.full(62, np.nan, np.float32)
    torch_writer.write_state(path, state, stream=stream)


@pytest.mark.parametrize(
    ("write", "stream", "reason"),
    [
        (hostile, False, "it uses 'os.system'"),
        (hostile, True, "it uses 'os.system'"),
        (truncated, True, "it ends within its storage"),
        (not_a_number, False, "fc.bias has values that are not finite"),
    ],
)
def test_bad_checkpoint_gives_one_sentence_and_no_file(folder, tmp_path, write, stream, reason):
    path = tmp_path / "bad.pth"
    write(path, stream)
    flags = inputs(folder) | {"published": path, "output": tmp_path / "weights.npz"}
    finished = run("make_weights", **flags)
    assert (finished.returncode, finished.stdout) == (2, "")
    assert finished.stderr.startswith(f"Cannot use {path}: {reason}")
    assert len(finished.stderr.splitlines()) == 1
    assert [file.name for file in tmp_path.iterdir()] == ["bad.pth"]


@pytest.fixture(scope="module")
def official(shared_data, tmp_path_factory):
    """The input files for 3DDFA_V2, with a face model of the 68 published landmark rows."""
    folder, source = tmp_path_factory.mktemp("official"), shared_data / "official"
    rows = dict(np.load(source / "bfm68.npz"))
    whitening = {f"param_{name}": rows[f"mb05_param_{name}"] for name in ("mean", "std")}
    np.savez(folder / "whitening.npz", **whitening)
    published_model = model_of_landmarks(read_landmark_basis(source / "bfm68.npz")[0])
    save_face_model(folder / "published.npz", published_model)
    save_face_model(folder / "model.npz", in_millimetres(published_model))
    return {
        "published": source / "mb05_120x120.pth",
        "whitening": folder / "whitening.npz",
        "published_model": folder / "published.npz",
        "face_model": folder / "model.npz",
    }


def model_of_landmarks(space):
    """Returns a face model with the landmarks as vertices and arbitrary triangles."""
    rows = np.arange(68, dtype=np.int32)
    triangles = np.stack([rows, np.roll(rows, 1), np.roll(rows, 2)], axis=1)
    return MorphableModel(
        **{field.name: getattr(space, field.name) for field in dataclasses.fields(space)},
        triangles=triangles,
        landmark_vertices=np.repeat(rows[:, None], 3, axis=1),
        landmark_weights=np.repeat(np.float32([[1, 0, 0]]), 68, axis=0),
        uv=np.zeros((68, 2)),
        uv_triangles=triangles,
        mirror=LANDMARK_MIRROR,
    )


def in_millimetres(model):
    """Returns the model in millimetres, with the origin at the mean of the landmarks and rough standard deviations."""
    return dataclasses.replace(
        model,
        mean=(model.mean - model.mean.mean(axis=0)) / 1000,
        shape_std=np.linspace(500, 50, 40),
        expression_std=np.linspace(1.5, 0.2, 10) / 1000,
    )


@pytest.mark.slow
def test_3ddfa_v2_scores_equal_pytorch(official, shared_data, tmp_path):
    finished = run("make_weights", **official, output=tmp_path / "mb05.npz")
    assert finished.returncode == 0, finished.stderr
    data = {"data_dir": shared_data / "aflw2000_dev"}
    finished = run(
        "decode_coefficients",
        **data,
        weights=tmp_path / "mb05.npz",
        face_model=official["face_model"],
        first_pixel=0,
        output=tmp_path / "mb05_predictions.npz",
    )
    assert finished.returncode == 0, finished.stderr
    finished = run(
        "evaluate",
        **data,
        protocol="annotations",
        predictions=tmp_path / "mb05_predictions.npz",
        output_dir=tmp_path / "report",
    )
    assert finished.returncode == 0, finished.stderr
    report = json.loads((tmp_path / "report" / "report.json").read_text("utf-8"))
    for reference, expected in (
        ("original", [2.971, 3.460, 4.686, 3.706, 3.492]),
        ("reannotated", [2.160, 2.590, 4.213, 2.988, 2.740]),
    ):
        entry = report["nme68_2d"][reference]
        found = [*entry["bins"], entry["balanced"], entry["overall"]]
        np.testing.assert_allclose(found, expected, atol=0.01)
