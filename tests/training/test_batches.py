"""Which of the faces of prepared data sets a run draws, and as what."""

import numpy as np
import pytest

from twodasl_jax import face_model as face_model_files
from twodasl_jax.data.face_crops import prepare_face_crops
from twodasl_jax.data.faces_2d import faces_2d_source
from twodasl_jax.errors import DatasetError
from twodasl_jax.training.batches import load_data


@pytest.fixture(scope="module")
def wild_dir(tmp_path_factory, crops, pseudo_3d, face_model):
    """Prepared faces with their landmarks alone; of every fourth the yaw is not known."""
    folder = tmp_path_factory.mktemp("wild")
    yaw = np.where(np.arange(len(crops.names)) % 4 == 3, np.nan, pseudo_3d.yaw)
    prepare_face_crops(faces_2d_source(crops, yaw, face_model), folder)
    return folder


def settings(config, **changes):
    changed = config.copy_and_resolve_references()
    changed.update(changes)
    return changed


def test_wild_faces_need_a_yaw_and_no_annotation(config, wild_dir, face_model):
    changes = {"wild_dir": str(wild_dir), "wild_batch_size": 4}
    data = load_data(settings(config, **changes), face_model_files.digest(face_model))
    (wild,) = data.wild
    known = ~np.isnan(wild.yaw)
    numbers = [int(record["name"][4:7]) for record in wild.records]
    np.testing.assert_array_equal(known, np.array(numbers) % 4 != 3)


def test_landmarks_alone_are_no_annotation(config, wild_dir, face_model):
    with pytest.raises(
        DatasetError, match=r"no face with a 3D .* prepare it with --dataset=pseudo"
    ):
        load_data(settings(config, data_dir=str(wild_dir)), face_model_files.digest(face_model))
