"""A camera of this computer as frames: the newest one, whenever one is asked for."""

import contextlib
import queue
import sys
import threading
import time
from collections.abc import Generator, Iterator
from typing import Any

from twodasl_jax.errors import VideoError
from twodasl_jax.videos.files import VideoFrame, average_rate, pyav, upright_frames

# FFmpeg's reader of cameras, and what it calls the camera of a number.
_LINUX = ("v4l2", "/dev/video{}")
_MACOS = ("avfoundation", "{}:none")
_WINDOWS = "dshow"
# Seconds; the reader on macOS does not wait for a frame.
_PAUSE = 0.005


@contextlib.contextmanager
def open_camera(number: int) -> Iterator[Iterator[VideoFrame]]:
    """Opens a camera.

    Args:
      number: of the camera, from 0 in the order of the system.

    Yields:
      Its pictures; those that come while nobody asks are dropped, except for the last.

    Raises:
      VideoError: there is no such camera, or it is in use; from the pictures, where it is lost.
    """
    av = pyav()
    try:
        reader, address = _address(av, number)
        container = av.open(address, format=reader)
    except (av.FFmpegError, IndexError, ValueError) as error:
        remedy = "plug one in, close what uses it, or give another number"
        raise VideoError(f"Camera {number} cannot be opened: {remedy}.") from error
    with container:
        frames = upright_frames(
            _decoded(av, container), f"Camera {number}", average_rate(container)
        )
        with contextlib.closing(newest(frames)) as pictures:
            yield pictures


def newest(frames: Iterator[VideoFrame]) -> Generator[VideoFrame]:
    """Yields of frames that come by themselves the newest whenever one is asked for; ends and fails as they do."""
    latest: queue.Queue[VideoFrame | Exception | None] = queue.Queue(maxsize=1)
    left = threading.Event()

    def replace(item: VideoFrame | Exception | None) -> None:
        with contextlib.suppress(queue.Empty):
            latest.get_nowait()
        latest.put(item)

    def watch() -> None:
        try:
            for frame in frames:
                replace(frame)
                if left.is_set():
                    return
            replace(None)
        except Exception as error:
            # For whoever waits.
            replace(error)

    watcher = threading.Thread(target=watch, daemon=True)
    watcher.start()
    try:
        while (item := latest.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        # Before the camera is closed under the feet of the other thread.
        left.set()
        watcher.join()


def _address(av: Any, number: int) -> tuple[str, str]:
    if sys.platform == "win32":
        devices = av.enumerate_input_devices(_WINDOWS)
        names = [device.name for device in devices if "video" in device.media_types]
        return _WINDOWS, f"video={names[number]}"
    reader, name = _MACOS if sys.platform == "darwin" else _LINUX
    return reader, name.format(number)


def _decoded(av: Any, container: Any) -> Iterator[Any]:
    while True:
        try:
            yield from container.decode(video=0)
            return
        except av.BlockingIOError:
            time.sleep(_PAUSE)
