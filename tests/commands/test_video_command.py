"""Tests of `twodasl-reconstruct` on videos: console output, result files and exit status."""

import csv
import itertools
import os
import pathlib
import signal
import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from PIL import Image

from tests.helpers.fake_reconstruction import (
    FakeFaceSource,
    FakeReconstructor,
    frame_with_squares,
    photo_with_faces,
)
from twodasl_jax.commands import cli
from twodasl_jax.commands import videos as command
from twodasl_jax.errors import VideoError
from twodasl_jax.videos import following
from twodasl_jax.videos.files import VideoFrame, open_video, writing_video

pytest.importorskip("av")
ROOT = pathlib.Path(__file__).parents[2]


class FakeBoth(FakeFaceSource):
    """A `FakeReconstructor` for photos and a `FakeFaceSource` for frames of videos."""

    def __call__(self, image, boxes=None):
        return (
            FakeReconstructor(self.model)(image)
            if boxes is None
            else super().__call__(image, boxes)
        )


@pytest.fixture
def program(monkeypatch, face_model, capsys):
    """Runs the program with fakes, without smoothing; returns status, output and errors."""
    fake = FakeBoth(face_model)
    monkeypatch.setattr(cli, "Reconstructor", lambda *_: fake)
    monkeypatch.setattr(cli, "chosen_expression_units", lambda _: None)
    monkeypatch.setattr(following.detection, "detect_faces", fake.detect)
    monkeypatch.setattr(following.detection, "confidence_of_crop", fake.score)

    def run(*arguments):
        monkeypatch.setattr(
            sys, "argv", ["twodasl-reconstruct", "--smoothing=off", *map(str, arguments)]
        )
        with pytest.raises(SystemExit) as exit_info:
            cli.main()
        return exit_info.value.code or 0, *capsys.readouterr()

    return run


def write_clip(path, frames):
    with writing_video(path, Fraction(25)) as write:
        for number, image in enumerate(frames):
            write(VideoFrame(number, number / 25, image))
    return path


def frames_with_motion(count):
    """Returns frames with a face at rest, and from frame 4 on with a moving face."""
    return [
        frame_with_squares((50, 60), *([(190 - 4 * number, 60)] if number > 3 else []))
        for number in range(count)
    ]


@pytest.fixture
def clip(tmp_path):
    return write_clip(tmp_path / "clip.mp4", frames_with_motion(12))


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def rows_of(path):
    with open(path, newline="") as file:
        return list(csv.DictReader(file))


def frames_of(path):
    with open_video(path) as video:
        return [frame.image for frame in video.frames]


def test_video_gives_overlay_and_table(program, clip, tmp_path):
    status, output, errors = program(clip, f"--output_dir={tmp_path / 'out'}")
    assert (status, errors) == (0, "")
    assert output == f"{clip}: 12 frames, 2 faces, see {tmp_path / 'out' / 'clip'}_*\n"
    assert names(tmp_path / "out") == ["clip_faces.csv", "clip_overlay.mp4"]
    drawn, plain = frames_of(tmp_path / "out" / "clip_overlay.mp4"), frames_of(clip)
    assert len(drawn) == 12
    changed = np.abs(drawn[-1].astype(int) - plain[-1]).max(axis=-1) > 40
    assert changed[45:75, 35:65].mean() > 0.5
    assert changed[45:75, 131:161].mean() > 0.5
    assert not changed[:, 85:110].any()


