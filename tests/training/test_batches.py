"""The annotated and in-the-wild faces that a run draws from prepared data sets."""

import pathlib

import numpy as np
import pytest

from twodasl_jax.data.face_crops import prepare_face_crops
from twodasl_jax.errors import ConfigError, DatasetError
from twodasl_jax.models import face_model as face_model_files
from twodasl_jax.preparation.in_the_wild import faces_2d_source
from twodasl_jax.training.batches import load_data, parse_data_sets


@pytest.fixture(scope="module")
def wild_dir(tmp_path_factory, crops, pseudo_3d, face_model):
    """Prepared faces with labels but without annotations; every fourth has no yaw."""
    folder = tmp_path_factory.mktemp("wild")
    yaw = np.where(np.arange(len(crops.names)) % 4 == 3, np.nan, pseudo_3d.yaw)
    prepare_face_crops(faces_2d_source(crops, yaw, face_model), folder)
    return folder


def settings(config, **changes):
    changed = config.copy_and_resolve_references()
    changed.update(changes)
    return changed


def test_in_the_wild_faces_need_yaw_but_no_annotation(config, wild_dir, face_model):
    changes = {"wild_dir": str(wild_dir), "wild_batch_size": 4}
    data = load_data(settings(config, **changes), face_model_files.digest(face_model))
    (wild,) = data.wild
    known = ~np.isnan(wild.yaw)
    numbers = [int(record["name"][4:7]) for record in wild.records]
    np.testing.assert_array_equal(known, np.array(numbers) % 4 != 3)


def test_labels_without_annotation_are_refused_as_data_dir(config, wild_dir, face_model):
    with pytest.raises(
        DatasetError, match=r"has no face with a 3D .* prepare it with --dataset=pseudo"
    ):
        load_data(settings(config, data_dir=str(wild_dir)), face_model_files.digest(face_model))


def test_faces_beyond_annotated_share_become_in_the_wild(config, face_model):
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


def test_wild_batch_size_without_in_the_wild_faces_is_refused(config, face_model):
    with pytest.raises(ConfigError, match="wild_batch_size=4, but wild_dir is empty"):
        load_data(settings(config, wild_batch_size=4), face_model_files.digest(face_model))


def test_annotated_share_that_leaves_no_face_is_refused(config, face_model):
    changes = {"wild_batch_size": 4, "annotated_share": 0.999}
    with pytest.raises(ConfigError, match=r"annotated_share=0\.999 leaves no in-the-wild faces"):
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
def test_data_sets_are_parsed_with_weights(text, expected):
    assert parse_data_sets(text) == [(pathlib.Path(path), weight) for path, weight in expected]


@pytest.mark.parametrize("text", ["", "data/a:0", "data/a:-1", "data/a,,data/b", ":2", "a:nan"])
def test_data_sets_with_empty_folder_or_invalid_weight_are_refused(text):
    with pytest.raises(ConfigError, match="invalid data sets"):
        parse_data_sets(text)
