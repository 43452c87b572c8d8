"""The TFDS data set: written, read back, and refused where it does not belong."""

import hypothesis
import hypothesis.strategies as st
import numpy as np
import pytest

from tests.data import faces
from twodasl_jax import face_model as face_model_files
from twodasl_jax.crops import crop_photo
from twodasl_jax.data.face_crops import open_face_crops, stored_picture, without_margin
from twodasl_jax.errors import DatasetError


@pytest.fixture
def builder(data_dir, face_model):
    return open_face_crops(data_dir, face_model_files.digest(face_model))


def test_every_face_is_in_one_split(builder):
    names = [
        record["name"].decode()
        for split in ("train", "validation")
        for record in builder.as_data_source(split)
    ]
    assert sorted(names) == [f"face{row:03}.png" for row in range(faces.COUNT)]


def test_a_record_holds_what_went_in(builder, face_model, pseudo_3d):
    points = faces.random_faces(face_model)[-1]
    for record in (builder.as_data_source("train")[5], builder.as_data_source("validation")[1]):
        row = int(record["name"][4:7])
        np.testing.assert_array_equal(without_margin(record["image"]), faces.draw(points[row]))
        np.testing.assert_allclose(record["landmarks"], points[row, :, :2], rtol=1e-6)
        np.testing.assert_array_equal(record["vector"], pseudo_3d.vectors[row])
        assert record["yaw"] == pseudo_3d.yaw[row]
        assert record["error"] == pseudo_3d.error[row]
        assert (record["visibility"][17:22] == (1 if row % 5 == 0 else 2)).all()


def test_another_face_model_is_refused(data_dir):
    with pytest.raises(DatasetError, match="prepare it again"):
        open_face_crops(data_dir, "another")


def test_an_empty_folder_is_refused(tmp_path):
    with pytest.raises(DatasetError, match=r"prepare_data\.py"):
        open_face_crops(tmp_path, "any")


def test_a_stored_picture_is_the_crop_with_its_surroundings():
    y, x = np.mgrid[:200, :240] + 0.5
    photo = np.stack([x, y, x + y], axis=-1).clip(0, 255).astype(np.uint8)
    box = np.array([30.0, 20.0, 150.0, 140.0])
    picture = stored_picture(photo, box)
    np.testing.assert_array_equal(without_margin(picture), crop_photo(photo, box))
    np.testing.assert_array_equal(picture, photo[8:152, 18:162])
    np.testing.assert_array_equal(stored_picture(photo, box - 30)[:22], 0)


@hypothesis.given(x=st.floats(-20, 120), y=st.floats(-20, 120), side=st.floats(40, 300))
def test_the_middle_of_a_stored_picture_is_the_crop(x, y, side):
    rows, columns = np.mgrid[:200, :240]
    photo = np.stack([rows, columns, rows // 2 + columns // 2], axis=-1).astype(np.uint8)
    box = np.array([x, y, x + side, y + side])
    difference = without_margin(stored_picture(photo, box)).astype(int) - crop_photo(photo, box)
    # The filter at the rim of a crop does not see beyond it.
    assert np.abs(difference[3:-3, 3:-3]).max() <= 2
