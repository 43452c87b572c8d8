"""Videos as frames that come one by one, upright and with their times, and frames back into a video.

The package `av` (PyAV) is FFmpeg without a process of its own. Imageio's plugin of it is not used: it tells neither the
times of the frames nor how a telephone was held.
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
# Where a file does not say how fast its frames follow each other.
_USUAL_RATE = Fraction(25)
# Of the times in a file that is written: every usual rate has whole numbers of these.
_TIME_BASE = Fraction(1, 90000)
_PIXELS = "yuv420p"
# FFmpeg's number of BT.709, for primaries, transfer and matrix alike.
_BT_709 = 1
# x264's. Without frames that look ahead (bf) a video of changing rate has its right length.
_ENCODER_OPTIONS = {"preset": "veryfast", "crf": "19", "bf": "0"}


class VideoFrame(NamedTuple):
    """One picture of a video.

    Attributes:
      number: counted from 0.
      time: seconds from the first frame; larger than that of the frame before.
      image: RGB, upright.
    """

    number: int
    time: float
    image: UInt8[np.ndarray, "H W 3"]


class Video(NamedTuple):
    """A video that is being read.

    Attributes:
      frames: its pictures, decoded when they are asked for; they can be gone through once.
      rate: frames a second, on average.
      frame_count: how many frames there will be, as far as the file says so.
    """

    frames: Iterator[VideoFrame]
    rate: Fraction
    frame_count: int | None


def find_videos(folder: str | os.PathLike[str]) -> list[Path]:
    """Lists the files of a folder whose names end like a video's, sorted by name; hidden ones are left out."""
    entries = sorted(Path(folder).iterdir())
    return [entry for entry in entries if is_video(entry) and not entry.name.startswith(".")]


def is_video(name: str | PurePath) -> bool:
    """Returns whether the name of a file ends like a video's."""
    return PurePath(name).suffix.lower() in _SUFFIXES


@contextlib.contextmanager
def open_video(path: str | os.PathLike[str]) -> Iterator[Video]:
    """Opens a video file for reading, one frame in memory at a time.

    Frames are turned upright as the file says. Where it has no times, or times that do not grow, the rate stands in.
    Sound is left aside; of several pictures' streams the first counts.

    Args:
      path: whatever FFmpeg reads.

    Yields:
      The video, as long as the context lasts.

    Raises:
      VideoError: the file is missing or no video, or its first frame cannot be decoded; from `frames`, where a later
        one cannot, or where the size of the picture changes.
    """
    av = pyav()
    try:
        container = av.open(os.fspath(path))
    except av.FFmpegError as error:
        raise VideoError(f"Cannot read {path}: {_cause(av, error)}.") from error
    with container:
        if not container.streams.video:
            raise VideoError(f"Cannot read {path}: it shows no pictures; {_REMEDY}.")
        rate = average_rate(container)
        frames = upright_frames(container.decode(video=0), path, rate)
        first = next(frames, None)
        if first is None:
            raise VideoError(f"Cannot read {path}: it holds no frames; {_REMEDY}.")
        yield Video(itertools.chain([first], frames), rate, _frame_count(container, rate))


@contextlib.contextmanager
def writing_video(
    path: str | os.PathLike[str], rate: Fraction
) -> Iterator[Callable[[VideoFrame], None]]:
    """Lets the caller write an H.264 video without sound, in one piece or not at all.

    The frames keep their times, so that a video of changing rate stays one. H.264 as every player knows it wants even
    sizes: an odd last column or row is shown twice. Colours are those of BT.709.

    Args:
      path: the file to create or replace when the context ends without an error; its suffix says the container.
      rate: frames a second, on average.

    Yields:
      A function that appends a frame. All frames are of one size, and their times grow.

    Raises:
      VideoError: the library is missing.
      OutputError: the suffix belongs to no container for videos.
      OSError: the file cannot be written.
    """
    av = pyav()
    with atomic_files.replacing(path) as beside:
        try:
            container = av.open(os.fspath(beside), "w")
        except ValueError as error:
            raise OutputError(
                f"Cannot write {path}: no video has this suffix; use .mp4."
            ) from error
        with container:
            stream = _add_stream(container, rate)
            yield lambda frame: container.mux(stream.encode(_encodable(av, stream, frame)))
            container.mux(stream.encode())


def upright_frames(
    decoded: Iterator[Any], name: str | os.PathLike[str], rate: Fraction
) -> Iterator[VideoFrame]:
    """Yields what PyAV decodes as frames with growing times.

    Args:
      decoded: frames of PyAV.
      name: of what they come from, for messages.
      rate: frames a second, for those without a time.

    Raises:
      VideoError: decoding fails, or the size changes.
    """
    av = pyav()
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
        told = -math.inf if frame.time is None else frame.time - start
        time = told if told > time else time + 1 / float(rate)
        yield VideoFrame(number, time, image)


def pyav() -> types.ModuleType:
    """Returns PyAV, which only videos and cameras need.

    Raises:
      VideoError: it is not installed.
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
    """Returns the frames a second of what PyAV opened, or the usual ones where it does not say."""
    stream = container.streams.video[0]
    return stream.average_rate or stream.guessed_rate or _USUAL_RATE


def _frame_count(container: Any, rate: Fraction) -> int | None:
    if container.streams.video[0].frames:
        return container.streams.video[0].frames
    # In microseconds; not every container counts its frames.
    return round(container.duration * rate / 10**6) if container.duration else None


def _upright(frame: Any) -> UInt8[np.ndarray, "H W 3"]:
    # The rotation of a frame is in degrees, counter-clockwise, like the turns of NumPy.
    turned = np.rot90(frame.to_ndarray(format="rgb24"), round(frame.rotation / 90))
    return np.ascontiguousarray(turned)


def _add_stream(container: Any, rate: Fraction) -> Any:
    stream = container.add_stream("h264", rate=rate, options=_ENCODER_OPTIONS)
    stream.pix_fmt = _PIXELS
    context = stream.codec_context
    context.time_base = _TIME_BASE
    context.color_primaries = context.color_trc = context.colorspace = _BT_709
    return stream


def _encodable(av: Any, stream: Any, frame: VideoFrame) -> Any:
    """Returns a frame for the encoder, which learns the size of the pictures from the first one."""
    height, width, _ = frame.image.shape
    image = np.pad(frame.image, ((0, height % 2), (0, width % 2), (0, 0)), mode="edge")
    if not stream.codec_context.is_open:
        stream.height, stream.width, _ = image.shape
    picture = av.VideoFrame.from_ndarray(image, format="rgb24")
    encodable = picture.reformat(format=_PIXELS, dst_colorspace="ITU709")
    encodable.time_base = _TIME_BASE
    encodable.pts = round(frame.time / _TIME_BASE)
    return encodable
