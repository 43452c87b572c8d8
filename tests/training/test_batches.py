"""Which of the faces of prepared data sets a run draws, and as what."""

import pathlib

import numpy as np
import pytest

from twodasl_jax.data.face_crops import prepare_face_crops
from twodasl_jax.errors import ConfigError, DatasetError
from twodasl_jax.models import face_model as face_model_files
from twodasl_jax.preparation.faces_2d import faces_2d_source
from twodasl_jax.training.batches import load_data, parse_data_sets


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


def test_a_share_of_the_annotations_counts_and_the_other_faces_are_wild(config, face_model):
    digest = face_model_files.digest(face_model)
    drawn = {}
    for share in (0.1, 0.5, 1.0):
        data = load_data(settings(config, annotated_share=share), digest)
        (annotated,) = data.annotated
        drawn[share] = set(np.flatnonzero(~np.isnan(annotated.yaw)))
        wild = [set(np.flatnonzero(~np.isnan(pool.yaw))) for pool in data.wild]
        assert wild == ([set(range(57)) - drawn[share]] if share < 1 else [])
        assert len(data.vectors) == len(drawn[share])
    assert [len(rows) for rows in drawn.values()] == [6, 28, 57]
    assert drawn[0.1] < drawn[0.5] < drawn[1.0]


def test_without_faces_in_the_wild_there_is_no_half_of_them(config, face_model):
    with pytest.raises(ConfigError, match="wild_batch_size=4, but wild_dir names no data set"):
        load_data(settings(config, wild_batch_size=4), face_model_files.digest(face_model))


def test_a_share_that_leaves_no_face_over_is_named(config, face_model):
    changes = {"wild_batch_size": 4, "annotated_share": 0.999}
    with pytest.raises(ConfigError, match=r"annotated_share=0\.999 leaves no face over"):
        load_data(settings(config, **changes), face_model_files.digest(face_model))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("data/a", [("data/a", 1.0)]),
        ("data/a:3, data/b", [("data/a", 3.0), ("data/b", 1.0)]),
        ("C:/data/a:0.5", [("C:/data/a", 0.5)]),
        ("C:/data/a", [("C:/data/a", 1.0)]),
    ],
)
def test_data_sets_are_named_with_weights(text, expected):
    assert parse_data_sets(text) == [(pathlib.Path(path), weight) for path, weight in expected]


@pytest.mark.parametrize("text", ["", "data/a:0", "data/a:-1", "data/a,,data/b", ":2", "a:nan"])
def test_data_sets_without_name_or_weight_are_refused(text):
    with pytest.raises(ConfigError, match="names no data sets"):
        parse_data_sets(text)
