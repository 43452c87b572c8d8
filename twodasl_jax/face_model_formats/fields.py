"""Arrays of single files: read without executing anything, and checked before anything is made of them.

An array is never given memory before the file is known to be long enough for what it declares. Compressed files are
taken to hold up to `_LARGEST_RATIO` times their length, the most that their method (deflate) can reach.
"""

import contextlib
import dataclasses
import math
import pathlib
import pickle
import zlib
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import scipy.io
from jaxtyping import Float, Int

from twodasl_jax.errors import FaceModelError
from twodasl_jax.files import safe_pickle

LANDMARK_COUNT = 68

_LARGEST_RATIO = 1032
_DAMAGE = (
    *(OSError, ValueError, TypeError, KeyError, IndexError, EOFError, MemoryError, OverflowError),
    *(RuntimeError, zlib.error, scipy.io.matlab.MatReadError),
)


@dataclasses.dataclass(frozen=True, eq=False)
class Field:
    """An array of numbers of a file.

    Attributes:
      values: the numbers.
      name: what to call it in messages, the file's name included.
    """

    values: np.ndarray
    name: str


def existing(folder: pathlib.Path, *names: str) -> pathlib.Path | None:
    """Returns the first of some files that is in a folder; None where there is none."""
    return next((folder / name for name in names if (folder / name).is_file()), None)


def needed(folder: pathlib.Path, *names: str) -> pathlib.Path:
    """Returns the first of some files that is in a folder.

    Raises:
      FaceModelError: there is no such folder, or none of the files in it.
    """
    found = existing(folder, *names)
    if found:
        return found
    if not folder.is_dir():
        raise FaceModelError(f"There is no folder {folder}.")
    raise FaceModelError(
        f"{folder} lacks {' or '.join(names)}: docs/face_models.md says which files belong to a face model."
    )


def read_mat(
    path: pathlib.Path, names: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, Field]:
    """Reads arrays of a MATLAB file, of version 7.3 too.

    Args:
      path: the file.
      names: of arrays that must be there.
      optional: of arrays that may be there.

    Raises:
      FaceModelError: the file is damaged, declares more than it holds, or lacks an array.
    """
    try:
        with reading(path), open(path, "rb") as file:
            shapes = {name: shape for name, shape, _ in scipy.io.whosmat(file)}
            wanted = _chosen(path, shapes, names, optional)
            for name in wanted:
                _check_size(path, name, shapes[name], 1)
            arrays = scipy.io.loadmat(file, variable_names=wanted)
    except NotImplementedError:
        fields = read_hdf5(path, names, optional)
        # HDF5 counts axes the other way round.
        return {name: Field(field.values.T, field.name) for name, field in fields.items()}
    return {name: field_of(path, name, arrays[name]) for name in wanted}


def read_hdf5(
    path: pathlib.Path, names: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, Field]:
    """Reads data sets of an HDF5 file.

    Args:
      path: the file.
      names: of data sets that must be there, such as "shape/model/mean".
      optional: of data sets that may be there.

    Raises:
      FaceModelError: h5py is not installed, the file is damaged, declares more than it holds, or lacks a data set.
    """
    arrays = _read_hdf5(path, names, optional)
    return {name: field_of(path, name, array) for name, array in arrays.items()}


def read_hdf5_text(path: pathlib.Path, name: str) -> str | None:
    """Reads a data set that holds one text; None where it is not there.

    Raises:
      FaceModelError: as in `read_hdf5`, or it is no UTF-8.
    """
    arrays = _read_hdf5(path, (), (name,))
    if name not in arrays:
        return None
    array = arrays[name]
    try:
        content = array.item() if array.dtype.kind == "O" else array.tobytes()
        return content.rstrip(b"\0").decode()
    except (ValueError, TypeError, AttributeError) as error:
        raise FaceModelError(f"Cannot use {path}: {name} is no UTF-8 text.") from error


def read_npy(path: pathlib.Path) -> Field:
    """Reads a `.npy` file.

    Raises:
      FaceModelError: the file is damaged, or declares more than it holds.
    """
    with reading(path):
        # Mapping the file into memory fails where it is shorter than its header says.
        array = np.load(path, mmap_mode="r", allow_pickle=False)
    return field_of(path, "", array)


