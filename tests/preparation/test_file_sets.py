"""Tests of file sets: equal access to folders and archives, and checks of untrusted archives."""

import warnings
import zipfile

import pytest

from twodasl_jax.errors import DatasetError
from twodasl_jax.preparation import file_sets
from twodasl_jax.preparation.file_sets import open_files

FILES = {"a.jpg": b"first", "more/b.jpg": b"second", "more/c.pts": b"third"}
HIDDEN = {".hidden.jpg": b"", "__MACOSX/a.jpg": b"", "more/.cache/d.jpg": b""}


def write_folder(folder, files):
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def write_archive(path, files):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def contents(path):
    with open_files(path) as files:
        return {name: files.read(name) for name in files.readers}


def test_folder_and_archive_have_same_files(tmp_path):
    assert contents(write_folder(tmp_path / "folder", FILES | HIDDEN)) == FILES
    assert contents(write_archive(tmp_path / "archive.zip", FILES | HIDDEN)) == FILES


def test_folder_may_have_archive_of_pictures(tmp_path):
    folder = write_folder(tmp_path, {"annotations.csv": b"table", "sheet.png": b"left out"})
    write_archive(folder / "images.zip", FILES)
    assert contents(folder) == {
        "annotations.csv": b"table",
        "images.zip": (folder / "images.zip").read_bytes(),
        **FILES,
    }


def test_file_in_folder_and_archive_is_rejected(tmp_path):
    folder = write_folder(tmp_path, {"more/c.pts": b"another"})
    write_archive(folder / "images.zip", FILES)
    with pytest.raises(DatasetError, match=r"more/c\.pts is in .* as well as in its images\.zip"):
        contents(folder)


def test_missing_path_and_other_file_are_rejected(tmp_path):
    with pytest.raises(DatasetError, match=r"There is no folder or zip file .*gone"):
        contents(tmp_path / "gone")
    write_folder(tmp_path, {"faces.tar": b"no zip"})
    with pytest.raises(DatasetError, match=r"faces\.tar: it is neither a folder nor a zip file"):
        contents(tmp_path / "faces.tar")


@pytest.mark.parametrize("name", ["../a.jpg", "more/../../a.jpg", "/etc/a.jpg"])
def test_names_that_lead_outside_archive_are_rejected(tmp_path, name):
    with pytest.raises(DatasetError, match=r"a name that leads outside the archive"):
        contents(write_archive(tmp_path / "faces.zip", {name: b""}))


def test_repeated_name_is_rejected(tmp_path):
    with zipfile.ZipFile(tmp_path / "faces.zip", "w") as archive, warnings.catch_warnings():
        warnings.simplefilter("ignore")
        archive.writestr("a.jpg", b"one")
        archive.writestr("a.jpg", b"another")
    with pytest.raises(DatasetError, match=r"faces\.zip contains a\.jpg 2 times"):
        contents(tmp_path / "faces.zip")


def test_zip_bomb_is_rejected(tmp_path, monkeypatch):
    monkeypatch.setattr(file_sets, "_LARGEST_MEMBER", 2**20)
    path = write_archive(tmp_path / "faces.zip", {"a.jpg": bytes(2**21)})
    assert path.stat().st_size < 2**14
    with pytest.raises(DatasetError, match=r"faces\.zip/a\.jpg: it unpacks to 2 MB"):
        contents(path)


def test_damaged_member_is_reported(tmp_path):
    path = write_archive(tmp_path / "faces.zip", {"a.jpg": b"0123456789" * 100})
    content = bytearray(path.read_bytes())
    content[40] ^= 255
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"faces\.zip/a\.jpg: the archive is damaged"):
        contents(path)


def test_encrypted_member_is_reported(tmp_path):
    path = write_archive(tmp_path / "faces.zip", {"a.jpg": b"0123456789"})
    content = bytearray(path.read_bytes())
    for header in (b"PK\x03\x04", b"PK\x01\x02"):
        # The flag of an encrypted member.
        content[content.index(header) + (6 if header[2] == 3 else 8)] |= 1
    path.write_bytes(content)
    with pytest.raises(DatasetError, match=r"faces\.zip/a\.jpg: .*use a plain zip file without"):
        contents(path)


def test_deleted_file_is_reported(tmp_path):
    write_folder(tmp_path, FILES)
    with open_files(tmp_path) as files:
        (tmp_path / "a.jpg").unlink()
        with pytest.raises(DatasetError, match=r"a\.jpg: No such file"):
            files.read("a.jpg")
