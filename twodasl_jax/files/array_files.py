"""Arrays from `.npz`, `.npy` and `.mat` files, checked before anything is computed from them."""

import io
import pathlib
import zipfile
import zlib
from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import Any

import numpy as np
import scipy.io

from twodasl_jax.errors import DatasetError

_DAMAGE = (
    *(OSError, ValueError, TypeError, EOFError),
    *(zipfile.BadZipFile, zlib.error, scipy.io.matlab.MatReadError),
)

# By the name of an array; -1 stands for any size.
Shapes = Mapping[str, tuple[int, ...]]


def read_rows(
    path: pathlib.Path,
    row_shapes: Shapes,
    optional: Shapes = MappingProxyType({}),
    content: bytes | None = None,
) -> dict[str, np.ndarray]:
    """Reads arrays that hold one row for each of N things, at least one.

    Args:
      path: a `.npz` file; other arrays in it are left alone.
      row_shapes: the shape of one row, by the name of its array; -1 stands for any size.
      optional: the same of arrays that need not be there.
      content: of the file where it is not on the disk, such as one in an archive; `path` is then only its name.

    Raises:
      DatasetError: the file is missing, damaged or no such archive, or an array is missing or of another shape.
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
            wanted = _shown((count or -1, *row_shape))
            raise DatasetError(
                f"Cannot use {path}: {name} has shape {_shown(array.shape)}, expected {wanted}, one row for each."
            )
    return arrays


def read_array(path: pathlib.Path, shape: tuple[int, ...]) -> np.ndarray:
    """Reads a `.npy` file.

    Raises:
      DatasetError: the file is missing, damaged or no such file, or the array is of another shape.
    """
    array = _load(path, lambda: np.load(path, allow_pickle=False))
    if not isinstance(array, np.ndarray) or not _fits(array, shape):
        found = _shown(array.shape) if isinstance(array, np.ndarray) else "of an archive"
        raise DatasetError(
            f"Cannot use {path}: its shape is {found}, and {_shown(shape)} is needed."
        )
    return array


def read_mat(path: pathlib.Path, shapes: Shapes) -> dict[str, np.ndarray]:
    """Reads fields of a MATLAB file up to version 7, all finite numbers.

    Args:
      path: the file; its other fields are left alone.
      shapes: of the arrays, by the name of the field; -1 stands for any size.

    Raises:
      DatasetError: the file is missing, damaged or no such file, or a field is missing, of another shape or not finite.
    """

    def load() -> dict[str, np.ndarray]:
        with open(path, "rb") as file:
            fields = scipy.io.loadmat(file, variable_names=list(shapes))
        return {name: fields[name] for name in shapes}

    fields = _load(path, load)
    for name, shape in shapes.items():
        if not _fits(fields[name], shape):
            raise DatasetError(
                f"Cannot use {path}: {name} has shape {_shown(fields[name].shape)}, expected {_shown(shape)}."
            )
        if not np.isfinite(fields[name]).all():
            raise DatasetError(f"Cannot use {path}: {name} has values that are not finite.")
    return fields


def _load(path: pathlib.Path, load: Callable[[], Any]) -> Any:
    try:
        return load()
    except KeyError as error:
        missing = str(error.args[0]).removesuffix(" is not a file in the archive")
        raise DatasetError(f"Cannot use {path}: it has no array {missing}.") from error
    except NotImplementedError as error:
        raise DatasetError(f"Cannot read {path}: save it as version 7, without HDF5.") from error
    except _DAMAGE as error:
        damage = f"it is damaged, or no {path.suffix} file"
        if "allow_pickle" in str(error):
            damage += " of plain arrays: save names as strings, not as objects"
        cause = getattr(error, "strerror", None) or damage
        raise DatasetError(f"Cannot read {path}: {cause}.") from error


def _fits(array: np.ndarray, shape: tuple[int, ...]) -> bool:
    return len(array.shape) == len(shape) and all(
        wanted in (-1, size) for size, wanted in zip(array.shape, shape, strict=True)
    )


def _shown(shape: tuple[int, ...]) -> str:
    return f"({', '.join('any' if size < 0 else str(size) for size in shape)})"
