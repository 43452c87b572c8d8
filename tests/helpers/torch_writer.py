"""Files as PyTorch writes them, and such as nobody should: each pickle is put together from its operations."""

import pickle
import zipfile
from typing import NamedTuple

import numpy as np

TYPES = {np.dtype(np.float32): "FloatStorage", np.dtype(np.float16): "HalfStorage"} | {
    np.dtype(np.int64): "LongStorage"
}


class Claim(NamedTuple):
    """What a pickle says of a tensor and its storage."""

    key: str
    length: int
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    offset: int = 0
    storage_type: str = "FloatStorage"


def plain(value):
    """The operations that make numbers, texts and containers."""
    return pickle.dumps(value, protocol=2)[2:-1]


def named(module, name):
    return f"c{module}\n{name}\n".encode()


def call(function, *arguments):
    return function + b"(" + b"".join(arguments) + b"tR"


def dictionary(entries):
    """Of operations by their keys."""
    return b"}(" + b"".join(plain(key) + value for key, value in entries.items()) + b"u"


def tensor(claim, *, stream):
    """The operations that rebuild a tensor; a stream's storages have a sixth part."""
    parts = [
        plain("storage"),
        named("torch", claim.storage_type),
        plain(claim.key),
        plain("cuda:2"),
    ]
    parts += [plain(claim.length)] + ([plain(None)] if stream else [])
    storage = b"(" + b"".join(parts) + b"tQ"
    rest = (plain(value) for value in (claim.offset, claim.shape, claim.strides, False, {}))
    return call(named("torch._utils", "_rebuild_tensor_v2"), storage, *rest)


def write(path, body, storages, *, stream):
    """Writes a file of the operations of its object and the bytes of its storages, by key."""
    (_write_stream if stream else _write_zip)(path, b"\x80\x02" + body + b".", storages)


def write_state(path, state, *, stream, entry="state_dict", others=()):
    """Writes a checkpoint of arrays by name, with further entries: their operations by key."""
    arrays = {str(place): np.ascontiguousarray(array) for place, array in enumerate(state.values())}
    tensors = {
        name: tensor(claim_of(key, array), stream=stream)
        for name, (key, array) in zip(state, arrays.items(), strict=True)
    }
    body = dictionary({**dict(others), entry: dictionary(tensors)})
    write(path, body, arrays, stream=stream)


def claim_of(key, array):
    """What is true of a contiguous array."""
    strides = tuple(stride // array.itemsize for stride in array.strides)
    return Claim(key, array.size, array.shape, strides, storage_type=TYPES[array.dtype])


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
