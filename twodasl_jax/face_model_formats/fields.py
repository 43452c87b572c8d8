"""Arrays of single files: read without executing code, and checked before use.

No memory is allocated for an array before the file is known to be long enough for the declared size. A compressed file
may expand to at most `_MAX_COMPRESSION_RATIO` times its length, the limit of deflate.
"""

import functools
import math
import pathlib
import pickle
from collections.abc import Iterable, Sequence
from typing import Any, NamedTuple

import numpy as np
import scipy.io
from jaxtyping import Float, Int

from twodasl_jax.errors import FaceModelError
from twodasl_jax.files import array_files, safe_pickle

LANDMARK_COUNT = 68

_MAX_COMPRESSION_RATIO = 1032

reading = functools.partial(array_files.reading, failure=FaceModelError)


class Field(NamedTuple):
    """A numeric array of a file.

    Attributes:
      values: the array.
      name: the file and the array's name in it, for error messages.
    """

    values: np.ndarray
    name: str


def find_file(folder: pathlib.Path, *names: str) -> pathlib.Path | None:
    """Returns the first of the named files that exists in a folder, or None."""
    return next((folder / name for name in names if (folder / name).is_file()), None)


def require_file(folder: pathlib.Path, *names: str) -> pathlib.Path:
    """Returns the first of the named files that exists in a folder.

    Raises:
      FaceModelError: the folder or all of the files are missing.
    """
    path = find_file(folder, *names)
    if path:
        return path
    if not folder.is_dir():
        raise FaceModelError(f"There is no folder {folder}.")
    raise FaceModelError(
        f"{folder} lacks {' or '.join(names)}: docs/face_models.md lists the files of each face model."
    )


def read_mat(
    path: pathlib.Path, names: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, Field]:
    """Reads arrays of a MATLAB file of any version, including 7.3.

    Args:
      path: the file.
      names: the names of the required arrays.
      optional: the names of the arrays that may be absent.

    Raises:
      FaceModelError: the file is damaged, declares more data than it has, or lacks a required array.
    """
    try:
        with reading(path), open(path, "rb") as file:
            shapes = {name: shape for name, shape, _ in scipy.io.whosmat(file)}
            selected = _select_names(path, shapes, names, optional)
            for name in selected:
                _check_size(path, name, shapes[name], 1)
            arrays = scipy.io.loadmat(file, variable_names=selected)
    except NotImplementedError:
        fields = read_hdf5(path, names, optional)
        # HDF5 stores the axes in reverse order.
        return {name: Field(field.values.T, field.name) for name, field in fields.items()}
    return {name: as_field(path, name, arrays[name]) for name in selected}


def read_hdf5(
    path: pathlib.Path, names: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, Field]:
    """Reads data sets of an HDF5 file.

    Args:
      path: the file.
      names: the names of the required data sets, for example "shape/model/mean".
      optional: the names of the data sets that may be absent.

    Raises:
      FaceModelError: h5py is not installed, or the file is damaged, declares more data than it has, or lacks a required
        data set.
    """
    arrays = _read_hdf5(path, names, optional)
    return {name: as_field(path, name, array) for name, array in arrays.items()}


def read_hdf5_text(path: pathlib.Path, name: str) -> str | None:
    """Reads a text data set of an HDF5 file; returns None if it is absent.

    Raises:
      FaceModelError: as in `read_hdf5`, or the text is not UTF-8.
    """
    arrays = _read_hdf5(path, (), (name,))
    if name not in arrays:
        return None
    array = arrays[name]
    try:
        content = array.item() if array.dtype.kind == "O" else array.tobytes()
        return content.rstrip(b"\0").decode()
    except (ValueError, TypeError, AttributeError) as error:
        raise FaceModelError(f"Cannot use {path}: {name} is not UTF-8 text.") from error


def read_npy(path: pathlib.Path) -> Field:
    """Reads a `.npy` file.

    Raises:
      FaceModelError: the file is damaged, or declares more data than it has.
    """
    with reading(path):
        # Memory mapping fails if the file is shorter than its header declares.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    return as_field(path, "", array)


def read_numbers(path: pathlib.Path) -> Field:
    """Reads a text file of numbers.

    Raises:
      FaceModelError: the file is missing, or contains anything else.
    """
    with reading(path):
        numbers = np.loadtxt(path, ndmin=1)
    return as_field(path, "", numbers)


def read_pickled(path: pathlib.Path) -> Field:
    """Reads a pickled array without executing code.

    Raises:
      FaceModelError: the file is damaged, or contains anything else.
    """
    return as_field(path, "", _read_pickle(path))


def read_pickled_fields(
    path: pathlib.Path, names: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, Field]:
    """Reads entries of a pickled dictionary of arrays without executing code.

    Raises:
      FaceModelError: the file is damaged, contains anything else, or lacks a required entry.
    """
    entries = _read_pickle(path)
    if not isinstance(entries, dict):
        raise FaceModelError(f"Cannot use {path}: it is not a dictionary of {', '.join(names)}.")
    selected = _select_names(path, entries, names, optional)
    return {name: as_field(path, name, entries[name]) for name in selected}


def points(field: Field) -> Float[np.ndarray, "V 3"]:
    """Returns (V, 3) points from a field that stores x, y and z of each vertex in sequence.

    Raises:
      FaceModelError: the number of values is not a multiple of three.
    """
    if field.values.size % 3:
        raise FaceModelError(
            f"Cannot use {field.name}: its size {field.values.size} is not a multiple of three."
        )
    return field.values.reshape(-1, 3)


