"""A window that shows pictures as they come."""

import contextlib
from collections.abc import Callable, Iterator

import numpy as np
from jaxtyping import UInt8
from PIL import Image

from twodasl_jax.errors import OutputError

_KEYS_THAT_CLOSE = ("<Escape>", "q")


@contextlib.contextmanager
def open_window(title: str) -> Iterator[Callable[[UInt8[np.ndarray, "H W 3"]], bool]]:
    """Opens a window, which Escape, q and its own button close.

    Yields:
      A function that shows an RGB picture and returns whether the window is still open.

    Raises:
      OutputError: Python was built without windows, or there is no display.
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
    shown: list[ImageTk.PhotoImage] = []
    root.protocol("WM_DELETE_WINDOW", lambda: closed.append(True))
    for key in _KEYS_THAT_CLOSE:
        root.bind(key, lambda _: closed.append(True))

    def show(image: UInt8[np.ndarray, "H W 3"]) -> bool:
        # Tk does not keep the picture alive by itself.
        shown[:] = [ImageTk.PhotoImage(Image.fromarray(image), master=root)]
        picture.configure(image=shown[0])
        root.update()
        return not closed

    try:
        yield show
    finally:
        root.destroy()
