"""Tests of pickle loading: plain data is read, anything else raises, and no code is executed."""

import collections
import contextlib
import os
import pickle
import tracemalloc

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest

from twodasl_jax.files.safe_pickle import Function, load, load_plain

PROTOCOLS = range(pickle.HIGHEST_PROTOCOL + 1)
ARRAYS = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.int32, np.uint8, np.bool_, ">f4", np.complex64]),
    hnp.array_shapes(min_dims=0, min_side=0),
)
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False)
    | st.text()
    | st.binary()
    | ARRAYS
    | ARRAYS.filter(lambda array: array.ndim > 1).map(np.asfortranarray)
    | hnp.from_dtype(np.dtype(np.float32), allow_nan=False)
)
PLAIN = st.recursive(
    LEAVES,
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner) | st.tuples(inner, inner),
)


def assert_same(one, other):
    if isinstance(one, np.ndarray):
        np.testing.assert_array_equal(np.asarray(other), one)
        assert other.dtype.newbyteorder("=") == one.dtype.newbyteorder("=")
    elif isinstance(one, dict):
        assert list(one) == list(other)
        for key in one:
            assert_same(one[key], other[key])
    elif isinstance(one, list | tuple):
        assert type(one) is type(other)
        assert len(one) == len(other)
        for mine, theirs in zip(one, other, strict=True):
            assert_same(mine, theirs)
    else:
        assert one == other
        assert type(one) is type(other)


@hypothesis.given(PLAIN, st.sampled_from(PROTOCOLS))
def test_plain_data_survives_round_trip(value, protocol):
    assert_same(value, load_plain(pickle.dumps(value, protocol)))


def test_pickle_of_python_2_is_read():
    # numpy.core.multiarray._reconstruct, the dtype, and the bytes as a string of Python 2, in protocol 2.
    content = (
        b"\x80\x02cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R(K\x01K\x02\x85"
        b"cnumpy\ndtype\nU\x02f4K\x00K\x01\x87R(K\x03U\x01<NNNJ\xff\xff\xff\xffJ\xff\xff\xff\xffK\x00tb\x89"
        b"U\x08\x00\x00\x80\x3f\x00\x00\x20\xc1tb."
    )
    np.testing.assert_array_equal(load_plain(content), np.float32([1, -10]))