def read_numbers(path: pathlib.Path) -> Field:
    """Reads a text of numbers.

    Raises:
      FaceModelError: it is missing, or holds anything else.
    """
    with reading(path):
        numbers = np.loadtxt(path, ndmin=1)
    return field_of(path, "", numbers)


def read_pickled(path: pathlib.Path) -> Field:
    """Reads a pickle of one array, without executing anything.

    Raises:
      FaceModelError: the file is damaged, or holds anything else.
    """
    return field_of(path, "", _read_pickle(path))


def read_pickled_fields(
    path: pathlib.Path, names: Sequence[str], optional: Sequence[str] = ()
) -> dict[str, Field]:
    """Reads entries of a pickled dictionary of arrays, without executing anything.

    Raises:
      FaceModelError: the file is damaged, holds anything else, or lacks an entry.
    """
    entries = _read_pickle(path)
    if not isinstance(entries, dict):
        raise FaceModelError(f"Cannot use {path}: it holds no dictionary of {', '.join(names)}.")
    wanted = _chosen(path, entries, names, optional)
    return {name: field_of(path, name, entries[name]) for name in wanted}


def points(field: Field) -> Float[np.ndarray, "V 3"]:
    """Returns x, y and z of vertices that are stored one after the other.

    Raises:
      FaceModelError: their number is not three for each vertex.
    """
    if field.values.size % 3:
        raise FaceModelError(
            f"Cannot use {field.name}: it has {field.values.size} numbers, not three for each vertex."
        )
    return field.values.reshape(-1, 3)


def basis(field: Field, vertex_count: int) -> Float[np.ndarray, "V 3 K"]:
    """Returns displacements that are stored as columns of three rows for each vertex.

    Raises:
      FaceModelError: it is not of this size.
    """
    shape = field.values.shape
    if len(shape) != 2 or shape[0] != 3 * vertex_count:
        raise FaceModelError(
            f"Cannot use {field.name}: it has shape {shape}, expected ({3 * vertex_count}, any): three rows for each "
            f"of {vertex_count} vertices."
        )
    return field.values.reshape(vertex_count, 3, -1)


def deviations(field: Field, count: int) -> Float[np.ndarray, " K"]:
    """Returns the standard deviations of so many components.

    Raises:
      FaceModelError: there are not as many, or one is negative.
    """
    if field.values.size != count:
        raise FaceModelError(
            f"Cannot use {field.name}: it has {field.values.size} numbers, expected {count}, one for each component."
        )
    if field.values.min(initial=0) < 0:
        raise FaceModelError(f"Cannot use {field.name}: a standard deviation is negative.")
    return field.values.reshape(-1)


def vertex_numbers(field: Field, vertex_count: int, first: int) -> Int[np.ndarray, "*N"]:
    """Returns numbers of vertices as indices from 0.

    Args:
      field: the numbers, in the file's counting.
      vertex_count: how many vertices there are.
      first: the number of the first one: 1 in MATLAB's files.

    Raises:
      FaceModelError: they are not whole numbers of vertices.
    """
    # Unsigned numbers would not become negative.
    values = field.values.astype(np.float64) - first
    if not values.size or values.min() < 0 or values.max() >= vertex_count or (values % 1).any():
        raise FaceModelError(
            f"Cannot use {field.name}: vertices are whole numbers from {first} to {vertex_count - 1 + first} here."
        )
    return values.astype(np.int64)


def triangles(field: Field, vertex_count: int, first: int) -> Int[np.ndarray, "F 3"]:
    """Returns triangles, which are stored as rows or as columns; see `vertex_numbers`.

    Raises:
      FaceModelError: they are not three numbers each, or not of vertices.
    """
    shape = field.values.shape
    if len(shape) != 2 or 3 not in shape:
        raise FaceModelError(
            f"Cannot use {field.name}: it has shape {shape}, expected three vertices for each triangle."
        )
    rows = field.values if shape[1] == 3 else field.values.T
    return vertex_numbers(Field(rows, field.name), vertex_count, first)


