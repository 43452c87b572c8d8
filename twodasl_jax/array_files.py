"""Annotations from `.npz` files, checked before anything is computed from them."""

import pathlib
import zipfile
import zlib
from collections.abc import Mapping

import numpy as np

from twodasl_jax.errors import DatasetError


def read_rows(
    path: pathlib.Path, row_shapes: Mapping[str, tuple[int, ...]]
) -> dict[str, np.ndarray]:
    """Reads arrays that hold one row for each of N things, at least one.

    Args:
      path: a `.npz` file; other arrays in it are left alone.
      row_shapes: the shape of one row, by the name of its array.

    Raises:
      DatasetError: the file is missing, damaged or no such archive, or an array is missing or of another shape.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            arrays = {name: archive[name] for name in row_shapes}
    except KeyError as error:
        raise DatasetError(f"Cannot use {path}: {error.args[0]}.") from error
    except (OSError, ValueError, TypeError, EOFError, zipfile.BadZipFile, zlib.error) as error:
        cause = getattr(error, "strerror", None) or "it is damaged, or no .npz file"
        raise DatasetError(f"Cannot read {path}: {cause}.") from error
    count = max(array.shape[0] if array.ndim else 0 for array in arrays.values())
    for name, row_shape in row_shapes.items():
        expected, shape = (count, *row_shape), arrays[name].shape
        if shape != expected or not count:
            raise DatasetError(
                f"Cannot use {path}: {name} has shape {shape}, expected {('N', *row_shape)}."
            )
    return arrays