class Call:
    """An object that is pickled as a call of a function."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


@pytest.mark.parametrize("protocol", PROTOCOLS)
@pytest.mark.parametrize("wrap", [lambda call: call, lambda call: {"param_std": [1, (call,)]}])
def test_command_raises_and_is_not_executed(tmp_path, protocol, wrap):
    command = Call(os.system, f"touch {tmp_path}/executed")
    content = pickle.dumps(wrap(command), protocol)
    with pytest.raises(pickle.UnpicklingError, match=rf"it uses '{os.name}\.system'"):
        load_plain(content)
    assert not list(tmp_path.iterdir())
    pickle.loads(content)
    assert list(tmp_path.iterdir()), "an ordinary unpickler executes the command"


@pytest.mark.parametrize(
    ("value", "name"),
    [
        (Call(eval, "1"), "builtins.eval"),
        (Call(getattr, "", "join"), "builtins.getattr"),
        (Call(np.load, "x"), "numpy.load"),
        (Call(bytearray, 10), "builtins.bytearray"),
        (collections.OrderedDict(a=1), "collections.OrderedDict"),
        (np.random.default_rng(0), "numpy.random"),
    ],
)
def test_message_names_forbidden_global(value, name):
    with pytest.raises(pickle.UnpicklingError, match=f"it uses '{name}"):
        load_plain(pickle.dumps(value))


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"cos\nsystem\n(Vtouch executed\ntR.", "it uses 'os.system'"),
        (b"(S'touch executed'\nios\nsystem\n.", "it uses 'os.system'"),
        (b"\x80\x02Vweights\nQ.", "object outside of the pickle"),
        (b"\x80\x02\x82\x01.", "damaged"),
        (b"\x80\x05\x97.", "damaged|out-of-band"),
        (b"", "truncated, or not a pickle"),
        (b"solid face", "truncated, or not a pickle"),
        (pickle.dumps(np.arange(9.0))[:-20], "truncated, or not a pickle"),
        (b"\x80\x04\x8c\x04o\n\x1b[\x8c\x06system\x93.", r"it uses 'o\\n\\x1b\[.system'"),
        (b"\x80\x02K\x01.", None),
    ],
)
def test_handwritten_pickles(content, fault):
    if fault is None:
        assert load_plain(content) == 1
        return
    with pytest.raises(pickle.UnpicklingError, match=fault):
        load_plain(content)


@pytest.mark.parametrize(
    "array", [np.array([{}]), np.array(["a"]), np.zeros(2, [("a", "f4")]), np.zeros(1, "M8[s]")]
)
def test_non_numeric_array_raises(array):
    with pytest.raises(
        pickle.UnpicklingError, match=r"it contains an array of '\w\w?', not of numbers"
    ):
        load_plain(pickle.dumps(array))


HUGE = 1 << 40
RECONSTRUCT = np.zeros(0).__reduce__()[0]


class MislabelledArray:
    """An object that is pickled as an array whose shape does not fit its bytes."""

    def __init__(self, shape, data, dtype="f4"):
        self.state = 1, shape, np.dtype(dtype), False, data

    def __reduce__(self):
        return RECONSTRUCT, (np.ndarray, (HUGE,), b"b"), self.state


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (
            pickle.dumps(MislabelledArray((HUGE,), bytes(8))),
            r"shape \(1099511627776,\) with 8 bytes",
        ),
        (pickle.dumps(MislabelledArray((-1, -2), bytes(8))), r"shape \(-1, -2\)"),
        (pickle.dumps(MislabelledArray((3,), bytes(8))), r"shape \(3,\) with 8 bytes"),
        (b"\x80\x04\x8e" + HUGE.to_bytes(8, "little") + b"few.", "truncated"),
        (b"\x80\x05\x96" + HUGE.to_bytes(8, "little") + b"few.", "truncated"),
        (b"\x80\x02K\x01r\xff\xff\xff\xff.", "memo index larger than the pickle"),
    ],
)
def test_declared_size_is_not_allocated(content, fault):
    tracemalloc.start()
    with pytest.raises(pickle.UnpicklingError, match=fault):
        load_plain(content)
    assert tracemalloc.get_traced_memory()[1] < 1_000_000
    tracemalloc.stop()


def test_allowed_functions_cannot_be_modified():
    # The opcode BUILD assigns the entries of a dictionary as attributes of the object below it on the stack.
    attack = b"\x80\x02cnumpy\ndtype\nN}U\x09_functionK\x07s\x86b."
    with pytest.raises(pickle.UnpicklingError, match="modify"):
        load_plain(attack)
    np.testing.assert_array_equal(load_plain(pickle.dumps(np.arange(3))), [0, 1, 2])


def test_load_uses_given_allow_list():
    allowed = {"collections.OrderedDict": collections.OrderedDict, "one.two": Function(lambda: 3)}
    content = b"\x80\x02cone\ntwo\n)R."
    assert load(content, allowed) == 3
    assert load(pickle.dumps(collections.OrderedDict(a=1)), allowed) == {"a": 1}
    with pytest.raises(pickle.UnpicklingError, match="it uses 'numpy"):
        load(pickle.dumps(np.zeros(1)), allowed)


@hypothesis.given(PLAIN, st.sampled_from(PROTOCOLS), st.data())
def test_damaged_pickle_loads_or_raises(value, protocol, data):
    content = bytearray(pickle.dumps(value, protocol))
    for _ in range(data.draw(st.integers(1, 3))):
        place = data.draw(st.integers(0, len(content) - 1))
        content[place] = data.draw(st.integers(0, 255))
    with contextlib.suppress(pickle.UnpicklingError):
        load_plain(bytes(content))
