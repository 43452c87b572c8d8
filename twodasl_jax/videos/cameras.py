"""Live frames of a camera."""

import contextlib
import queue
import sys
import threading
import time
from collections.abc import Generator, Iterator
from typing import Any

from twodasl_jax.errors import VideoError
from twodasl_jax.videos.files import VideoFrame, average_rate, import_pyav, upright_frames

# FFmpeg's input format for cameras, and its address of a camera by number.
_LINUX = ("v4l2", "/dev/video{}")
_MACOS = ("avfoundation", "{}:none")
_WINDOWS = "dshow"
# The polling interval in seconds: the input format of macOS does not block until a frame arrives.
_POLLING_INTERVAL = 0.005


@contextlib.contextmanager
def open_camera(number: int) -> Iterator[Iterator[VideoFrame]]:
    """Opens a camera.

    Args:
      number: the number of the camera, from 0 in the order of the operating system.

    Yields:
      The latest frames of the camera; see `latest_frames`.

    Raises:
      VideoError: there is no such camera, or it is in use. The frames raise it if the camera is disconnected.
    """
    av = import_pyav()
    try:
        input_format, address = _address(av, number)
        container = av.open(address, format=input_format)
    except (av.FFmpegError, IndexError, ValueError) as error:
        remedy = "connect a camera, close other programs that use it, or give another number"
        raise VideoError(f"Camera {number} cannot be opened: {remedy}.") from error
    with container:
        frames = upright_frames(
            _decoded(av, container), f"Camera {number}", average_rate(container)
        )
        with contextlib.closing(latest_frames(frames)) as latest:
            yield latest


def latest_frames(frames: Iterator[VideoFrame]) -> Generator[VideoFrame]:
    """Yields the latest frame of a live stream, and drops frames that arrive while the consumer is busy.

    Ends and raises like `frames`, which a thread reads.
    """
    latest: queue.Queue[VideoFrame | Exception | None] = queue.Queue(maxsize=1)
    stopped = threading.Event()

    def replace(item: VideoFrame | Exception | None) -> None:
        with contextlib.suppress(queue.Empty):
            latest.get_nowait()
        latest.put(item)

    def read() -> None:
        try:
            for frame in frames:
                replace(frame)
                if stopped.is_set():
                    return
            replace(None)
        except Exception as error:
            # The consumer raises it.
            replace(error)

    reader = threading.Thread(target=read, daemon=True)
    reader.start()
    try:
        while (item := latest.get()) is not None:
            if isinstance(item, Exception):
                raise item
            yield item
    finally:
        # The thread must end before the camera is closed.
        stopped.set()
        reader.join()


def _address(av: Any, number: int) -> tuple[str, str]:
    """Returns FFmpeg's input format and address of a camera."""
    if sys.platform == "win32":
        devices = av.enumerate_input_devices(_WINDOWS)
        names = [device.name for device in devices if "video" in device.media_types]
        return _WINDOWS, f"video={names[number]}"
    input_format, address = _MACOS if sys.platform == "darwin" else _LINUX
    return input_format, address.format(number)


def _decoded(av: Any, container: Any) -> Iterator[Any]:
    while True:
        try:
            yield from container.decode(video=0)
            return
        except av.BlockingIOError:
            time.sleep(_POLLING_INTERVAL)