def test_table_has_values_of_faces(program, clip, tmp_path):
    program(clip, f"--output_dir={tmp_path / 'out'}")
    rows = rows_of(tmp_path / "out" / "clip_faces.csv")
    assert len(rows[0]) == 11 + 3 * 68 + 62
    people = [(int(row["frame"]), int(row["person"])) for row in rows]
    assert people == sorted(people)
    assert [frame for frame, person in people if person == 0] == list(range(12))
    assert {person for _, person in people} == {0, 1}
    for row in rows:
        assert float(row["time"]) == pytest.approx(int(row["frame"]) / 25, abs=1e-4)
        assert float(row["score"]) == 0.9
        centre = np.mean([float(row[f"x_{point}"]) for point in range(1, 69)])
        expected = 50 if row["person"] == "0" else 190 - 4 * int(row["frame"])
        assert centre == pytest.approx(expected, abs=2)
        assert float(row["x0"]) < centre < float(row["x1"])
        assert float(row["pose_1"]) == pytest.approx(0.3, abs=1e-6)
        assert float(row["expression_1"]) == 0.5


def test_folder_may_contain_photos_and_videos(program, clip, tmp_path):
    Image.fromarray(photo_with_faces(1)).save(tmp_path / "photo.png")
    write_clip(tmp_path / "nobody.mkv", [frame_with_squares()] * 3)
    status, output, errors = program(
        tmp_path, f"--output_dir={tmp_path / 'out'}", "--outputs=overlay"
    )
    assert status == 2
    assert "photo.png: 1 face" in output
    assert "clip.mp4: 12 frames, 2 faces" in output
    assert errors.splitlines() == [
        f"No face was found in {tmp_path / 'nobody.mkv'}: use a video that shows one more clearly.",
        "1 of 3 files gave no complete result.",
    ]
    assert names(tmp_path / "out") == ["clip_faces.csv", "clip_overlay.mp4", "photo_overlay.png"]


def test_video_without_face_gives_no_files(program, tmp_path):
    path = write_clip(tmp_path / "nobody.mp4", [frame_with_squares()] * 3)
    status, output, errors = program(path, f"--output_dir={tmp_path / 'new' / 'out'}")
    assert (status, output) == (2, "")
    assert errors.startswith("No face was found in")
    assert len(errors.splitlines()) == 1
    assert not (tmp_path / "new" / "out").exists()


def test_face_may_leave_frame(program, tmp_path):
    path = write_clip(
        tmp_path / "left.mp4", [frame_with_squares((50, 60))] * 4 + [frame_with_squares()] * 4
    )
    assert program(path, f"--output_dir={tmp_path / 'out'}")[0] == 0
    rows = rows_of(tmp_path / "out" / "left_faces.csv")
    assert [int(row["frame"]) for row in rows] == [0, 1, 2, 3]
    assert len(frames_of(tmp_path / "out" / "left_overlay.mp4")) == 8


def test_invalid_video_gives_one_line_and_no_files(program, tmp_path):
    (tmp_path / "bad.mp4").write_bytes(b"no video" * 100)
    for name in ("bad.mp4", "missing.mp4"):
        status, output, errors = program(tmp_path / name, f"--output_dir={tmp_path / 'out'}")
        assert (status, output) == (2, "")
        assert errors.startswith(f"Cannot read {tmp_path / name}: ")
        assert len(errors.splitlines()) == 1
    assert not (tmp_path / "out").exists()


def test_output_dir_must_not_be_file(program, clip, tmp_path):
    (tmp_path / "file").touch()
    for folder in (tmp_path / "file", tmp_path / "file" / "below"):
        status, _, errors = program(clip, f"--output_dir={folder}")
        assert status == 2
        assert errors.startswith(f"Cannot write to {folder}: ")
        assert len(errors.splitlines()) == 1


