"""State dicts of PyTorch files, read without PyTorch and without executing code.

Since PyTorch 1.6, `torch.save` writes an uncompressed zip archive. Its files lie in one folder of any name:

    data.pkl     a pickle of the object; its tensors are rebuilt from storages, which are persistent ids:
                 ("storage", torch.FloatStorage, key, device, count)
    data/KEY     the numbers of a storage
    byteorder    "little" or "big"; older files have none and are little-endian

Older versions, and newer ones on request, write one little-endian stream:

    three pickles        a magic number, the protocol version, the sizes of the writer's types
    a pickle             the object as above, with None as a sixth part of the persistent ids
    a pickle             the keys of all storages, in order
    for each storage     the count of its numbers in 8 bytes, and the numbers

The declared size of a tensor is compared with the data in the file before memory is allocated for it.

References:
  PyTorch's documentation, "Serialization semantics"; its `torch/serialization.py` and `torch/_utils.py`.
"""

import io
import math
import pathlib
import pickle
import pickletools
import struct
import sys
import zipfile
from collections import OrderedDict
from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np

from twodasl_jax.errors import WeightsError
from twodasl_jax.files.safe_pickle import Function, SafeUnpickler

_ZIP_SIGNATURE = b"PK\x03\x04"
_MAGIC_NUMBER = 0x1950A86A20F9469CFC6C
_LEGACY_VERSION = 1001
_COUNT_BYTES = 8
_MAX_AXES = 8
# Encrypted files raise RuntimeError; invalid offsets raise the errors of the second line.
_ZIP_DAMAGE = (
    *(zipfile.BadZipFile, EOFError, RuntimeError),
    *(ValueError, OverflowError, struct.error),
)

_STORAGE_TYPES = {
    "torch.DoubleStorage": np.dtype(np.float64),
    "torch.FloatStorage": np.dtype(np.float32),
    "torch.HalfStorage": np.dtype(np.float16),
    "torch.BFloat16Storage": np.dtype(jnp.bfloat16),
    "torch.LongStorage": np.dtype(np.int64),
    "torch.IntStorage": np.dtype(np.int32),
    "torch.ShortStorage": np.dtype(np.int16),
    "torch.CharStorage": np.dtype(np.int8),
    "torch.ByteStorage": np.dtype(np.uint8),
    "torch.BoolStorage": np.dtype(np.bool_),
}


class _Storage(NamedTuple):
    """A storage as a pickle declares it."""

    dtype: np.dtype
    key: str
    length: int


class _Tensor(NamedTuple):
    """A tensor as a pickle declares it; offset and strides are in elements of its storage."""

    storage: _Storage
    offset: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]


# Returns the bytes of the storage with the given key.
_Reader = Callable[[str], bytes | memoryview]


def read_state_dict(path: pathlib.Path, entries: Sequence[str]) -> dict[str, np.ndarray]:
    """Returns the tensors of one entry of a checkpoint, by name and in their stored types.

    Args:
      path: a dictionary that `torch.save` wrote, as archive or as stream.
      entries: the possible names of the entry; the first that exists is read.

    Raises:
      WeightsError: the file is missing, damaged or of another kind, contains anything but tensors and plain data,
        declares more data than it has, lacks all of the entries, or has other objects than tensors in the entry.
    """
    try:
        content = path.read_bytes()
        is_zip = content.startswith(_ZIP_SIGNATURE)
        checkpoint, read = _open_zip(content) if is_zip else _open_stream(content)
        state = _state_dict(checkpoint, entries)
        _check_sizes(state, len(content))
        return {name: _numbers(name, tensor, read) for name, tensor in state.items()}
    except pickle.UnpicklingError as error:
        raise WeightsError(f"Cannot use {path}: {error}.") from error
    except OSError as error:
        raise WeightsError(f"Cannot read {path}: {error.strerror}.") from error


