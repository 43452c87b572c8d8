"""Tests of `twodasl-reconstruct` on photos: console output, result files and exit status."""

import dataclasses
import json
import os
import pathlib
import signal
import subprocess
import sys

import numpy as np
import pytest
import trimesh
from PIL import Image

from tests.helpers.fake_reconstruction import FakeReconstructor, photo_with_faces
from twodasl_jax import Reconstructor
from twodasl_jax.commands import cli
from twodasl_jax.models.face_model import digest, embedded_face_model, save_face_model
from twodasl_jax.models.weights import embedded_weights, save_weights

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def program(monkeypatch, face_model, capsys):
    """Runs the program with a fake reconstructor and returns status, output and errors."""
    monkeypatch.setattr(cli, "Reconstructor", lambda *_: FakeReconstructor(face_model))
    monkeypatch.setattr(cli, "chosen_expression_units", lambda _: None)

    def run(*arguments):
        monkeypatch.setattr(sys, "argv", ["twodasl-reconstruct", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_info:
            cli.main()
        return exit_info.value.code or 0, *capsys.readouterr()

    return run


@pytest.fixture
def photos(tmp_path):
    """A folder with two valid photos, two invalid ones and a text file."""
    folder = tmp_path / "photos"
    folder.mkdir()
    Image.fromarray(photo_with_faces(1)).save(folder / "one.png")
    Image.fromarray(photo_with_faces(2)).save(folder / "two.png")
    Image.fromarray(photo_with_faces(0)).save(folder / "nobody.png")
    (folder / "broken.jpg").write_bytes(b"\xff\xd8\xff\xe0 and nothing more")
    (folder / "notes.txt").write_text("no photo")
    return folder


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_one_photo_gives_default_files(program, photos, tmp_path):
    status, output, errors = program(photos / "two.png", f"--output_dir={tmp_path / 'out'}")
    assert (status, errors) == (0, "")
    assert "two.png: 2 faces" in output
    assert str(tmp_path / "out" / "two") in output
    endings = (".glb", ".mtl", ".obj", ".ply", "_texture.png")
    meshes = [f"two_face{face}{ending}" for face in (0, 1) for ending in endings]
    assert names(tmp_path / "out") == ["faces.json", *meshes, "two_overlay.png"]


def test_invalid_photos_of_folder_are_skipped_and_named(program, photos, tmp_path):
    status, output, errors = program(photos, f"--output_dir={tmp_path / 'out'}")
    assert status == 2
    assert "one.png: 1 face," in output
    assert "two.png: 2 faces," in output
    lines = errors.splitlines()
    assert len(lines) == 3
    assert "broken.jpg" in lines[0]
    assert "No face was found" in lines[1]
    assert "nobody.png" in lines[1]
    assert lines[2] == "2 of 4 photos gave no result."
    document = json.loads((tmp_path / "out" / "faces.json").read_text())
    assert [photo["photo"] for photo in document["photos"]] == ["one.png", "two.png"]
    for photo in document["photos"]:
        for files in (photo["files"], *(face["files"] for face in photo["faces"])):
            for name in files.values():
                assert (tmp_path / "out" / name).stat().st_size


@pytest.mark.parametrize("name", ["broken.jpg", "nobody.png", "missing.jpg", "notes.txt"])
def test_invalid_photo_gives_one_line_and_no_files(program, photos, tmp_path, name):
    status, output, errors = program(photos / name, f"--output_dir={tmp_path / 'out'}")
    assert (status, output) == (2, "")
    assert len(errors.splitlines()) == 1
    assert str(photos / name) in errors
    assert not (tmp_path / "out").exists()


def test_second_run_replaces_files(program, photos, tmp_path):
    listings = []
    for _ in range(2):
        assert program(photos / "one.png", f"--output_dir={tmp_path / 'out'}")[0] == 0
        listings.append(names(tmp_path / "out"))
    assert listings[0] == listings[1]


def test_outputs_selects_kinds(program, photos, tmp_path):
    status, _, _ = program(
        photos / "one.png", "--outputs=ply, json", "--output_dir", tmp_path / "o"
    )
    assert status == 0
    assert names(tmp_path / "o") == ["faces.json", "one_face0.ply"]


def test_retarget_uses_expression_of_largest_face(program, photos, tmp_path):
    Image.fromarray(photo_with_faces(3, expression=150)).save(tmp_path / "laughing.png")
    found = {}
    for name, arguments in (("own", []), ("other", [f"--retarget={tmp_path / 'laughing.png'}"])):
        folder = tmp_path / name
        status, _, _ = program(
            photos / "two.png", f"--output_dir={folder}", "--outputs=json,csv", *arguments
        )
        assert status == 0
        assert names(folder) == ["faces.csv", "faces.json"]
        (photo,) = json.loads((folder / "faces.json").read_text())["photos"]
        found[name] = photo["faces"]
    assert [face["expression"][0] for face in found["own"]] == pytest.approx([0, 0.1])
    assert [face["expression"][0] for face in found["other"]] == pytest.approx([1.7, 1.7])
    for own, other in zip(found["own"], found["other"], strict=True):
        np.testing.assert_allclose(own["pose"], other["pose"], atol=1e-4)
        assert own["shape"] == other["shape"]


@pytest.mark.parametrize("name", ["nobody.png", "broken.jpg", "missing.jpg"])
def test_invalid_retarget_photo_gives_one_line_and_no_files(program, photos, tmp_path, name):
    status, output, errors = program(
        photos, f"--output_dir={tmp_path / 'out'}", f"--retarget={photos / name}"
    )
    assert (status, output) == (2, "")
    assert len(errors.splitlines()) == 1
    assert str(photos / name) in errors
    assert not (tmp_path / "out").exists()


def test_photos_with_equal_stems_keep_their_suffixes(program, tmp_path, photos):
    for path in photos.iterdir():
        path.unlink()
    Image.fromarray(photo_with_faces(1)).save(photos / "same.png")
    Image.fromarray(photo_with_faces(1)).save(photos / "same.bmp")
    program(photos, f"--output_dir={tmp_path / 'out'}", "--outputs=overlay")
    assert names(tmp_path / "out") == ["same.bmp_overlay.png", "same.png_overlay.png"]


def test_output_dir_must_differ_from_source(program, photos):
    before = names(photos)
    status, _, errors = program(photos, f"--output_dir={photos / '..' / photos.name}")
    assert status == 2
    assert "choose another --output_dir" in errors
    assert names(photos) == before


def test_folder_without_photos_and_videos_is_rejected(program, tmp_path):
    status, _, errors = program(tmp_path, f"--output_dir={tmp_path / 'out'}")
    assert status == 2
    assert "contains no photos or videos" in errors


def test_output_dir_must_not_be_file(program, photos):
    status, _, errors = program(photos / "one.png", f"--output_dir={photos / 'notes.txt'}")
    assert status == 2
    assert errors.startswith(f"Cannot write to {photos / 'notes.txt'}: ")
    assert (photos / "notes.txt").read_text() == "no photo"


def test_full_disk_keeps_finished_photos(program, photos, tmp_path, monkeypatch):
    def fail_at_second(target, *arguments):
        if target.name == "two":
            raise OSError(28, "No space left on device")
        return real(target, *arguments)

    real = cli.outputs.write_photo
    monkeypatch.setattr(cli.outputs, "write_photo", fail_at_second)
    status, _, errors = program(photos, f"--output_dir={tmp_path / 'out'}")
    assert status == 2
    assert (
        errors.splitlines()[-1] == f"Cannot write to {tmp_path / 'out'}: No space left on device."
    )
    document = json.loads((tmp_path / "out" / "faces.json").read_text())
    assert [photo["photo"] for photo in document["photos"]] == ["one.png"]


def test_too_long_name_is_skipped(program, photos, tmp_path):
    long_name = "n" * 245 + ".png"
    Image.fromarray(photo_with_faces(1)).save(photos / long_name)
    status, output, errors = program(photos, f"--output_dir={tmp_path / 'out'}")
    assert status == 2
    assert f"The name of {photos / long_name} is too long for its result files" in errors
    assert "two.png: 2 faces," in output
    assert not [name for name in names(tmp_path / "out") if "nnn" in name]


def test_interruption_keeps_finished_photos(program, photos, tmp_path, monkeypatch):
    def stop_at_second(target, *arguments):
        if target.name == "two":
            signal.raise_signal(signal.SIGTERM)
        return real(target, *arguments)

    real = cli.outputs.write_photo
    monkeypatch.setattr(cli.outputs, "write_photo", stop_at_second)
    status, _, errors = program(photos, f"--output_dir={tmp_path / 'out'}")
    assert status == 130
    assert errors.splitlines()[-1] == "Interrupted."
    document = json.loads((tmp_path / "out" / "faces.json").read_text())
    assert [photo["photo"] for photo in document["photos"]] == ["one.png"]
    assert not [name for name in names(tmp_path / "out") if name.startswith((".", "two"))]


@pytest.fixture
def other_files(tmp_path, face_model):
    """Flags for files of the small face model and of weights for it."""
    save_face_model(tmp_path / "face_model.npz", face_model)
    weights = dataclasses.replace(embedded_weights(), face_model=digest(face_model))
    save_weights(tmp_path / "weights.npz", weights)
    return [f"--{name}={tmp_path / name}.npz" for name in ("face_model", "weights")]


def test_weights_and_face_model_can_be_selected(
    program, photos, tmp_path, monkeypatch, face_model, other_files
):
    chosen = []

    def reconstructor(model, weights):
        chosen.append((digest(model), weights.face_model))
        return FakeReconstructor(model)

    monkeypatch.setattr(cli, "Reconstructor", reconstructor)
    for flags, model in (([], embedded_face_model()), (other_files, face_model)):
        status, _, _ = program(photos / "one.png", f"--output_dir={tmp_path / 'out'}", *flags)
        assert status == 0
        assert chosen.pop() == (digest(model), digest(model))


@pytest.mark.parametrize("given", [0, 1])
def test_weights_of_another_face_model_are_rejected(
    monkeypatch, program, photos, tmp_path, other_files, given
):
    monkeypatch.setattr(cli, "Reconstructor", Reconstructor)
    status, output, errors = program(
        photos / "one.png", f"--output_dir={tmp_path / 'out'}", other_files[given]
    )
    assert (status, output) == (2, "")
    assert "pass the model that they were trained with" in errors
    assert len(errors.splitlines()) == 1
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("flag", ["face_model", "weights"])
def test_missing_weights_or_face_model_gives_one_line(program, photos, tmp_path, flag):
    missing = tmp_path / "missing.npz"
    status, output, errors = program(
        photos / "one.png", f"--output_dir={tmp_path / 'out'}", f"--{flag}={missing}"
    )
    assert (status, output) == (2, "")
    assert errors.startswith(f"{missing} cannot be read as")
    assert len(errors.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "give either SOURCE (a photo, a video or a folder) or --camera"),
        (["a.jpg", "--outputs=overlay,stl"], "unknown kind 'stl': use all, or some of overlay, "),
        (["a.mp4", "--retarget=a.jpg"], "--retarget needs photos"),
        (["a.jpg", "--camera=0"], "give either SOURCE (a photo, a video or a folder) or --camera"),
        (["a.jpg", "--colour"], "unrecognized arguments: --colour"),
    ],
)
def test_invalid_arguments_are_rejected(program, arguments, message):
    status, _, errors = program(*arguments)
    assert status == 2
    assert message in errors