def landmarks(field: Field, vertex_count: int, first: int) -> Int[np.ndarray, " 68"]:
    """Returns the vertices of the 68 landmarks; see `vertex_numbers`.

    Raises:
      FaceModelError: they are not 68, or not vertices.
    """
    if field.values.size != LANDMARK_COUNT:
        raise FaceModelError(
            f"Cannot use {field.name}: it has {field.values.size} numbers, expected {LANDMARK_COUNT} vertices."
        )
    return vertex_numbers(Field(field.values.reshape(-1), field.name), vertex_count, first)


@contextlib.contextmanager
def reading(path: pathlib.Path) -> Iterator[None]:
    """Turns whatever reading a file fails with into one sentence.

    Raises:
      FaceModelError: the file cannot be read.
    """
    try:
        yield
    # The latter is SciPy's word for HDF5.
    except (FaceModelError, NotImplementedError):
        raise
    except _DAMAGE as error:
        cause = error.strerror if isinstance(error, OSError) and error.filename else None
        raise FaceModelError(
            f"Cannot read {path}: {cause or f'it is damaged, or no {path.suffix} file'}."
        ) from error


def field_of(path: pathlib.Path, name: str, array: Any) -> Field:
    """Returns an array of a file, which may be anything, as one of finite numbers.

    Args:
      path: of the file.
      name: of the array in it; empty where it holds only one.
      array: what was read.

    Raises:
      FaceModelError: it is no array, or not of finite numbers.
    """
    where = f"{path}, {name}" if name else str(path)
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "biuf":
        raise FaceModelError(f"Cannot use {where}: it is no array of numbers.")
    if not array.size:
        raise FaceModelError(f"Cannot use {where}: it has no values.")
    if not (np.isfinite(array).all() and np.abs(array).max() <= np.finfo(np.float32).max):
        raise FaceModelError(f"Cannot use {where}: it has values that are not finite.")
    return Field(np.asarray(array), where)


def listed(names: Iterable[object]) -> str:
    """Returns the names that a file has for what it holds, as part of a sentence."""
    text = ", ".join(map(str, names)) or "nothing"
    # Names that would break the line, or command the terminal, are written with escapes.
    return (text if text.isprintable() else ascii(text))[:300]


def _read_hdf5(
    path: pathlib.Path, names: Sequence[str], optional: Sequence[str]
) -> dict[str, np.ndarray]:
    try:
        import h5py
    except ImportError as error:
        raise FaceModelError(
            f"Reading {path} needs h5py: install it (pip install h5py) and start again."
        ) from error
    with reading(path), h5py.File(path, "r") as file:
        held: list[str] = []
        file.visititems(
            lambda name, item: held.append(name) if isinstance(item, h5py.Dataset) else None
        )
        wanted = _chosen(path, held, names, optional)
        for name in wanted:
            _check_size(path, name, file[name].shape, file[name].dtype.itemsize)
        return {name: np.asarray(file[name][()]) for name in wanted}


def _read_pickle(path: pathlib.Path) -> Any:
    with reading(path):
        content = path.read_bytes()
    try:
        return safe_pickle.load_plain(content)
    except pickle.UnpicklingError as error:
        raise FaceModelError(f"Cannot read {path}: {error}.") from error


def _chosen(
    path: pathlib.Path,
    held: Iterable[str],
    names: Sequence[str],
    optional: Sequence[str],
) -> list[str]:
    """Returns the names of what is to be read of all that a file holds."""
    held = list(held)
    for name in names:
        if name not in held:
            raise FaceModelError(f"Cannot use {path}: it has no {name}, but {listed(held)}.")
    return [*names, *(name for name in optional if name in held)]


def _check_size(path: pathlib.Path, name: str, shape: Sequence[int], itemsize: int) -> None:
    """Raises where an array would need more memory than its file can fill."""
    size = path.stat().st_size
    if math.prod(shape) * itemsize > _LARGEST_RATIO * size:
        raise FaceModelError(
            f"Cannot read {path}: it declares {name} of shape {tuple(shape)}, too much for its {size} bytes."
        )
