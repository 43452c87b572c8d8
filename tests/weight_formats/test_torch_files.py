"""PyTorch files: valid ones are read, and malformed or hostile ones are rejected without executing code."""

import pathlib
import tracemalloc
import zipfile

import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers import torch_writer
from tests.helpers.torch_writer import Declaration, call, dictionary, named, plain
from twodasl_jax.errors import WeightsError
from twodasl_jax.weight_formats.torch_files import read_state_dict

GOLDEN = pathlib.Path(__file__).parents[1] / "golden"
ENTRIES = ("res_state_dict", "state_dict")
COUNT = np.arange(24, dtype=np.float32).reshape(2, 3, 4)
EXPECTED = {
    "float": COUNT,
    "turned": COUNT.transpose(2, 0, 1),
    "part": COUNT[1:, ::2, 1:3],
    "parameter": COUNT[0],
    "bool": COUNT > 11,
    "scalar": np.array(3.5, np.float32),
    "empty": np.zeros((0, 3), np.float32),
    **{
        name: COUNT.astype(kind)
        for name, kind in {
            **{"double": np.float64, "half": np.float16, "bfloat16": jnp.bfloat16},
            **{"long": np.int64, "int": np.int32, "short": np.int16},
            **{"char": np.int8, "byte": np.uint8},
        }.items()
    },
}

both_formats = pytest.mark.parametrize("stream", [False, True], ids=["zip", "stream"])


@pytest.mark.parametrize("file_format", ["zip", "stream"])
def test_file_of_pytorch_is_read(file_format):
    state = read_state_dict(GOLDEN / f"torch_{file_format}.pth", ENTRIES)
    assert state.keys() == EXPECTED.keys()
    for name, array in EXPECTED.items():
        assert (state[name].dtype, state[name].shape) == (array.dtype, array.shape), name
        np.testing.assert_array_equal(state[name], array)


@both_formats
def test_first_existing_entry_is_read(tmp_path, stream):
    path = tmp_path / "file.pth.tar"
    other = dictionary({"a": torch_writer.tensor(Declaration("0", 6, (6,), (1,)), stream=stream)})
    torch_writer.write_state(
        path,
        {"a": np.arange(6, dtype=np.float32)},
        entry="res_state_dict",
        others={"epoch": plain(3), "state_dict": plain({}), "optimizer": other},
        stream=stream,
    )
    np.testing.assert_array_equal(read_state_dict(path, ENTRIES)["a"], np.arange(6))
    with pytest.raises(WeightsError, match="it has no weights, but epoch, state_dict, optimizer"):
        read_state_dict(path, ("weights",))


def hostile_bodies(marker):
    """Returns pickles that try to write a file, by the text that their error message must contain."""
    command = plain(f"touch {marker}")
    rebuild = named("torch._utils", "_rebuild_parameter")
    system = named("os", "system")
    return {
        "os.system": call(system, command),
        "posix.system": dictionary({"state_dict": call(named("posix", "system"), command)}),
        "builtins.eval": call(named("builtins", "eval"), plain(f"open({str(marker)!r}, 'w')")),
        "builtins.getattr": call(named("builtins", "getattr"), rebuild, plain("__globals__")),
        "torch._utils._rebuild_tensor_v2.__call__.__globals__": named(
            "torch._utils", "_rebuild_tensor_v2.__call__.__globals__"
        ),
        "modify": rebuild + dictionary({"_function": plain(0)}) + b"b",
    }


@both_formats
@pytest.mark.parametrize("named_cause", hostile_bodies("."))
def test_hostile_file_is_not_executed(tmp_path, stream, named_cause):
    path, marker = tmp_path / "hostile.pth", tmp_path / "marker"
    torch_writer.write(path, hostile_bodies(marker)[named_cause], {}, stream=stream)
    with pytest.raises(WeightsError, match=r"hostile\.pth.*" + named_cause.replace(".", r"\.")):
        read_state_dict(path, ENTRIES)
    assert not marker.exists()


@both_formats
def test_truncation_at_any_length_is_detected(tmp_path, stream):
    path = tmp_path / "file.pth"
    torch_writer.write_state(path, {"a": COUNT, "b": COUNT}, stream=stream)
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(WeightsError, match=r"Cannot use .*file\.pth: "):
            read_state_dict(path, ENTRIES)


def declaration(storage=24, shape=(2, 3, 4), strides=(12, 4, 1), offset=0, key="0"):
    return Declaration(key, storage, shape, strides, offset)


