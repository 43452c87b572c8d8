"""Tests of cameras and windows, with simulated frames and a simulated display."""

import sys
import threading
import types

import numpy as np
import pytest

from tests.helpers.fake_reconstruction import FakeFaceSource, frame_with_squares
from twodasl_jax.commands import camera
from twodasl_jax.errors import OutputError, VideoError
from twodasl_jax.videos import cameras, following
from twodasl_jax.videos.files import VideoFrame
from twodasl_jax.videos.windows import open_window


def frame(number):
    return VideoFrame(number, number / 30, np.zeros((2, 2, 3), np.uint8))


def test_frames_are_dropped_while_consumer_is_busy():
    produced, consumed = threading.Event(), threading.Event()

    def live():
        yield frame(0)
        consumed.wait(10)
        yield from map(frame, range(1, 6))
        produced.set()
        threading.Event().wait(0.05)
        yield frame(6)

    frames = cameras.latest_frames(live())
    assert next(frames).number == 0
    consumed.set()
    assert produced.wait(10)
    assert next(frames).number >= 5
    frames.close()


def test_latest_frames_end_with_stream():
    assert [found.number for found in cameras.latest_frames(iter([frame(0)]))] in ([0], [])


def test_error_of_stream_reaches_consumer():
    def live():
        raise VideoError("Camera 0 cannot be read from frame 3 on.")
        yield

    with pytest.raises(VideoError, match="from frame 3 on"):
        list(cameras.latest_frames(live()))


def test_closing_frames_ends_thread():
    before = threading.active_count()

    def live():
        number = 0
        while True:
            yield frame(number)
            number += 1

    frames = cameras.latest_frames(live())
    next(frames)
    frames.close()
    assert threading.active_count() == before


def test_missing_camera_raises():
    pytest.importorskip("av")
    with (
        pytest.raises(VideoError, match="Camera 73 cannot be opened: connect a camera"),
        cameras.open_camera(73),
    ):
        pass


def test_window_without_display_raises(monkeypatch):
    pytest.importorskip("tkinter")
    monkeypatch.setenv("DISPLAY", ":73")
    with pytest.raises(OutputError, match="no display for a window"), open_window("faces"):
        pass


def test_window_without_tkinter_raises(monkeypatch):
    monkeypatch.setitem(sys.modules, "tkinter", None)
    with pytest.raises(OutputError, match="python3-tk"), open_window("faces"):
        pass


class FakeTk:
    """A stand-in for the parts of tkinter that a window uses."""

    TclError = RuntimeError

    def __init__(self):
        self.shown, self.keys, self.alive = [], {}, True
        self.Tk = self.Label = lambda *_, **__: self

    def configure(self, image):
        self.shown.append(image)

    def bind(self, key, action):
        self.keys[key] = action

    def protocol(self, name, action):
        self.keys[name] = lambda _: action()

    def destroy(self):
        self.alive = False

    def title(self, text):
        self.text = text

    def pack(self):
        pass

    def update(self):
        pass


@pytest.fixture
def display(monkeypatch):
    fake = FakeTk()
    pictures = types.SimpleNamespace(PhotoImage=lambda image, master: np.asarray(image))
    monkeypatch.setitem(sys.modules, "tkinter", fake)
    monkeypatch.setitem(sys.modules, "PIL.ImageTk", pictures)
    monkeypatch.setattr("PIL.ImageTk", pictures, raising=False)
    return fake


@pytest.mark.parametrize("key", ["<Escape>", "q", "WM_DELETE_WINDOW"])
def test_window_shows_pictures_until_closed(display, key):
    image = frame_with_squares((50, 50))
    with open_window("faces") as show:
        assert show(image)
        display.keys[key](None)
        assert not show(image)
    np.testing.assert_array_equal(display.shown[0], image)
    assert not display.alive


def test_camera_is_read_until_window_is_closed(monkeypatch, face_model, display):
    source = FakeFaceSource(face_model)
    monkeypatch.setattr(following.detection, "detect_faces", source.detect)
    monkeypatch.setattr(following.detection, "confidence_of_crop", source.score)
    events = []

    class FakeCamera:
        def __init__(self, number):
            assert number == 3

        def __enter__(self):
            for number in range(100):
                events.append(number)
                if number == 4:
                    display.keys["q"](None)
                yield VideoFrame(number, number / 30, frame_with_squares((60, 60)))

        def __exit__(self, *_):
            events.append("closed")

    monkeypatch.setattr(camera, "open_camera", FakeCamera)
    camera.watch_camera(source, 3, None)
    assert events == [0, 1, 2, 3, 4, "closed"]
    plain = frame_with_squares((60, 60))
    assert len(display.shown) == 5
    assert all((shown != plain).any() for shown in display.shown)