def _state_dict(checkpoint: Any, entries: Sequence[str]) -> dict[str, _Tensor]:
    if not isinstance(checkpoint, dict):
        raise pickle.UnpicklingError("it is not a dictionary, so it is not a checkpoint")
    name = next((entry for entry in entries if entry in checkpoint), None)
    if name is None:
        found = ", ".join(key for key in checkpoint if isinstance(key, str)) or "nothing"
        raise pickle.UnpicklingError(f"it has no {' or '.join(entries)}, but {found:.200}")
    state = checkpoint[name]
    if not isinstance(state, dict):
        raise pickle.UnpicklingError(f"its {name} is not a dictionary of tensors")
    for key, value in state.items():
        if not isinstance(key, str):
            raise pickle.UnpicklingError(f"its {name} has a key that is not a name")
        if not isinstance(value, _Tensor):
            raise pickle.UnpicklingError(f"its {name} contains {key:.100}, which is not a tensor")
    return state


def _check_sizes(state: dict[str, _Tensor], size: int) -> None:
    """Raises if a tensor extends beyond its storage, or if all together are larger than the file.

    Tensors with repeated elements can be larger than their storages.
    """
    declared = 0
    for name, (storage, offset, shape, strides) in state.items():
        reach = sum((count - 1) * stride for count, stride in zip(shape, strides, strict=True))
        if math.prod(shape) and offset + reach >= storage.length:
            raise pickle.UnpicklingError(
                f"{name} declares shape {shape}, for which its storage of {storage.length} numbers is too small"
            )
        declared += math.prod(max(count, 1) for count in shape) * storage.dtype.itemsize
    if declared > size:
        raise pickle.UnpicklingError(
            f"its tensors declare {declared} bytes, but the file has only {size}"
        )


def _numbers(name: str, tensor: _Tensor, read: _Reader) -> np.ndarray:
    storage, offset, shape, strides = tensor
    item = storage.dtype.itemsize
    numbers = read(storage.key)
    if len(numbers) != storage.length * item:
        raise pickle.UnpicklingError(
            f"{name} declares a storage of {storage.length * item} bytes, but the file has {len(numbers)}"
        )
    flat = np.frombuffer(numbers, storage.dtype)[offset:]
    in_bytes = [stride * item for stride in strides]
    return np.lib.stride_tricks.as_strided(flat, shape, in_bytes).copy()


def _open_zip(content: bytes) -> tuple[Any, _Reader]:
    try:
        archive = zipfile.ZipFile(io.BytesIO(content))
    except _ZIP_DAMAGE as error:
        raise pickle.UnpicklingError("it is a damaged zip archive") from error
    names = archive.namelist()
    folders = [name.removesuffix("data.pkl") for name in names if name.endswith("/data.pkl")]
    if len(folders) != 1:
        raise pickle.UnpicklingError("it is a zip archive that PyTorch did not write")

    def read(name: str) -> bytes:
        return _file_of(archive, folders[0] + name, len(content))

    if f"{folders[0]}byteorder" in names and read("byteorder") != b"little":
        raise pickle.UnpicklingError("it is big-endian: save it again on a little-endian machine")
    return _Unpickler(read("data.pkl")).load(), lambda key: read(f"data/{key}")


def _file_of(archive: zipfile.ZipFile, name: str, size: int) -> bytes:
    """Returns a file of an archive of `size` bytes; uncompressed files cannot be larger than the archive."""
    try:
        entry = archive.getinfo(name)
        if entry.compress_type != zipfile.ZIP_STORED or entry.file_size > size:
            raise pickle.UnpicklingError(f"its {name} is compressed, or larger than the whole file")
        return archive.read(entry)
    except KeyError as error:
        raise pickle.UnpicklingError(f"it has no {name}") from error
    except _ZIP_DAMAGE as error:
        raise pickle.UnpicklingError(f"its {name} is damaged") from error


def _open_stream(content: bytes) -> tuple[Any, _Reader]:
    stream = io.BytesIO(content)
    magic, version, _ = (_next_pickle(stream).load() for _ in range(3))
    if (magic, version) != (_MAGIC_NUMBER, _LEGACY_VERSION):
        raise pickle.UnpicklingError("it is not a PyTorch file")
    unpickler = _next_pickle(stream)
    checkpoint = unpickler.load()
    keys = _next_pickle(stream).load()
    storages = dict(_storages(stream, unpickler.storages, keys))

    def read(key: str) -> memoryview:
        if key not in storages:
            raise pickle.UnpicklingError(f"it has no storage {key:.40}")
        return storages[key]

    return checkpoint, read