IMPOSSIBLE = {
    "storage of terabytes": (
        declaration(2**40, (2**40,), (1,)),
        "declare 4398046511104 bytes",
    ),
    "part of such a storage": (
        declaration(2**40, (1,), (1,)),
        "declares a storage of 4398046511104 bytes, but the file has 96",
    ),
    "storage with one number more": (
        declaration(25),
        "declares a storage of 100 bytes, but the file has 96",
    ),
    "storage with one number less": (
        declaration(23, (3,), (1,)),
        "declares a storage of 92 bytes, but the file has 96",
    ),
    "shape beyond the storage": (declaration(shape=(2, 3, 5)), "too small"),
    "strides beyond the storage": (declaration(strides=(12, 5, 1)), "too small"),
    "offset beyond the storage": (declaration(offset=1), "too small"),
    "repeated number": (declaration(shape=(2**40,), strides=(0,)), "declare 4398"),
    "empty tensor with a huge axis": (
        declaration(shape=(0, 2**62), strides=(1, 1)),
        "declare",
    ),
    "negative size": (declaration(shape=(-1, 3)), "impossible size"),
    "fractional size": (declaration(shape=(1.5, 3)), "impossible size"),
    "more than the address space": (declaration(2**70), "impossible size"),
    "missing stride": (declaration(strides=(4, 1)), "impossible shape"),
    "too many axes": (declaration(shape=(1,) * 9, strides=(1,) * 9), "impossible shape"),
    "missing storage": (
        declaration(key="7"),
        r"has no archive/data/7|has a storage that no tensor uses",
    ),
}


@both_formats
@pytest.mark.parametrize("case", IMPOSSIBLE)
def test_impossible_declaration_is_rejected_without_allocation(tmp_path, stream, case):
    declared, reason = IMPOSSIBLE[case]
    path = tmp_path / "file.pth"
    body = dictionary(
        {"state_dict": dictionary({"a": torch_writer.tensor(declared, stream=stream)})}
    )
    torch_writer.write(path, body, {"0": COUNT}, stream=stream)
    tracemalloc.start()
    try:
        with pytest.raises(WeightsError, match=reason):
            read_state_dict(path, ENTRIES)
        assert tracemalloc.get_traced_memory()[1] < 2**22
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("count", [2**40, 25, -1])
def test_stream_that_ends_within_a_storage_is_rejected(tmp_path, count):
    path = tmp_path / "file.pth"
    torch_writer.write_state(path, {"a": COUNT}, stream=True)
    content = path.read_bytes()
    numbers = COUNT.tobytes()
    true, declared = (np.int64(value).tobytes() + numbers for value in (COUNT.size, count))
    assert true in content
    path.write_bytes(content.replace(true, declared))
    with pytest.raises(WeightsError, match="ends within its storage 0"):
        read_state_dict(path, ENTRIES)


@both_formats
@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (plain([1, 2]), "is not a dictionary, so it is not a checkpoint"),
        (plain({}), "has no res_state_dict or state_dict, but nothing"),
        (plain({"state_dict": 3}), "its state_dict is not a dictionary"),
        (plain({"state_dict": {"epoch": 3}}), "contains epoch, which is not a tensor"),
        (plain({"state_dict": {3: 3}}), "has a key that is not a name"),
        (plain(3) + b"Q", "its pickle is damaged"),
        (plain(("module", 1, 2, 3, 4)) + b"Q", "an object that is not a tensor"),
    ],
)
def test_object_of_another_kind_is_named(tmp_path, stream, body, reason):
    torch_writer.write(tmp_path / "file.pth", body, {}, stream=stream)
    with pytest.raises(WeightsError, match=reason):
        read_state_dict(tmp_path / "file.pth", ENTRIES)


def test_compressed_archive_is_rejected(tmp_path):
    with zipfile.ZipFile(tmp_path / "bomb.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", bytes(2**24))
    with pytest.raises(WeightsError, match=r"data\.pkl is compressed"):
        read_state_dict(tmp_path / "bomb.pth", ENTRIES)


def test_altered_number_of_an_archive_is_detected(tmp_path):
    path = tmp_path / "file.pth"
    torch_writer.write_state(path, {"a": COUNT}, stream=False)
    path.write_bytes(path.read_bytes().replace(COUNT[1].tobytes(), (COUNT[1] + 1).tobytes()))
    with pytest.raises(WeightsError, match="data/0 is damaged"):
        read_state_dict(path, ENTRIES)


@pytest.mark.parametrize("content", [b"", b"text", b"PK\x03\x04", b"\x80\x02K\x01.", b"\x80\x02"])
def test_file_of_another_kind_is_named(tmp_path, content):
    (tmp_path / "file.pth").write_bytes(content)
    with pytest.raises(WeightsError, match=r"Cannot use .*file\.pth"):
        read_state_dict(tmp_path / "file.pth", ENTRIES)
    with pytest.raises(WeightsError, match=r"Cannot read .*: Is a directory"):
        read_state_dict(tmp_path, ENTRIES)
    with pytest.raises(WeightsError, match=r"Cannot read .*: No such file"):
        read_state_dict(tmp_path / "missing.pth", ENTRIES)
