"""Tests of video files: times, sizes, colours, and errors of unreadable files."""

import struct
import sys
from fractions import Fraction

import numpy as np
import pytest

from twodasl_jax.errors import OutputError, VideoError
from twodasl_jax.videos.files import VideoFrame, find_videos, is_video, open_video, writing_video

av = pytest.importorskip("av")
RATE = Fraction(25)


def picture(height=64, width=96):
    """Returns a picture with a white upper left quarter, a red lower left quarter and a blue right half."""
    image = np.full((height, width, 3), (30, 60, 200), np.uint8)
    image[:, : width // 2] = (200, 40, 50)
    image[: height // 2, : width // 2] = 255
    return image


def write(path, times=None, image=None):
    times = [number / 25 for number in range(6)] if times is None else times
    with writing_video(path, RATE) as film:
        for number, time in enumerate(times):
            film(VideoFrame(number, time, picture() if image is None else image))
    return path


def read(path):
    with open_video(path) as video:
        return list(video.frames)


def encode(path, images, **options):
    """Writes a video with PyAV alone."""
    with av.open(str(path), "w", **options) as container:
        stream = container.add_stream("h264", rate=25)
        stream.height, stream.width = images[0].shape[:2]
        stream.pix_fmt = "yuv420p"
        for image in images:
            container.mux(stream.encode(av.VideoFrame.from_ndarray(image, format="rgb24")))
        container.mux(stream.encode())
    return path


def fail_after_a_frame(path):
    with writing_video(path, RATE) as film:
        film(VideoFrame(0, 0.0, picture()))
        raise ZeroDivisionError


def noise(count, height=64, width=64):
    return list(np.random.default_rng(0).integers(0, 255, (count, height, width, 3), np.uint8))


@pytest.mark.parametrize("name", ["clip.mp4", "clip.mkv", "clip.mov"])
def test_video_survives_round_trip(tmp_path, name):
    frames = read(write(tmp_path / name))
    assert [frame.number for frame in frames] == list(range(6))
    np.testing.assert_allclose([frame.time for frame in frames], np.arange(6) / 25, atol=1e-3)
    for frame in frames:
        assert frame.image.dtype == np.uint8
        inside = np.abs(frame.image.astype(int) - picture()).max(axis=-1)
        # yuv420p stores one colour per 2x2 pixels, which blurs edges.
        assert np.median(inside) <= 3
        assert inside[8:24, 8:40].max() <= 6


def test_irregular_times_are_kept(tmp_path):
    times = [0, 0.1, 0.15, 0.3, 0.35, 1.0, 1.1]
    path = write(tmp_path / "clip.mp4", times)
    np.testing.assert_allclose([frame.time for frame in read(path)], times, atol=1e-4)
    with av.open(str(path)) as container:
        assert container.duration == pytest.approx(1.14e6, abs=0.01e6)


def test_missing_times_are_computed_from_rate(tmp_path):
    path = encode(tmp_path / "raw.h264", noise(5), format="h264")
    np.testing.assert_allclose([frame.time for frame in read(path)], np.arange(5) / 25, atol=1e-6)


def test_odd_last_column_and_row_are_duplicated(tmp_path):
    (first, *_) = read(write(tmp_path / "odd.mp4", image=picture(63, 95)))
    assert first.image.shape == (64, 96, 3)
    assert np.abs(first.image[:62, :94].astype(int) - picture(63, 95)[:62, :94]).mean() < 3


def test_video_has_rate_and_frame_count(tmp_path):
    for name in ("clip.mp4", "clip.mkv"):
        with open_video(write(tmp_path / name)) as video:
            assert (video.rate, video.frame_count) == (25, 6)


@pytest.mark.parametrize(
    ("turns", "matrix"), [(-1, (0, 1, -1, 0)), (1, (0, -1, 1, 0)), (2, (-1, 0, 0, -1))]
)
def test_rotated_video_is_read_upright(tmp_path, turns, matrix):
    content = bytearray(write(tmp_path / "clip.mp4").read_bytes())
    # The track header (tkhd) contains version and times, then the display matrix a b u c d v x y w.
    start = content.index(b"tkhd") + 4 + 40
    a, b, c, d = (round(value * 65536) for value in matrix)
    content[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)
    (tmp_path / "rotated.mp4").write_bytes(content)
    (first, *_) = read(tmp_path / "rotated.mp4")
    expected = np.rot90(picture(), turns).astype(int)
    assert first.image.shape == expected.shape
    assert np.median(np.abs(first.image - expected)) <= 3


def test_truncated_file_is_read_up_to_damage(tmp_path):
    path = encode(tmp_path / "whole.mp4", noise(20), options={"movflags": "faststart"})
    content = path.read_bytes()
    (tmp_path / "cut.mp4").write_bytes(content[: int(0.7 * len(content))])
    frames = []
    with (
        pytest.raises(VideoError, match=r"cut.mp4 cannot be read from frame 1\d on"),
        open_video(tmp_path / "cut.mp4") as video,
    ):
        frames.extend(video.frames)
    assert 10 <= len(frames) < 20


def test_change_of_size_raises(tmp_path):
    parts = [
        encode(tmp_path / f"{size}.ts", noise(4, size, size), format="mpegts").read_bytes()
        for size in (64, 96)
    ]
    (tmp_path / "both.ts").write_bytes(b"".join(parts))
    message = "both.ts changes from 64x64 to 96x96 pixels at frame 4: cut it there."
    with pytest.raises(VideoError, match=message), open_video(tmp_path / "both.ts") as video:
        list(video.frames)


def test_other_files_raise(tmp_path):
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "text.mp4").write_text("no video" * 100)
    (tmp_path / "folder.mp4").mkdir()
    with av.open(str(tmp_path / "sound.mkv"), "w") as container:
        stream = container.add_stream("pcm_s16le", rate=8000, layout="mono")
        sound = av.AudioFrame.from_ndarray(np.zeros((1, 8000), np.int16), "s16", "mono")
        sound.rate = 8000
        container.mux([*stream.encode(sound), *stream.encode()])
    for name, cause in (
        ("empty.mp4", "damaged or not a video; give an MP4"),
        ("text.mp4", "damaged or not a video; give an MP4"),
        ("folder.mp4", "Is a directory"),
        ("missing.mp4", "No such file or directory"),
        ("sound.mkv", "has no video stream"),
    ):
        with pytest.raises(VideoError, match=f"Cannot read .*{name}: .*{cause}"):
            read(tmp_path / name)


def test_video_without_frames_raises(tmp_path):
    content = bytearray(encode(tmp_path / "clip.ts", noise(1), format="mpegts").read_bytes())
    # Keep the tables that describe the stream, and none of its packets.
    (tmp_path / "none.ts").write_bytes(content[: 2 * 188])
    with pytest.raises(VideoError, match=r"Cannot read .*none.ts: "):
        read(tmp_path / "none.ts")


def test_failed_writer_keeps_old_file(tmp_path):
    path = tmp_path / "clip.mp4"
    path.write_text("before")
    with pytest.raises(ZeroDivisionError):
        fail_after_a_frame(path)
    assert path.read_text() == "before"
    assert [entry.name for entry in tmp_path.iterdir()] == ["clip.mp4"]


def test_unknown_suffix_raises(tmp_path):
    with pytest.raises(OutputError, match=r"its suffix is not that of a video format; use \.mp4"):
        write(tmp_path / "clip.docx")
    assert not list(tmp_path.iterdir())


def test_missing_pyav_raises(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "av", None)
    with pytest.raises(VideoError, match="pip install av"):
        read(tmp_path / "clip.mp4")
    with pytest.raises(VideoError, match="pip install av"):
        write(tmp_path / "clip.mp4")
    assert not list(tmp_path.iterdir())


def test_find_videos_lists_videos_by_suffix(tmp_path):
    for name in ("b.MP4", "a.webm", ".hidden.mp4", "photo.jpg", "notes.txt"):
        (tmp_path / name).touch()
    assert [path.name for path in find_videos(tmp_path)] == ["a.webm", "b.MP4"]
    assert is_video("x.mov")
    assert not is_video("x.gif")


def test_frames_are_decoded_lazily(tmp_path):
    path = encode(tmp_path / "whole.mp4", noise(20), options={"movflags": "faststart"})
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    with open_video(path) as video:
        assert next(video.frames).number == 0
        assert next(video.frames).number == 1
