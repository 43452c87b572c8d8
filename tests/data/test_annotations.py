"""Annotated folders: what is read, and what is wrong with those that cannot be."""

import zipfile

import numpy as np
import pytest

from tests.data import faces
from twodasl_jax.data.annotations import read_annotations, read_crop
from twodasl_jax.errors import DatasetError


def test_reads_what_was_written(face_folder, face_model):
    points = faces.random_faces(face_model)[-1]
    crops = read_annotations(face_folder)
    assert len(crops.names) == faces.COUNT
    np.testing.assert_allclose(crops.landmarks, points[..., :2], rtol=1e-6)
    with zipfile.ZipFile(face_folder / "images.zip") as archive:
        np.testing.assert_array_equal(read_crop(archive, crops.names[3]), faces.draw(points[3]))


def test_a_missing_or_damaged_file_is_named(tmp_path):
    with pytest.raises(DatasetError, match=r"annotations\.npz"):
        read_annotations(tmp_path)
    (tmp_path / "annotations.npz").write_bytes(b"PK\x03\x04 not really")
    with pytest.raises(DatasetError, match=r"annotations\.npz"):
        read_annotations(tmp_path)


def test_wrong_counts_are_named(tmp_path):
    path = tmp_path / "annotations.npz"
    np.savez(path, names=np.array(["a"]), pts68=np.zeros((2, 68, 2)), visibility=np.zeros((1, 68)))
    with pytest.raises(DatasetError, match=r"names has shape \(1\), expected \(2\)"):
        read_annotations(tmp_path)


def test_a_bad_picture_is_named(tmp_path):
    with zipfile.ZipFile(tmp_path / "images.zip", "w") as archive:
        archive.writestr("text.jpg", b"no picture")
    with zipfile.ZipFile(tmp_path / "images.zip") as archive:
        with pytest.raises(DatasetError, match=r"text\.jpg"):
            read_crop(archive, "text.jpg")
        with pytest.raises(DatasetError, match=r"gone\.jpg"):
            read_crop(archive, "gone.jpg")
