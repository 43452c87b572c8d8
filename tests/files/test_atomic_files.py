"""Tests of atomic writing."""

import pytest

from twodasl_jax.files import atomic_files


def test_file_appears_when_complete(tmp_path):
    target = tmp_path / "face.obj"
    with atomic_files.replacing(target) as beside:
        assert (beside.parent, beside.suffix) == (tmp_path, ".obj")
        beside.write_text("v 0 0 0")
        assert not target.exists()
    assert target.read_text() == "v 0 0 0"
    assert list(tmp_path.iterdir()) == [target]


def test_failure_keeps_old_file_and_nothing_else(tmp_path):
    target = tmp_path / "faces.json"
    target.write_text("old")

    def write_half():
        with atomic_files.replacing(target) as beside:
            beside.write_text("ne")
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write_half()
    assert target.read_text() == "old"
    assert list(tmp_path.iterdir()) == [target]


def test_body_that_writes_nothing_raises(tmp_path):
    with pytest.raises(FileNotFoundError), atomic_files.replacing(tmp_path / "a.bin"):
        pass
    assert not list(tmp_path.iterdir())


def test_folder_is_not_replaced(tmp_path):
    (tmp_path / "taken").mkdir()
    with pytest.raises(OSError, match="taken"):
        atomic_files.write_bytes(tmp_path / "taken", b"1")
    assert [path.name for path in tmp_path.iterdir()] == ["taken"]


def test_permissions_equal_those_of_ordinary_file(tmp_path):
    (tmp_path / "ordinary").write_bytes(b"1")
    atomic_files.write_bytes(tmp_path / "atomic", b"1")
    assert (tmp_path / "atomic").stat().st_mode == (tmp_path / "ordinary").stat().st_mode


def test_error_names_target(tmp_path):
    target = tmp_path / "missing" / "a.bin"
    with pytest.raises(FileNotFoundError) as raised:
        atomic_files.write_bytes(target, b"1")
    assert raised.value.filename == str(target)
