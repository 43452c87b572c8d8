"""Validated arrays from `.npz`, `.npy` and `.mat` files."""

import contextlib
import io
import pathlib
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import scipy.io

from twodasl_jax.errors import DatasetError, InputError

_DAMAGE = (
    *(OSError, ValueError, TypeError, KeyError, IndexError, EOFError, MemoryError, OverflowError),
    *(RuntimeError, zipfile.BadZipFile, zlib.error, scipy.io.matlab.MatReadError),
)

# The shape of each array by its name; -1 matches any size.
Shapes = Mapping[str, tuple[int, ...]]


def read_rows(
    path: pathlib.Path,
    row_shapes: Shapes,
    optional: Shapes = MappingProxyType({}),
    content: bytes | None = None,
) -> dict[str, np.ndarray]:
    """Reads arrays with a common number of rows N >= 1.

    Args:
      path: a `.npz` file; other arrays in it are ignored.
      row_shapes: the shape of one row of each required array; -1 matches any size.
      optional: the shape of one row of each optional array.
      content: the content of the file, if it is not on disk; `path` is then used in messages only.

    Raises:
      DatasetError: the file is missing, damaged or not an archive, or an array is missing or has another shape.
    """

    def load() -> dict[str, np.ndarray]:
        file = path if content is None else io.BytesIO(content)
        with np.load(file, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in row_shapes}
            return arrays | {name: archive[name] for name in optional if name in archive}

    arrays = _load(path, load)
    count = max(array.shape[0] if array.ndim else 0 for array in arrays.values())
    for name, array in arrays.items():
        row_shape = {**row_shapes, **optional}[name]
        if not (_fits(array, (count, *row_shape)) and count):
            expected = _format_shape((count or -1, *row_shape))
            raise DatasetError(
                f"Cannot use {path}: {name} has shape {_format_shape(array.shape)}, expected {expected}."
            )
    return arrays


def read_array(path: pathlib.Path, shape: tuple[int, ...]) -> np.ndarray:
    """Reads a `.npy` file.

    Args:
      path: the file.
      shape: the shape of the array; -1 matches any size.

    Raises:
      DatasetError: the file is missing, damaged or not a `.npy` file, or the array has another shape.
    """
    array = _load(path, lambda: np.load(path, allow_pickle=False))
    if not isinstance(array, np.ndarray) or not _fits(array, shape):
        is_array = isinstance(array, np.ndarray)
        found = f"has shape {_format_shape(array.shape)}" if is_array else "is an archive"
        raise DatasetError(f"Cannot use {path}: it {found}, expected {_format_shape(shape)}.")
    return array


def read_mat(path: pathlib.Path, shapes: Shapes) -> dict[str, np.ndarray]:
    """Reads numeric fields of a MATLAB file, up to version 7.

    Args:
      path: the file; other fields in it are ignored.
      shapes: the shape of each field; -1 matches any size.

    Raises:
      DatasetError: the file is missing, damaged or not a MATLAB file; or a field is missing, has another shape or is
        not finite.
    """

    def load() -> dict[str, np.ndarray]:
        with open(path, "rb") as file:
            fields = scipy.io.loadmat(file, variable_names=list(shapes))
        return {name: fields[name] for name in shapes}

    fields = _load(path, load)
    for name, shape in shapes.items():
        if not _fits(fields[name], shape):
            found, expected = _format_shape(fields[name].shape), _format_shape(shape)
            raise DatasetError(f"Cannot use {path}: {name} has shape {found}, expected {expected}.")
        if not np.isfinite(fields[name]).all():
            raise DatasetError(f"Cannot use {path}: {name} has values that are not finite.")
    return fields


@contextlib.contextmanager
def reading(path: pathlib.Path, failure: type[InputError] = DatasetError) -> Iterator[None]:
    """Turns any error that a damaged file can cause into `failure`, with the name of the file and the cause."""
    try:
        yield
    # SciPy raises NotImplementedError for MATLAB files of version 7.3, which callers handle.
    except (InputError, NotImplementedError):
        raise
    except _DAMAGE as error:
        cause = f"it is damaged, or not a {path.suffix} file"
        if "allow_pickle" in str(error):
            cause += " of plain arrays: save names as strings, not as objects"
        # Errors of HDF5 have an errno, but no file name; their text is not a sentence.
        if isinstance(error, OSError) and error.filename and error.strerror:
            cause = error.strerror
        raise failure(f"Cannot read {path}: {cause}.") from error


def _load(path: pathlib.Path, load: Callable[[], Any]) -> Any:
    with reading(path):
        try:
            return load()
        except KeyError as error:
            missing = str(error.args[0]).removesuffix(" is not a file in the archive")
            raise DatasetError(f"Cannot use {path}: it has no array {missing}.") from error
        except NotImplementedError as error:
            raise DatasetError(
                f"Cannot read {path}: save it as version 7, without HDF5."
            ) from error


def _fits(array: np.ndarray, shape: tuple[int, ...]) -> bool:
    return len(array.shape) == len(shape) and all(
        wanted in (-1, size) for size, wanted in zip(array.shape, shape, strict=True)
    )


def _format_shape(shape: tuple[int, ...]) -> str:
    return f"({', '.join('any' if size < 0 else str(size) for size in shape)})"
