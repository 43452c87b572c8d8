"""Reading and writing of video files, as streams of upright frames with their times.

The package `av` (PyAV) binds FFmpeg as a library. Imageio's plugin for it is not used, because it provides neither the
times of frames nor the orientation of a recording.
"""

import contextlib
import itertools
import math
import os
import types
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path, PurePath
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import UInt8

from twodasl_jax.errors import OutputError, VideoError
from twodasl_jax.files import atomic_files

_SUFFIXES = frozenset(
    (".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts", ".mts", ".m2ts")
    + (".3gp", ".flv", ".ogv", ".wmv")
)
_REMEDY = "give an MP4, MOV, MKV, WebM or AVI video"
# The frame rate of files that do not contain one.
_DEFAULT_RATE = Fraction(25)
# The unit of time in written files, in seconds. The frame durations of all common rates are multiples of it.
_TIME_BASE = Fraction(1, 90000)
_PIXELS = "yuv420p"
# FFmpeg's constant of BT.709, for primaries, transfer and matrix.
_BT_709 = 1
# Options of x264. Without B-frames (bf), the duration of a video with a variable frame rate is correct.
_ENCODER_OPTIONS = {"preset": "veryfast", "crf": "19", "bf": "0"}


class VideoFrame(NamedTuple):
    """A frame of a video.

    Attributes:
      number: the index of the frame, from 0.
      time: the time since the first frame, seconds; strictly increasing.
      image: (H, W, 3) RGB, upright.
    """

    number: int
    time: float
    image: UInt8[np.ndarray, "H W 3"]


class Video(NamedTuple):
    """An open video file.

    Attributes:
      frames: the frames, decoded lazily; can be iterated once.
      rate: the average frame rate, frames per second.
      frame_count: the expected number of frames; None if unknown.
    """

    frames: Iterator[VideoFrame]
    rate: Fraction
    frame_count: int | None


def find_videos(folder: str | os.PathLike[str]) -> list[Path]:
    """Lists the video files of a folder by their suffix, sorted by name. Hidden files are skipped."""
    entries = sorted(Path(folder).iterdir())
    return [entry for entry in entries if is_video(entry) and not entry.name.startswith(".")]


def is_video(name: str | PurePath) -> bool:
    """Returns whether the suffix of a file name is that of a video format."""
    return PurePath(name).suffix.lower() in _SUFFIXES


@contextlib.contextmanager
def open_video(path: str | os.PathLike[str]) -> Iterator[Video]:
    """Opens a video file for reading.

    Frames are decoded one at a time and rotated upright. Frames without a time, or with one that does not increase, are
    spaced by the frame rate. Sound is ignored, and so are all video streams after the first.

    Args:
      path: a file that FFmpeg can read.

    Yields:
      The video, which is valid inside the context.

    Raises:
      VideoError: the file is missing or not a video, or its first frame cannot be decoded. `Video.frames` raises it
        if a later frame cannot be decoded, or if the size of the picture changes.
    """
    av = import_pyav()
    try:
        container = av.open(os.fspath(path))
    except av.FFmpegError as error:
        raise VideoError(f"Cannot read {path}: {_cause(av, error)}.") from error
    with container:
        if not container.streams.video:
            raise VideoError(f"Cannot read {path}: it has no video stream; {_REMEDY}.")
        rate = average_rate(container)
        frames = upright_frames(container.decode(video=0), path, rate)
        first = next(frames, None)
        if first is None:
            raise VideoError(f"Cannot read {path}: it has no frames; {_REMEDY}.")
        yield Video(itertools.chain([first], frames), rate, _frame_count(container, rate))


