"""Pickles, read without executing anything that they ask for.

A pickle is a program: it may name any function of any module and have it called. `SafeUnpickler` gives it what an
allow-list holds and nothing else; `load_plain` allows arrays of numbers beside the containers, numbers and texts that
pickles build by themselves. No code of NumPy is called that a pickle could lead astray: arrays are made here, from
bytes whose count has been compared with what the array claims to be.

References:
  Python's documentation of `pickle`, "Restricting Globals"; `numpy.ndarray.__reduce__` and `numpy.dtype.__reduce__`.
"""

import io
import math
import pickle
import pickletools
import re
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

_PLAIN_DTYPE = re.compile(r"[biufc][0-9]{1,2}")
# The operations by which a pickle gives a thing a number of its own choice.
_NUMBERING = ("PUT", "BINPUT", "LONG_BINPUT")
# How the state of such a dtype ends: no fields, no subarrays, no flags.
_PLAIN_STATE = (None, None, None, -1, -1, 0)


class SafeUnpickler(pickle.Unpickler):
    """An unpickler that knows the globals of an allow-list only.

    A pickle may not only call what it is given but also assign to its attributes: allow what cannot be altered, which
    are built-in types and `Function`.
    """

    def __init__(self, content: bytes, allowed: Mapping[str, Any]):
        """Prepares to read a pickle.

        Args:
          content: of the whole file.
          allowed: what the pickle gets for a global, by its dotted name such as "collections.OrderedDict".

        Raises:
          pickle.UnpicklingError: the pickle is cut off, or claims to be longer than it is.
        """
        _check_lengths(content)
        super().__init__(io.BytesIO(content), encoding="latin1")
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        """Returns what is allowed under this name.

        Raises:
          pickle.UnpicklingError: it is not on the list.
        """
        wanted = f"{module}.{name}"
        if wanted not in self._allowed:
            raise pickle.UnpicklingError(f"it asks for {wanted!r:.80}, which it may not use")
        return self._allowed[wanted]

    def persistent_load(self, pid: Any) -> Any:
        """Returns what a number or a tuple stands for that is kept outside of the pickle: here nothing is.

        Raises:
          pickle.UnpicklingError: always; formats that keep arrays beside their pickle override this method.
        """
        raise pickle.UnpicklingError("it refers to something that is kept outside of it")


class Function:
    """A function for an allow-list; other than a plain one it cannot be altered by a pickle."""

    def __init__(self, function: Callable[..., Any]):
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it tries to alter what it was given")


def load(content: bytes, allowed: Mapping[str, Any]) -> Any:
    """Returns what a pickle holds.

    Args:
      content: of the whole file.
      allowed: see `SafeUnpickler`.

    Raises:
      pickle.UnpicklingError: it asks for anything else, or is no pickle; the message can end a sentence.
    """
    try:
        return SafeUnpickler(content, allowed).load()
    except pickle.UnpicklingError:
        raise
    # Which exceptions a damaged pickle can lead to is not documented.
    except Exception as error:
        raise pickle.UnpicklingError("it is damaged, or no pickle of plain data") from error


def load_plain(content: bytes) -> Any:
    """Returns what a pickle of arrays, containers, numbers and texts holds.

    Raises:
      pickle.UnpicklingError: it holds anything else, or is no pickle; the message can end a sentence.
    """
    return load(content, _PLAIN)


def _check_lengths(content: bytes) -> None:
    """Raises where the pickle would reserve memory for more than it has: its operations are read, not carried out."""
    try:
        for operation, argument, _ in pickletools.genops(content):
            if operation.name in _NUMBERING and (argument or 0) > len(content):
                raise pickle.UnpicklingError("it numbers more things than it can hold")
    except ValueError as error:
        raise pickle.UnpicklingError("it is cut off, or no pickle") from error


class _Dtype:
    """What a pickle says of an array's type."""

    def __init__(self, name: Any, *_: Any):
        if not isinstance(name, str) or not _PLAIN_DTYPE.fullmatch(name):
            raise pickle.UnpicklingError(f"it holds an array of {name!r:.20}, not of numbers")
        self._name, self._order = name, "="

    def __setstate__(self, state: Any) -> None:
        _, order, *rest = state
        if order not in ("<", ">", "|", "=") or tuple(rest) != _PLAIN_STATE:
            raise pickle.UnpicklingError("it holds an array of structures, not of numbers")
        self._order = order

    def plain(self) -> np.dtype:
        return np.dtype(self._order + self._name)


class _Array(np.ndarray):
    """An array that is filled once its bytes are known to be as many as it needs."""

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        sizes, plain = _checked(shape, dtype, data)
        order: Any = bool(fortran)
        super().__setstate__((1, sizes, plain, order, _bytes(data)))


def _checked(shape: Any, dtype: Any, data: Any) -> tuple[tuple[int, ...], np.dtype]:
    """Returns shape and type of an array whose bytes are `data`."""
    plain = dtype.plain()
    sizes = tuple(int(size) for size in shape)
    if min(sizes, default=0) < 0 or math.prod(sizes) * plain.itemsize != len(_bytes(data)):
        raise pickle.UnpicklingError(
            f"it claims an array of shape {sizes} and holds {len(_bytes(data))} bytes of it"
        )
    return sizes, plain


def _bytes(data: Any) -> bytes:
    # Python 2 wrote texts.
    return data.encode("latin1") if isinstance(data, str) else bytes(memoryview(data))


def _scalar(dtype: Any, data: Any) -> Any:
    _, plain = _checked((), dtype, data)
    return np.frombuffer(_bytes(data), plain)[0]


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    sizes, plain = _checked(shape, dtype, data)
    return np.frombuffer(_bytes(data), plain).reshape(sizes, order="F" if order == "F" else "C")


def _encode(text: str, encoding: Any) -> bytes:
    # Python 3 writes bytes like this where Python 2 is to read them.
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it holds bytes as {encoding!r:.20}, not as latin1")
    return text.encode("latin1")


_PLAIN: Mapping[str, Any] = {
    "numpy.ndarray": None,
    "numpy.dtype": Function(_Dtype),
    "_codecs.encode": Function(_encode),
    # Where Python 2 is to read them, no bytes at all are written as a call without arguments.
    "__builtin__.bytes": Function(lambda: b""),
    # NumPy's name for its inner part, until version 1 and since version 2.
    **{
        f"{core}.{name}": function
        for core in ("numpy.core", "numpy._core")
        for name, function in (
            ("multiarray._reconstruct", Function(lambda *_: _Array(0, np.uint8))),
            ("multiarray.scalar", Function(_scalar)),
            ("numeric._frombuffer", Function(_from_buffer)),
        )
    },
}