def basis(field: Field, vertex_count: int) -> Float[np.ndarray, "V 3 K"]:
    """Returns (V, 3, K) displacements from a (3 V, K) field.

    Raises:
      FaceModelError: the field has another shape.
    """
    shape = field.values.shape
    if len(shape) != 2 or shape[0] != 3 * vertex_count:
        raise FaceModelError(
            f"Cannot use {field.name}: it has shape {shape}, expected ({3 * vertex_count}, any): three rows for each "
            f"of {vertex_count} vertices."
        )
    return field.values.reshape(vertex_count, 3, -1)


def standard_deviations(field: Field, count: int) -> Float[np.ndarray, " K"]:
    """Returns the standard deviations of `count` components.

    Raises:
      FaceModelError: the field has another size, or a negative value.
    """
    if field.values.size != count:
        raise FaceModelError(
            f"Cannot use {field.name}: it has {field.values.size} numbers, expected {count}, one for each component."
        )
    if field.values.min(initial=0) < 0:
        raise FaceModelError(f"Cannot use {field.name}: a standard deviation is negative.")
    return field.values.reshape(-1)


def vertex_indices(field: Field, vertex_count: int, first: int) -> Int[np.ndarray, "*N"]:
    """Returns vertex numbers as indices that start at 0.

    Args:
      field: the vertex numbers of the file.
      vertex_count: the number of vertices.
      first: the number of the first vertex in the file, 1 in MATLAB files.

    Raises:
      FaceModelError: a value is not the number of a vertex.
    """
    # Unsigned integers would wrap around instead of becoming negative.
    values = field.values.astype(np.float64) - first
    if not values.size or values.min() < 0 or values.max() >= vertex_count or (values % 1).any():
        raise FaceModelError(
            f"Cannot use {field.name}: vertex numbers must be whole numbers from {first} to {vertex_count - 1 + first}."
        )
    return values.astype(np.int64)


def triangles(field: Field, vertex_count: int, first: int) -> Int[np.ndarray, "F 3"]:
    """Returns triangles that are stored as rows or as columns; see `vertex_indices`.

    Raises:
      FaceModelError: the field has another shape, or a value that is not the number of a vertex.
    """
    shape = field.values.shape
    if len(shape) != 2 or 3 not in shape:
        raise FaceModelError(
            f"Cannot use {field.name}: it has shape {shape}, expected three vertices for each triangle."
        )
    rows = field.values if shape[1] == 3 else field.values.T
    return vertex_indices(Field(rows, field.name), vertex_count, first)


def landmarks(field: Field, vertex_count: int, first: int) -> Int[np.ndarray, " 68"]:
    """Returns the vertices of the 68 landmarks; see `vertex_indices`.

    Raises:
      FaceModelError: the field does not have 68 values, or a value is not the number of a vertex.
    """
    if field.values.size != LANDMARK_COUNT:
        raise FaceModelError(
            f"Cannot use {field.name}: it has {field.values.size} numbers, expected {LANDMARK_COUNT} vertices."
        )
    return vertex_indices(Field(field.values.reshape(-1), field.name), vertex_count, first)


def as_field(path: pathlib.Path, name: str, array: Any) -> Field:
    """Returns a field after checking that it is a non-empty array of finite numbers.

    Args:
      path: the file.
      name: the name of the array in the file; empty if the file has only one.
      array: the object that was read, of any type.

    Raises:
      FaceModelError: the object is not such an array.
    """
    where = f"{path}, {name}" if name else str(path)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise FaceModelError(f"Cannot use {where}: it is not an array of numbers.")
    if not array.size:
        raise FaceModelError(f"Cannot use {where}: it is empty.")
    if not (np.isfinite(array).all() and np.abs(array).max() <= np.finfo(np.float32).max):
        raise FaceModelError(f"Cannot use {where}: it has values that are not finite.")
    return Field(np.asarray(array), where)


def join_names(names: Iterable[object]) -> str:
    """Returns a list of names from a file as printable text for an error message."""
    text = ", ".join(map(str, names)) or "nothing"
    # Escapes keep line breaks and terminal control codes out of the message.
    return (text if text.isprintable() else ascii(text))[:300]


def _read_hdf5(
    path: pathlib.Path, names: Sequence[str], optional: Sequence[str]
) -> dict[str, np.ndarray]:
    try:
        import h5py
    except ImportError as error:
        raise FaceModelError(
            f"Reading {path} needs h5py: install it with pip install h5py."
        ) from error
    with reading(path), h5py.File(path, "r") as file:
        present: list[str] = []
        file.visititems(
            lambda name, item: present.append(name) if isinstance(item, h5py.Dataset) else None
        )
        selected = _select_names(path, present, names, optional)
        for name in selected:
            _check_size(path, name, file[name].shape, file[name].dtype.itemsize)
        return {name: np.asarray(file[name][()]) for name in selected}


def _read_pickle(path: pathlib.Path) -> Any:
    with reading(path):
        content = path.read_bytes()
    try:
        return safe_pickle.load_plain(content)
    except pickle.UnpicklingError as error:
        raise FaceModelError(f"Cannot read {path}: {error}.") from error


def _select_names(
    path: pathlib.Path,
    present: Iterable[str],
    required: Sequence[str],
    optional: Sequence[str],
) -> list[str]:
    """Returns the required names, and those optional names that are present."""
    present = list(present)
    for name in required:
        if name not in present:
            raise FaceModelError(f"Cannot use {path}: it has no {name}, but {join_names(present)}.")
    return [*required, *(name for name in optional if name in present)]


def _check_size(path: pathlib.Path, name: str, shape: Sequence[int], itemsize: int) -> None:
    """Raises if an array would need more memory than its file can fill."""
    size = path.stat().st_size
    if math.prod(shape) * itemsize > _MAX_COMPRESSION_RATIO * size:
        raise FaceModelError(
            f"Cannot read {path}: it declares {name} of shape {tuple(shape)}, too much for its {size} bytes."
        )
