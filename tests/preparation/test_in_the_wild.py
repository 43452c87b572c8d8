"""Tests of the sources of in-the-wild images, with labels only and with pseudo annotations."""

import dataclasses

import numpy as np
import pytest

from tests.helpers import formula_faces
from twodasl_jax.data.face_crops import open_face_crops, prepare_face_crops, read_index
from twodasl_jax.errors import DatasetError
from twodasl_jax.models import face_model as face_model_files
from twodasl_jax.preparation.in_the_wild import faces_2d_source, pseudo_3d_source
from twodasl_jax.preparation.pseudo_3d import estimate_yaw


@pytest.fixture(scope="module")
def yaw(crops, face_model):
    yaw = estimate_yaw(face_model, crops.landmarks, crops.visibility)
    yaw[7] = np.nan
    return yaw


def test_faces_with_labels_only_have_zero_vectors(crops, yaw, pseudo_3d, face_model):
    source = faces_2d_source(crops, yaw, face_model)
    records = list(source.splits["train"]())
    fitted = list(pseudo_3d_source(crops, pseudo_3d, face_model).splits["train"]())
    assert len(records) == len(fitted) == formula_faces.COUNT - 3
    for record, other in zip(records, fitted, strict=True):
        assert record["vector"].shape == other["vector"].shape == (source.vector_size,)
        assert not record["vector"].any()
        assert np.isinf(record["error"])
        for same in ("name", "image", "landmarks", "visibility"):
            np.testing.assert_array_equal(record[same], other[same])


def test_index_marks_faces_without_yaw_or_annotation(tmp_path, crops, yaw, face_model):
    prepare_face_crops(faces_2d_source(crops, yaw, face_model), tmp_path)
    index = read_index(open_face_crops(tmp_path, face_model_files.digest(face_model)), "train")
    assert np.isnan(index.yaw).sum() == 1
    assert np.isinf(index.error).all()


def test_different_crops_of_same_folder_have_different_descriptions(
    crops, yaw, pseudo_3d, face_model
):
    fewer = dataclasses.replace(crops, visibility=np.where(np.arange(68) == 3, 0, crops.visibility))
    sources = [
        faces_2d_source(crops, yaw, face_model),
        pseudo_3d_source(crops, pseudo_3d, face_model),
        pseudo_3d_source(fewer, pseudo_3d, face_model),
        pseudo_3d_source(dataclasses.replace(crops, whole_pictures=False), pseudo_3d, face_model),
    ]
    assert len({source.description for source in sources}) == len(sources)


def test_unusable_picture_stops_preparation(tmp_path, crops, yaw, face_model):
    gone = dataclasses.replace(crops, boxes=crops.boxes + 200)
    with pytest.raises(DatasetError, match=r"Cannot crop .*face\d+\.png: box .* outside the photo"):
        prepare_face_crops(faces_2d_source(gone, yaw, face_model), tmp_path)
