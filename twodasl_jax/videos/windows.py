"""A window that displays pictures."""

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from twodasl_jax.errors import OutputError

_CLOSING_KEYS = ("<Escape>", "q")


@contextlib.contextmanager
def open_window(title: str) -> Iterator[Callable[[UInt8[np.ndarray, "H W 3"]], bool]]:
    """Opens a window. The user closes it with Escape, q or its close button.

    Args:
      title: the title of the window.

    Yields:
      A function that displays an RGB picture and returns whether the window is still open.

    Raises:
      OutputError: tkinter is not installed, or there is no display.
    """
    try:
        import tkinter

        from PIL import ImageTk
    except ImportError as error:
        raise OutputError(
            "A window needs tkinter: install it, on Debian with apt install python3-tk."
        ) from error
    try:
        root = tkinter.Tk()
    except tkinter.TclError as error:
        raise OutputError(f"There is no display for a window: {error}.") from error
    root.title(title)
    picture = tkinter.Label(root, borderwidth=0)
    picture.pack()
    closed: list[bool] = []
    displayed: list[ImageTk.PhotoImage] = []
    root.protocol("WM_DELETE_WINDOW", lambda: closed.append(True))
    for key in _CLOSING_KEYS:
        root.bind(key, lambda _: closed.append(True))

    def show(image: UInt8[np.ndarray, "H W 3"]) -> bool:
        # Tk does not hold a reference to the picture.
        displayed[:] = [ImageTk.PhotoImage(Image.fromarray(image), master=root)]
        picture.configure(image=displayed[0])
        root.update()
        return not closed

    try:
        yield show
    finally:
        root.destroy()
