"""Tests of the prepared data set: writing, reading, and rejection of mismatches."""

import dataclasses
import itertools
import pathlib

import filelock
import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from tests.helpers import formula_faces
from twodasl_jax.data.face_crops import (
    CropSource,
    FaceCrop,
    open_face_crops,
    prepare_face_crops,
    read_index,
    without_margin,
)
from twodasl_jax.errors import DatasetError
from twodasl_jax.imaging.crops import crop_photo
from twodasl_jax.models import face_model as face_model_files
from twodasl_jax.preparation.records import stored_picture


@pytest.fixture
def builder(data_dir, face_model):
    return open_face_crops(data_dir, face_model_files.digest(face_model))


def test_every_face_is_in_exactly_one_split(builder):
    names = [
        record["name"].decode()
        for split in ("train", "validation")
        for record in builder.as_data_source(split)
    ]
    assert sorted(names) == [f"face{row:03}.png" for row in range(formula_faces.COUNT)]


def test_records_equal_input(builder, face_model, pseudo_3d):
    points = formula_faces.random_faces(face_model)[-1]
    for record in (builder.as_data_source("train")[5], builder.as_data_source("validation")[1]):
        row = int(record["name"][4:7])
        np.testing.assert_array_equal(
            without_margin(record["image"]), formula_faces.draw(points[row])
        )
        np.testing.assert_allclose(record["landmarks"], points[row, :, :2], rtol=1e-6)
        np.testing.assert_array_equal(record["vector"], pseudo_3d.vectors[row])
        assert record["yaw"] == pseudo_3d.yaw[row]
        assert record["error"] == pseudo_3d.error[row]
        assert (record["visibility"][17:22] == (1 if row % 5 == 0 else 2)).all()


def test_other_face_model_is_rejected(data_dir):
    with pytest.raises(DatasetError, match="prepare it again"):
        open_face_crops(data_dir, "another")


def test_empty_folder_is_rejected(tmp_path):
    with pytest.raises(DatasetError, match=r"prepare_data\.py"):
        open_face_crops(tmp_path, "any")


def test_stored_picture_is_crop_with_margin():
    y, x = np.mgrid[:200, :240] + 0.5
    photo = np.stack([x, y, x + y], axis=-1).clip(0, 255).astype(np.uint8)
    box = np.array([30.0, 20.0, 150.0, 140.0])
    picture = stored_picture(photo, box)
    np.testing.assert_array_equal(without_margin(picture), crop_photo(photo, box))
    np.testing.assert_array_equal(picture, photo[8:152, 18:162])
    np.testing.assert_array_equal(stored_picture(photo, box - 30)[:22], 0)


@hypothesis.given(x=st.floats(-20, 120), y=st.floats(-20, 120), side=st.floats(40, 300))
def test_centre_of_stored_picture_is_crop(x, y, side):
    rows, columns = np.mgrid[:200, :240]
    photo = np.stack([rows, columns, rows // 2 + columns // 2], axis=-1).astype(np.uint8)
    box = np.array([x, y, x + side, y + side])
    difference = without_margin(stored_picture(photo, box)).astype(int) - crop_photo(photo, box)
    # The resize filter of a crop without margin is cut off at its border.
    assert np.abs(difference[3:-3, 3:-3]).max() <= 2


def plain_source(description="grey faces", count=4):
    def split(first):
        for number in range(first, first + count):
            yield FaceCrop(
                name=f"face{number}",
                image=np.full((144, 144, 3), number, np.uint8),
                landmarks=np.full((68, 2), number, np.float32),
                visibility=np.full(68, 2, np.uint8),
                vector=np.full(62, number, np.float32),
                yaw=number / 100,
                error=float("inf") if number == 2 else 0.01,
            )

    splits = {"train": lambda: split(0), "validation": lambda: split(count)}
    return CropSource(description, "digest", 62, splits)


def test_index_equals_records(tmp_path):
    builder = prepare_face_crops(plain_source(), tmp_path)
    for split in ("train", "validation"):
        index = read_index(builder, split)
        for row, record in enumerate(builder.as_data_source(split)):
            np.testing.assert_array_equal(index.vectors[row], record["vector"])
            assert (index.yaw[row], index.error[row]) == (record["yaw"], record["error"])


def test_complete_data_set_is_not_written_again(tmp_path):
    prepare_face_crops(plain_source(), tmp_path)

    def unread():
        raise AssertionError

    again = plain_source()
    prepare_face_crops(
        dataclasses.replace(again, splits=dict.fromkeys(again.splits, unread)), tmp_path
    )


def test_folder_with_other_faces_is_rejected(tmp_path):
    prepare_face_crops(plain_source(), tmp_path)
    with pytest.raises(DatasetError, match=r"other faces already \(grey faces, not red faces\)"):
        prepare_face_crops(plain_source("red faces"), tmp_path)


def test_remains_of_interrupted_preparation_are_deleted(tmp_path):
    class Interrupted(Exception):
        pass

    def interrupted():
        yield from itertools.islice(plain_source().splits["train"](), 2)
        raise Interrupted

    source = plain_source()
    splits = {**source.splits, "train": interrupted}
    with pytest.raises(Interrupted):
        prepare_face_crops(dataclasses.replace(source, splits=splits), tmp_path)
    killed = tmp_path / "face_crops" / "incomplete.ABCDEF_2.0.0"
    killed.mkdir(parents=True)
    (killed / "part").write_bytes(bytes(100))
    builder = prepare_face_crops(source, tmp_path)
    assert len(builder.as_data_source("train")) == 4
    assert [path.name for path in (tmp_path / "face_crops").iterdir()] == ["2.0.0"]


def test_missing_index_is_completed(tmp_path):
    builder = prepare_face_crops(plain_source(), tmp_path)
    (pathlib.Path(builder.data_dir) / "train_index.npz").unlink()
    with pytest.raises(DatasetError, match=r"train_index\.npz"):
        read_index(builder, "train")
    assert len(read_index(prepare_face_crops(plain_source(), tmp_path), "train").yaw) == 4


def test_concurrent_preparation_is_rejected(tmp_path):
    with (
        filelock.FileLock(tmp_path / ".lock"),
        pytest.raises(DatasetError, match="is being prepared by another process"),
    ):
        prepare_face_crops(plain_source(), tmp_path)