@contextlib.contextmanager
def writing_video(
    path: str | os.PathLike[str], rate: Fraction
) -> Iterator[Callable[[VideoFrame], None]]:
    """Opens an H.264 video without sound for writing, atomically.

    Frames keep their times, so that variable frame rates are preserved. Widely supported H.264 profiles need even
    sizes: an odd last column or row is duplicated. Colours are in BT.709.

    Args:
      path: the file, which is created or replaced if the context ends without an error. Its suffix selects the
        container format.
      rate: the average frame rate, frames per second.

    Yields:
      A function that appends a frame. All frames must have one size and increasing times.

    Raises:
      VideoError: PyAV is not installed.
      OutputError: the suffix is not that of a video format.
      OSError: the file cannot be written.
    """
    av = import_pyav()
    with atomic_files.replacing(path) as beside:
        try:
            container = av.open(os.fspath(beside), "w")
        except ValueError as error:
            raise OutputError(
                f"Cannot write {path}: its suffix is not that of a video format; use .mp4."
            ) from error
        with container:
            stream = _add_stream(container, rate)
            yield lambda frame: container.mux(stream.encode(_encodable(av, stream, frame)))
            container.mux(stream.encode())


def upright_frames(
    decoded: Iterator[Any], name: str | os.PathLike[str], rate: Fraction
) -> Iterator[VideoFrame]:
    """Yields decoded frames upright, with strictly increasing times.

    Args:
      decoded: the frames of PyAV.
      name: the name of their source in error messages.
      rate: the frame rate for frames without a time, frames per second.

    Raises:
      VideoError: decoding fails, or the size of the picture changes.
    """
    av = import_pyav()
    start, time, size = None, -1 / float(rate), None
    for number in itertools.count():
        try:
            frame = next(decoded, None)
        except av.FFmpegError as error:
            raise VideoError(f"{name} cannot be read from frame {number} on.") from error
        if frame is None:
            return
        image = _upright(frame)
        size = size or image.shape
        if image.shape != size:
            change = f"{size[1]}x{size[0]} to {image.shape[1]}x{image.shape[0]} pixels"
            raise VideoError(f"{name} changes from {change} at frame {number}: cut it there.")
        start = frame.time if start is None else start
        stored = -math.inf if frame.time is None else frame.time - start
        time = stored if stored > time else time + 1 / float(rate)
        yield VideoFrame(number, time, image)


def import_pyav() -> types.ModuleType:
    """Returns the module of PyAV, an optional dependency for videos and cameras.

    Raises:
      VideoError: PyAV is not installed.
    """
    try:
        import av
    except ImportError as error:
        raise VideoError("Videos need the package av: install it with pip install av.") from error
    av.logging.set_level(av.logging.PANIC)
    return av


def _cause(av: Any, error: Exception) -> str:
    if isinstance(error, av.error.InvalidDataError):
        return f"it is damaged or not a video; {_REMEDY}"
    return getattr(error, "strerror", None) or str(error)


def average_rate(container: Any) -> Fraction:
    """Returns the average frame rate of an open container, or a default if it is unknown."""
    stream = container.streams.video[0]
    return stream.average_rate or stream.guessed_rate or _DEFAULT_RATE


def _frame_count(container: Any, rate: Fraction) -> int | None:
    if container.streams.video[0].frames:
        return container.streams.video[0].frames
    # Some containers do not store the number of frames. The duration is in microseconds.
    return round(container.duration * rate / 10**6) if container.duration else None


def _upright(frame: Any) -> UInt8[np.ndarray, "H W 3"]:
    # PyAV gives the rotation in degrees, counter-clockwise, which is also the direction of rot90.
    rotated = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
    return np.ascontiguousarray(rotated)


def _add_stream(container: Any, rate: Fraction) -> Any:
    stream = container.add_stream("h264", rate=rate, options=_ENCODER_OPTIONS)
    stream.pix_fmt = _PIXELS
    context = stream.codec_context
    context.time_base = _TIME_BASE
    context.color_primaries = context.color_trc = context.colorspace = _BT_709
    return stream


def _encodable(av: Any, stream: Any, frame: VideoFrame) -> Any:
    """Returns a frame for the encoder, padded to even sizes. The first frame sets the size of the stream."""
    height, width, _ = frame.image.shape
    image = np.pad(frame.image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    if not stream.codec_context.is_open:
        stream.height, stream.width, _ = image.shape
    picture = av.VideoFrame.from_ndarray(image, format="rgb24")
    encodable = picture.reformat(format=_PIXELS, dst_colorspace="ITU709")
    encodable.time_base = _TIME_BASE
    encodable.pts = round(frame.time / _TIME_BASE)
    return encodable
