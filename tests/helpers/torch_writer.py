"""Writer of valid and malformed PyTorch files; it assembles pickles from single operations."""

import pickle
import zipfile
from typing import NamedTuple

import numpy as np

STORAGE_TYPES = {
    np.dtype(np.float32): "FloatStorage",
    np.dtype(np.float16): "HalfStorage",
    np.dtype(np.int64): "LongStorage",
}


class Declaration(NamedTuple):
    """A tensor and its storage as a pickle declares them."""

    key: str
    length: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0
    storage_type: str = "FloatStorage"


def plain(value):
    """Returns the operations that build numbers, text and containers."""
    return pickle.dumps(value, protocol=2)[2:-1]


def named(module, name):
    """Returns the operation that looks up a global."""
    return f"c{module}\n{name}\n".encode()


def call(function, *arguments):
    """Returns the operations that call a function; all parts are operations."""
    return function + b"(" + b"".join(arguments) + b"tR"


def dictionary(entries):
    """Returns the operations that build a dictionary from the operations of its values, by key."""
    return b"}(" + b"".join(plain(key) + value for key, value in entries.items()) + b"u"


def tensor(declaration, *, stream):
    """Returns the operations that rebuild a tensor; in streams, storages have a sixth part."""
    parts = [
        plain("storage"),
        named("torch", declaration.storage_type),
        plain(declaration.key),
        plain("cuda:2"),
    ]
    parts += [plain(declaration.length)] + ([plain(None)] if stream else [])
    storage = b"(" + b"".join(parts) + b"tQ"
    rest = (declaration.offset, declaration.shape, declaration.strides, False, {})
    return call(named("torch._utils", "_rebuild_tensor_v2"), storage, *map(plain, rest))


def write(path, body, storages, *, stream):
    """Writes a file from the operations of its object and the arrays of its storages, by key."""
    (_write_stream if stream else _write_zip)(path, b"\x80\x02" + body + b".", storages)


def write_state(path, state, *, stream, entry="state_dict", others=()):
    """Writes a checkpoint of arrays by name; `others` are the operations of further entries, by key."""
    arrays = {str(place): np.ascontiguousarray(array) for place, array in enumerate(state.values())}
    tensors = {
        name: tensor(_declaration(key, array), stream=stream)
        for name, (key, array) in zip(state, arrays.items(), strict=True)
    }
    body = dictionary({**dict(others), entry: dictionary(tensors)})
    write(path, body, arrays, stream=stream)


def _declaration(key, array):
    """Returns the true declaration of a contiguous array."""
    strides = tuple(stride // array.itemsize for stride in array.strides)
    storage_type = STORAGE_TYPES[array.dtype]
    return Declaration(key, array.size, array.shape, strides, storage_type=storage_type)


def _write_zip(path, pickled, storages):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_STORED) as archive:
        archive.writestr("archive/data.pkl", pickled)
        archive.writestr("archive/byteorder", "little")
        for key, numbers in storages.items():
            archive.writestr(f"archive/data/{key}", bytes(memoryview(numbers).cast("B")))
        archive.writestr("archive/version", "3\n")


def _write_stream(path, pickled, storages):
    header = (0x1950A86A20F9469CFC6C, 1001, {"little_endian": True})
    with open(path, "wb") as file:
        for value in header:
            file.write(pickle.dumps(value, protocol=2))
        file.write(pickled + pickle.dumps(list(storages), protocol=2))
        for numbers in storages.values():
            file.write(np.int64(len(numbers.ravel())).tobytes() + numbers.tobytes())