def _storages(
    stream: io.BytesIO, declared: dict[str, _Storage], keys: Any
) -> Iterator[tuple[str, memoryview]]:
    """Yields the keys and bytes of the storages from the current position of a stream to its end."""
    content = stream.getbuffer()
    place = stream.tell()
    for key in keys if isinstance(keys, list) else ():
        if not isinstance(key, str) or key not in declared:
            raise pickle.UnpicklingError("it has a storage that no tensor uses")
        first = place + _COUNT_BYTES
        count = int.from_bytes(content[place:first], "little", signed=True)
        place = first + count * declared[key].dtype.itemsize
        if not first <= place <= len(content):
            raise pickle.UnpicklingError(f"it ends within its storage {key:.40}")
        yield key, content[first:place]


def _next_pickle(stream: io.BytesIO) -> "_Unpickler":
    """Returns an unpickler of the next pickle, and moves the stream past it."""
    start = stream.tell()
    try:
        for _ in pickletools.genops(stream):
            pass
    # `genops` raises any of these for a truncated or invalid pickle.
    except (ValueError, OverflowError, IndexError) as error:
        raise pickle.UnpicklingError("it is truncated or not a PyTorch file") from error
    return _Unpickler(stream.getvalue()[start : stream.tell()])


class _Unpickler(SafeUnpickler):
    """Unpickles the object of a file, with a `_Tensor` for each tensor.

    Attributes:
      storages: the storages that the pickle has declared so far, by key.
    """

    def __init__(self, content: bytes):
        super().__init__(content, _ALLOWED)
        self.storages: dict[str, _Storage] = {}

    def load(self) -> Any:
        try:
            return super().load()
        except pickle.UnpicklingError:
            raise
        # The exceptions that a damaged pickle can cause are not documented.
        except Exception as error:
            raise pickle.UnpicklingError("its pickle is damaged") from error

    def persistent_load(self, pid: Any) -> _Storage:
        kind, storage_type, key, _, length, *views = pid
        # The format allowed views of other storages, but PyTorch never wrote any.
        if (kind, views) not in (("storage", []), ("storage", [None])) or not isinstance(key, str):
            raise pickle.UnpicklingError("it contains an object that is not a tensor")
        _check_counts(length)
        storage = _Storage(_STORAGE_TYPES[storage_type], key, length)
        if self.storages.setdefault(key, storage) != storage:
            raise pickle.UnpicklingError(f"it declares storage {key:.40} in two different ways")
        return storage


def _check_counts(*counts: Any) -> None:
    if not all(isinstance(count, int) and 0 <= count <= sys.maxsize for count in counts):
        raise pickle.UnpicklingError("it has a tensor of impossible size")


def _rebuild_tensor(storage: Any, offset: Any, shape: Any, strides: Any, *_: Any) -> _Tensor:
    """Stands in for `torch._utils._rebuild_tensor_v2`; ignores gradients and hooks."""
    _check_counts(offset, *shape, *strides)
    if not isinstance(storage, _Storage) or not len(shape) == len(strides) <= _MAX_AXES:
        raise pickle.UnpicklingError("it has a tensor of impossible shape")
    return _Tensor(storage, offset, tuple(shape), tuple(strides))


_ALLOWED: dict[str, Any] = {
    "collections.OrderedDict": OrderedDict,
    "torch._utils._rebuild_tensor": Function(_rebuild_tensor),
    "torch._utils._rebuild_tensor_v2": Function(_rebuild_tensor),
    "torch._utils._rebuild_parameter": Function(lambda tensor, *_: tensor),
    # Strings stand in for the storage types, because a pickle can neither call nor alter them.
    **{name: name for name in _STORAGE_TYPES},
}
