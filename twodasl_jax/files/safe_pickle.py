"""Pickle loading without code execution.

A pickle is a program that may call any function of any module. `SafeUnpickler` restricts it to the globals of an
allow-list. `load_plain` allows containers, numbers, strings and numeric arrays. It does not call NumPy's own
reconstruction functions: this module builds the arrays, after it has compared the number of bytes with the shape.

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
# The last entries of the state of a numeric dtype: no fields, no subarrays, no flags.
_PLAIN_STATE = (None, None, None, -1, -1, 0)
# The opcodes that store an object in the memo at an index from the pickle.
_MEMO_OPCODES = ("PUT", "BINPUT", "LONG_BINPUT")


class SafeUnpickler(pickle.Unpickler):
    """An unpickler that provides only the globals of an allow-list.

    A pickle may also assign attributes of these globals. The allow-list should therefore contain only immutable
    objects: built-in types and `Function`.
    """

    def __init__(self, content: bytes, allowed: Mapping[str, Any]):
        """Checks the opcodes of a pickle, without executing them.

        Args:
          content: the content of the file.
          allowed: the object for each global, by its dotted name, such as "collections.OrderedDict".

        Raises:
          pickle.UnpicklingError: the pickle is truncated, or uses memo indices larger than its length.
        """
        _check_lengths(content)
        super().__init__(io.BytesIO(content), encoding="latin1")
        self._allowed = allowed

    def find_class(self, module: str, name: str) -> Any:
        """Returns the object of the allow-list for a global.

        Raises:
          pickle.UnpicklingError: the global is not on the list.
        """
        dotted = f"{module}.{name}"
        if dotted not in self._allowed:
            raise pickle.UnpicklingError(f"it uses {dotted!r:.80}, which is not allowed")
        return self._allowed[dotted]

    def persistent_load(self, pid: Any) -> Any:
        """Rejects references to objects outside the pickle. Formats with external arrays override this method.

        Raises:
          pickle.UnpicklingError: always.
        """
        raise pickle.UnpicklingError("it refers to an object outside of the pickle")


class Function:
    """A function for an allow-list. Unlike a plain function, it cannot be modified by a pickle."""

    def __init__(self, function: Callable[..., Any]):
        self._function = function

    def __call__(self, *arguments: Any) -> Any:
        return self._function(*arguments)

    def __setstate__(self, state: Any) -> None:
        raise pickle.UnpicklingError("it tries to modify an allowed function")


def load(content: bytes, allowed: Mapping[str, Any]) -> Any:
    """Returns the object of a pickle.

    Args:
      content: the content of the file.
      allowed: the object for each global, by its dotted name.

    Raises:
      pickle.UnpicklingError: the pickle uses another global, or is damaged. The message is a clause with the subject
        "it" and without a full stop.
    """
    try:
        return SafeUnpickler(content, allowed).load()
    except pickle.UnpicklingError:
        raise
    # The exceptions of a damaged pickle are not documented.
    except Exception as error:
        raise pickle.UnpicklingError("it is damaged, or not a pickle of plain data") from error


def load_plain(content: bytes) -> Any:
    """Returns the object of a pickle of numeric arrays, containers, numbers and strings; see `load`.

    Raises:
      pickle.UnpicklingError: the pickle contains other objects, or is damaged.
    """
    return load(content, _PLAIN)


def _check_lengths(content: bytes) -> None:
    """Raises if a pickle is truncated, or would allocate more memory than its length justifies."""
    try:
        for opcode, argument, _ in pickletools.genops(content):
            if opcode.name in _MEMO_OPCODES and (argument or 0) > len(content):
                raise pickle.UnpicklingError("it has a memo index larger than the pickle")
    except ValueError as error:
        raise pickle.UnpicklingError("it is truncated, or not a pickle") from error


class _Dtype:
    """The type of an array, as described by a pickle."""

    def __init__(self, name: Any, *_: Any):
        if not isinstance(name, str) or not _PLAIN_DTYPE.fullmatch(name):
            raise pickle.UnpicklingError(f"it contains an array of {name!r:.20}, not of numbers")
        self._name, self._order = name, "="

    def __setstate__(self, state: Any) -> None:
        _, order, *rest = state
        if order not in ("<", ">", "|", "=") or tuple(rest) != _PLAIN_STATE:
            raise pickle.UnpicklingError("it contains an array of structures, not of numbers")
        self._order = order

    def plain(self) -> np.dtype:
        return np.dtype(self._order + self._name)


class _Array(np.ndarray):
    """An array that checks the number of its bytes before it is filled."""

    def __setstate__(self, state: Any) -> None:
        _, shape, dtype, fortran, data = state
        sizes, plain = _checked(shape, dtype, data)
        order: Any = bool(fortran)
        super().__setstate__((1, sizes, plain, order, _bytes(data)))


def _checked(shape: Any, dtype: Any, data: Any) -> tuple[tuple[int, ...], np.dtype]:
    """Returns the shape and the type of an array, after a check that they fit the number of bytes in `data`."""
    plain = dtype.plain()
    sizes = tuple(int(size) for size in shape)
    if min(sizes, default=0) < 0 or math.prod(sizes) * plain.itemsize != len(_bytes(data)):
        raise pickle.UnpicklingError(
            f"it has an array of shape {sizes} with {len(_bytes(data))} bytes of data"
        )
    return sizes, plain


def _bytes(data: Any) -> bytes:
    # Python 2 stores bytes as strings.
    return data.encode("latin1") if isinstance(data, str) else bytes(memoryview(data))


def _scalar(dtype: Any, data: Any) -> Any:
    _, plain = _checked((), dtype, data)
    return np.frombuffer(_bytes(data), plain)[0]


def _from_buffer(data: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    sizes, plain = _checked(shape, dtype, data)
    return np.frombuffer(_bytes(data), plain).reshape(sizes, order="F" if order == "F" else "C")


def _encode(text: str, encoding: Any) -> bytes:
    # Python 3 stores bytes as encoded strings in the protocols of Python 2.
    if encoding != "latin1":
        raise pickle.UnpicklingError(f"it contains bytes as {encoding!r:.20}, not as latin1")
    return text.encode("latin1")


_PLAIN: Mapping[str, Any] = {
    "numpy.ndarray": None,
    "numpy.dtype": Function(_Dtype),
    "_codecs.encode": Function(_encode),
    # The protocols of Python 2 store empty bytes as a call without arguments.
    "__builtin__.bytes": Function(lambda: b""),
    # NumPy's core package is called `numpy.core` up to version 1 and `numpy._core` since version 2.
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