def test_full_disk_gives_one_line_and_no_files(program, clip, tmp_path, monkeypatch):
    def fail(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("twodasl_jax.outputs.clip.pictures.draw_overlay", fail)
    status, _, errors = program(clip, f"--output_dir={tmp_path / 'out'}")
    assert (status, errors) == (
        2,
        f"Cannot write to {tmp_path / 'out'}: No space left on device.\n",
    )
    assert not (tmp_path / "out").exists()


def check_results(folder, count):
    """Checks that both results are complete files with `count` frames."""
    assert names(folder) == ["clip_faces.csv", "clip_overlay.mp4"]
    assert len(frames_of(folder / "clip_overlay.mp4")) == count
    assert {int(row["frame"]) for row in rows_of(folder / "clip_faces.csv")} == set(range(count))


def test_damaged_video_keeps_earlier_frames(program, clip, tmp_path, monkeypatch):
    def broken(path):
        video = open_video(path)
        original = video.__enter__()

        class Broken:
            def __enter__(self):
                return original._replace(frames=self.frames())

            def __exit__(self, *_):
                return video.__exit__(None, None, None)

            def frames(self):
                yield from itertools.islice(original.frames, 7)
                raise VideoError(f"{path} cannot be read from frame 7 on.")

        return Broken()

    monkeypatch.setattr(command, "open_video", broken)
    status, output, errors = program(clip, f"--output_dir={tmp_path / 'out'}")
    assert (status, output) == (2, "")
    kept = f"the earlier frames are in {tmp_path / 'out' / 'clip'}_*."
    assert errors == f"{clip} cannot be read from frame 7 on; {kept}\n"
    check_results(tmp_path / "out", 7)


def interrupt_at_fifth_call(monkeypatch, number):
    real, calls = FakeFaceSource.__call__, []

    def call(self, image, boxes):
        calls.append(boxes)
        if len(calls) == 5:
            signal.raise_signal(number)
        return real(self, image, boxes)

    monkeypatch.setattr(FakeFaceSource, "__call__", call)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_interrupted_video_keeps_earlier_frames(program, clip, tmp_path, monkeypatch, number):
    interrupt_at_fifth_call(monkeypatch, number)
    status, output, errors = program(clip, f"--output_dir={tmp_path / 'out'}")
    assert (status, output) == (2, "")
    kept = f"the earlier frames are in {tmp_path / 'out' / 'clip'}_*."
    assert errors == f"Interrupted after frame 4 of {clip}; {kept}\n"
    check_results(tmp_path / "out", 5)


def test_interruption_skips_later_videos(program, clip, tmp_path, monkeypatch):
    write_clip(tmp_path / "later.mp4", frames_with_motion(3))
    interrupt_at_fifth_call(monkeypatch, signal.SIGINT)
    status, _, errors = program(tmp_path, f"--output_dir={tmp_path / 'out'}")
    assert status == 2
    assert errors.splitlines()[1:] == ["2 of 2 files gave no complete result."]
    check_results(tmp_path / "out", 5)


@pytest.mark.slow
def test_real_face_is_tracked(tmp_path):
    data = pytest.importorskip("skimage.data")
    face = Image.fromarray(data.astronaut()).crop((140, 20, 310, 220))
    frames = []
    for number in range(20):
        picture = Image.new("RGB", (480, 300), (70, 90, 110))
        picture.paste(face, (20 + 12 * number, 40))
        frames.append(np.asarray(picture))
    clip = write_clip(tmp_path / "clip.mp4", frames)
    finished = subprocess.run(
        [
            sys.executable,
            "-m",
            "twodasl_jax.commands.cli",
            clip,
            f"--output_dir={tmp_path / 'out'}",
        ],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT), "JAX_PLATFORMS": "cpu"},
    )
    assert (finished.returncode, finished.stderr) == (0, "")
    rows = rows_of(tmp_path / "out" / "clip_faces.csv")
    assert [(int(row["frame"]), row["person"]) for row in rows] == [(n, "0") for n in range(20)]
    for number, row in enumerate(rows):
        # Centre of the left eye in the image, annotated by hand at (202, 100) in the whole photo.
        eye = [np.mean([float(row[f"{axis}_{p}"]) for p in range(37, 43)]) for axis in "xy"]
        np.testing.assert_allclose(eye, [202 - 140 + 20 + 12 * number, 100 - 20 + 40], atol=6)
        assert float(row["score"]) > 0.8
        assert abs(float(row["yaw"])) < 20