def run_script(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "twodasl_jax.commands.cli", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
    )


def test_html_adds_page_to_other_files(program, photos, tmp_path):
    status, _, errors = program(
        photos / "one.png", f"--output_dir={tmp_path / 'out'}", "--outputs=ply", "--html"
    )
    assert (status, errors) == (0, "")
    assert names(tmp_path / "out") == ["one.html", "one_face0.ply"]


def test_help_describes_flags_files_and_status():
    finished = run_script("--help")
    assert finished.returncode == 0
    for word in (
        "SOURCE",
        "--camera",
        "--smoothing",
        "--output_dir",
        "--outputs",
        "--weights",
        "--face_model",
    ):
        assert word in finished.stdout
    for word in ("faces.json", "exit status"):
        assert word in finished.stdout


def test_real_photo(tmp_path):
    data = pytest.importorskip("skimage.data")
    Image.fromarray(data.astronaut()).save(tmp_path / "astronaut.png")
    finished = run_script(tmp_path / "astronaut.png", f"--output_dir={tmp_path / 'out'}")
    assert (finished.returncode, finished.stderr) == (0, "")
    (photo,) = json.loads((tmp_path / "out" / "faces.json").read_text())["photos"]
    (face,) = photo["faces"]
    landmarks = np.array(face["landmarks"])
    # Centres of the left and right eye in the image and of the mouth, annotated by hand.
    for rows, place in (
        (slice(36, 42), (202, 100)),
        (slice(42, 48), (247, 103)),
        (slice(48, 68), (224, 146)),
    ):
        np.testing.assert_allclose(landmarks[rows, :2].mean(axis=0), place, atol=6)
    assert abs(face["euler_angles"]["yaw"]) < 20
    mesh = trimesh.load(tmp_path / "out" / "astronaut_face0.ply")
    nose = landmarks[30] * [1, -1, 1] + [0, photo["height"], 0]
    assert np.linalg.norm(mesh.vertices - nose, axis=1).min() < 5


def test_missing_photo_gives_one_line_without_traceback(tmp_path):
    finished = run_script(tmp_path / "missing.jpg", f"--output_dir={tmp_path / 'out'}")
    assert finished.returncode == 2
    sentence = "there is no such file; give a JPEG, PNG, WebP or TIFF picture."
    assert finished.stderr == f"Cannot read {tmp_path / 'missing.jpg'}: {sentence}\n"
    assert not (tmp_path / "out").exists()
