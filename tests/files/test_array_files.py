"""Tests of validated array files."""

import numpy as np
import pytest

from twodasl_jax.errors import DatasetError
from twodasl_jax.files.array_files import read_array, read_rows

SHAPES = {"names": (), "points": (68, 2)}


def test_read_rows_returns_named_arrays(tmp_path):
    points = np.random.default_rng(0).normal(size=(3, 68, 2))
    np.savez(tmp_path / "a.npz", names=["a", "b", "c"], points=points, other=1)
    arrays = read_rows(tmp_path / "a.npz", SHAPES)
    assert set(arrays) == set(SHAPES)
    assert arrays["names"].tolist() == ["a", "b", "c"]
    np.testing.assert_array_equal(arrays["points"], points)


@pytest.mark.parametrize(
    ("arrays", "reason"),
    [
        ({"names": ["a"]}, "points"),
        (
            {"names": ["a"], "points": np.zeros((1, 67, 2))},
            r"\(1, 67, 2\), expected \(1, 68, 2\)",
        ),
        ({"names": ["a"], "points": np.zeros((2, 68, 2))}, "names has shape"),
        ({"names": "a", "points": np.zeros((1, 68, 2))}, r"names has shape \(\)"),
        ({"names": [], "points": np.zeros((0, 68, 2))}, "names has shape"),
        ({"names": np.array([None]), "points": np.zeros((1, 68, 2))}, "save names as strings"),
    ],
)
def test_read_rows_rejects_other_shapes(tmp_path, arrays, reason):
    np.savez(tmp_path / "a.npz", **arrays)
    with pytest.raises(DatasetError, match=rf"a\.npz.*{reason}"):
        read_rows(tmp_path / "a.npz", SHAPES)


@pytest.mark.parametrize("data", [b"", b"no archive", b"PK\3\4 and nothing more"])
def test_read_rows_rejects_other_files(tmp_path, data):
    (tmp_path / "a.npz").write_bytes(data)
    with pytest.raises(DatasetError, match=r"a\.npz: it is damaged, or not a \.npz file"):
        read_rows(tmp_path / "a.npz", SHAPES)


def test_read_rows_rejects_single_array(tmp_path):
    with open(tmp_path / "a.npz", "wb") as file:
        np.save(file, np.zeros(3))
    with pytest.raises(DatasetError, match=r"a\.npz"):
        read_rows(tmp_path / "a.npz", SHAPES)


def test_missing_file_raises(tmp_path):
    with pytest.raises(DatasetError, match=r"a\.npz: No such file"):
        read_rows(tmp_path / "a.npz", SHAPES)


def test_read_rows_supports_optional_arrays_and_free_sizes(tmp_path):
    np.savez(tmp_path / "a.npz", names=["a", "b"], mesh=np.zeros((2, 5, 3)))
    arrays = read_rows(tmp_path / "a.npz", {"names": ()}, {"mesh": (-1, 3), "pose": (3,)})
    assert arrays["mesh"].shape == (2, 5, 3)
    assert "pose" not in arrays
    with pytest.raises(DatasetError, match=r"mesh has shape \(2, 5, 3\), expected \(2, any, 2\)"):
        read_rows(tmp_path / "a.npz", {"names": ()}, {"mesh": (-1, 2)})


def test_read_array_rejects_archive(tmp_path):
    np.savez(tmp_path / "a.npz", points=np.zeros(3))
    (tmp_path / "a.npz").rename(tmp_path / "a.npy")
    with pytest.raises(DatasetError, match=r"a\.npy.*it is an archive, expected \(3\)"):
        read_array(tmp_path / "a.npy", (3,))
