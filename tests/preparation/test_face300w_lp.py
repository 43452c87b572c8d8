"""Tests of 300W-LP on files of known faces, and on one published file if it is available."""

import dataclasses

import jax
import numpy as np
import pytest
import scipy.io
from PIL import Image

from tests.helpers import lp_files
from twodasl_jax.data.face_crops import open_face_crops, prepare_face_crops, without_margin
from twodasl_jax.errors import DatasetError
from twodasl_jax.geometry.coefficients import coefficients_from_official
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.frames import crop_from_image
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space, truncate
from twodasl_jax.models.face_model import digest, embedded_face_model
from twodasl_jax.preparation import face300w_lp
from twodasl_jax.preparation.face300w_lp import (
    face300w_lp_source,
    fitted_annotations,
    own_annotations,
    read_face300w_lp,
    split_faces,
)

FACES = 27
COUNT = 2 * FACES


@pytest.fixture(scope="module")
def written(face_model, tmp_path_factory):
    """A folder with two pictures per face, one of them in AFW_Flip, and the true coefficients."""
    folder = tmp_path_factory.mktemp("300W_LP")
    fields, *coefficients = lp_files.random_fields(face_model, COUNT)
    for row, one in enumerate(fields):
        part = "AFW_Flip" if row % 2 else "AFW"
        lp_files.write_pair(folder, f"{part}/AFW_{row // 2:03}_1_{row % 2}", one)
    # Other folders must be ignored.
    for other in ("Code", "landmarks"):
        lp_files.write_pair(folder, f"{other}/AFW_000_1_0", fields[0])
        (folder / other / "AFW_000_1_0.jpg").unlink()
    order = [*range(0, COUNT, 2), *range(1, COUNT, 2)]
    return folder, *(values[order] for values in coefficients)


@pytest.fixture(scope="module")
def faces_read(written):
    return read_face300w_lp(written[0])


@pytest.fixture(scope="module")
def own(face_model, faces_read):
    return own_annotations(face_model, faces_read)


@pytest.fixture(scope="module")
def fitted(face_model, faces_read):
    return fitted_annotations(face_model, faces_read)


@pytest.fixture
def pair(face_model, tmp_path):
    """A folder with one picture, and the fields of its `.mat` file."""
    fields = lp_files.random_fields(face_model, 1)[0][0]
    lp_files.write_pair(tmp_path, "AFW/AFW_1_0", fields)
    return tmp_path, fields


def projected(model, vectors):
    found = coefficients_from_official(vectors, len(model.shape_std))
    return np.asarray(decode(landmark_space(model), found))[..., :2]


def test_all_annotations_are_read_and_other_folders_ignored(faces_read):
    assert len(faces_read.names) == COUNT
    assert faces_read.names[0] == "AFW/AFW_000_1_0"
    assert faces_read.names[-1] == f"AFW_Flip/AFW_{FACES - 1:03}_1_1"


def test_own_coefficients_equal_written_ones(written, own):
    found = coefficients_from_official(own.vectors)
    np.testing.assert_allclose(found.shape, written[1], atol=1e-5)
    np.testing.assert_allclose(found.expression, written[2], atol=1e-5)


def test_own_coefficients_project_to_labels(face_model, faces_read, own):
    landmarks = face300w_lp.labels(faces_read)
    distance = np.linalg.norm(projected(face_model, own.vectors) - landmarks, axis=-1)
    assert np.nanmax(distance) < 0.01
    assert own.error.max() < 1e-4
    np.testing.assert_allclose(own.yaw, faces_read.pose[:, 1], atol=1e-5)


def test_smaller_model_uses_first_components(written, face_model, faces_read):
    annotations = own_annotations(truncate(face_model, 20, 5), faces_read)
    found = coefficients_from_official(annotations.vectors, 20)
    np.testing.assert_allclose(found.shape, written[1][:, :20], atol=1e-5)
    np.testing.assert_allclose(found.expression, written[2][:, :5], atol=1e-5)
    assert 0.001 < np.median(annotations.error) < 0.1


def test_single_face_projects_to_labels(face_model, faces_read):
    one = dataclasses.replace(
        faces_read,
        **{
            field.name: getattr(faces_read, field.name)[:1]
            for field in dataclasses.fields(faces_read)
            if field.name != "folder"
        },
    )
    points = projected(face_model, own_annotations(face_model, one).vectors)
    assert np.nanmax(np.abs(points - face300w_lp.labels(one))) < 0.01


def test_coefficients_of_other_model_are_rejected(face_model, faces_read):
    other = dataclasses.replace(face_model, mean=face_model.mean[:, [2, 1, 0]])
    with pytest.raises(DatasetError, match="not those of this face model"):
        own_annotations(other, faces_read)


def test_larger_model_is_rejected(face_model, faces_read):
    larger = dataclasses.replace(
        face_model,
        expression_basis=np.tile(face_model.expression_basis, 3),
        expression_std=np.tile(face_model.expression_std, 3),
    )
    with pytest.raises(DatasetError, match=r"29 expression coefficients, .* 40 and 30 components"):
        own_annotations(larger, faces_read)


def test_fits_match_labels_and_stored_yaw(faces_read, fitted):
    assert np.percentile(fitted.error, 90) < 0.02
    difference = np.degrees(np.abs(fitted.yaw - faces_read.pose[:, 1]))
    assert np.median(difference) < 3
    assert np.isfinite(fitted.vectors).all()


def test_far_jaw_labels_are_dropped(faces_read):
    missing = np.isnan(face300w_lp.labels(faces_read)[..., 0])
    yaw = faces_read.pose[:, 1]
    assert missing[yaw > 0.3, :8].all()
    assert missing[yaw < -0.3, 9:17].all()
    assert not missing[:, 17:].any()
    assert missing.any(axis=1).sum() < COUNT


def test_all_pictures_of_face_are_in_one_split():
    names = [
        f"{part}/LFPW_image_{face:04}_{pose}"
        for part in ("LFPW", "LFPW_Flip")
        for face in range(60)
        for pose in range(13)
    ]
    rows = split_faces(names)
    assert sorted(np.concatenate(list(rows.values()))) == list(range(len(names)))
    held_out = {names[row].split("_")[-2] for row in rows["validation"]}
    assert held_out == {"0000", "0025", "0050"}
    assert len(rows["validation"]) == 3 * 26
    assert not held_out & {names[row].split("_")[-2] for row in rows["train"]}


def test_stored_records_match_annotations(face_model, faces_read, own, tmp_path):
    source = face300w_lp_source(faces_read, own, digest(face_model), "own coefficients")
    assert source.description == f"300W-LP, {COUNT} pictures, own coefficients"
    prepare_face_crops(source, tmp_path)
    builder = open_face_crops(tmp_path, digest(face_model))
    records = list(builder.as_data_source("validation"))
    assert {record["name"].decode() for record in records} == {
        f"{part}/AFW_{face:03}_1_{pose}"
        for face in (0, 25)
        for part, pose in (("AFW", 0), ("AFW_Flip", 1))
    }
    assert len(builder.as_data_source("train")) == COUNT - 4
    for record in records:
        row = faces_read.names.index(record["name"].decode())
        np.testing.assert_array_equal(record["vector"], own.vectors[row])
        assert record["yaw"] == own.yaw[row]
        assert record["error"] == own.error[row]
        seen = record["visibility"] == 2
        np.testing.assert_array_equal(seen, ~np.isnan(record["landmarks"][:, 0]))
        assert record["visibility"][~seen].max(initial=0) == 0
        x, y = record["landmarks"][30].astype(int)
        assert without_margin(record["image"])[y, x].min() > 200
        # 3DDFA's crop around all labels.
        box = faces_read.boxes[row]
        extent = np.ptp(faces_read.points[row], axis=0).max()
        assert extent == pytest.approx((box[2] - box[0]) / np.sqrt(2), rel=1e-5)


def test_folder_without_pictures_is_rejected(tmp_path):
    with pytest.raises(DatasetError, match=r"contains no pictures: give the folder .*AFW, HELEN"):
        read_face300w_lp(tmp_path)


@pytest.mark.parametrize("suffix", [".jpg", ".mat"])
def test_file_without_counterpart_is_rejected(pair, suffix):
    (pair[0] / "AFW" / f"AFW_1_0{suffix}").unlink()
    with pytest.raises(DatasetError, match=rf"no {suffix} file .* AFW/AFW_1_0\..*remove"):
        read_face300w_lp(pair[0])


def test_damaged_annotation_is_rejected(pair):
    path = pair[0] / "AFW" / "AFW_1_0.mat"
    path.write_bytes(path.read_bytes()[:300])
    with pytest.raises(DatasetError, match=r"1 of 1 .*extract .* again.*AFW_1_0\.mat: it is dam"):
        read_face300w_lp(pair[0])


@pytest.mark.parametrize(
    ("field", "values", "message"),
    [
        ("pt2d", None, "no array pt2d"),
        ("pt2d", np.zeros((2, 21)), r"pt2d has shape \(2, 21\), expected \(2, 68\)"),
        ("pt2d", np.full((2, 68), 7.0), "has no area"),
        ("pt2d", np.arange(136.0).reshape(2, 68) + 1000, "lies outside"),
        ("Pose_Para", np.full((1, 7), np.nan), "Pose_Para has values that are not finite"),
        ("Shape_Para", np.zeros((40, 1)), r"Shape_Para has shape \(40, 1\)"),
        ("Exp_Para", np.zeros((10, 1)), r"Exp_Para has shape \(10, 1\)"),
    ],
)
def test_invalid_annotation_is_rejected(pair, field, values, message):
    folder, fields = pair
    changed = fields | {field: values}
    if values is None:
        del changed[field]
    lp_files.write_pair(folder, "AFW/AFW_2_0", fields)
    scipy.io.savemat(folder / "AFW" / "AFW_2_0.mat", changed)
    with pytest.raises(DatasetError, match=rf"1 of 2 .*AFW_2_0\.mat.*{message}"):
        read_face300w_lp(folder)


def test_single_face_cannot_be_split(pair, face_model):
    faces = read_face300w_lp(pair[0])
    annotations = own_annotations(face_model, faces)
    with pytest.raises(DatasetError, match="made from one photo"):
        face300w_lp_source(faces, annotations, digest(face_model), "own coefficients")


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda path: path.write_bytes(path.read_bytes()[:500]), r"damaged.*extract the archive"),
        (lambda path: Image.new("RGB", (90, 80)).save(path), r"is 90x80 pixels"),
    ],
    ids=["damaged", "of another size"],
)
def test_unusable_picture_is_rejected(pair, face_model, damage, message):
    folder, fields = pair
    lp_files.write_pair(folder, "AFW/AFW_2_0", fields)
    faces = read_face300w_lp(folder)
    source = face300w_lp_source(
        faces, own_annotations(face_model, faces), digest(face_model), "own coefficients"
    )
    damage(folder / "AFW" / "AFW_2_0.jpg")
    with pytest.raises(DatasetError, match=rf"AFW_2_0\.jpg.*{message}"):
        list(source.splits["train"]())


@pytest.fixture(scope="module")
def real(shared_data, tmp_path_factory):
    """The published picture and its annotation."""
    folder = tmp_path_factory.mktemp("real")
    (folder / "IBUG").symlink_to(shared_data / "300wlp_sample", target_is_directory=True)
    return read_face300w_lp(folder)


@pytest.fixture(scope="module")
def basel_landmarks(shared_data):
    """The 68 landmarks of the Basel face model as a face model in mm, with unit deviations."""
    rows = np.load(shared_data / "official" / "bfm68.npz")
    shape, expression = (
        rows[name].reshape(68, 3, -1).astype("f") for name in ("shape_basis", "expression_basis")
    )
    mean = rows["mean"].reshape(68, 3).astype("f") / 1000
    corners = np.arange(68, dtype=np.int32)[:, None].repeat(3, axis=1)
    return MorphableModel(
        mean=mean - mean.mean(axis=0),
        shape_basis=shape,
        shape_std=np.ones(shape.shape[-1], "f"),
        expression_basis=expression,
        expression_std=np.ones(expression.shape[-1], "f"),
        triangles=corners[:1],
        landmark_vertices=corners,
        landmark_weights=np.eye(3, dtype="f")[np.zeros(68, int)],
        uv=np.zeros((1, 2), "f"),
        uv_triangles=np.zeros((1, 3), np.int32),
        mirror=np.arange(68, dtype=np.int32),
    )


def test_published_coefficients_match_labels_except_on_far_cheek(basel_landmarks, real):
    annotations = own_annotations(basel_landmarks, real)
    points = np.asarray(crop_from_image(real.points, real.boxes))[0]
    gaps = np.linalg.norm(projected(basel_landmarks, annotations.vectors)[0] - points, axis=-1)
    percent = 100 * gaps / np.sqrt(np.prod(np.ptp(points, axis=0)))
    # The labels were not made from the coefficients, and only the first 40 and 10 coefficients are
    # used here.
    assert 1.5 < percent[17:].mean() < 2.5
    assert annotations.error[0] < 0.04
    # Far jaw labels are on the outline, a quarter of the face away. This is why they are dropped.
    far = np.isnan(face300w_lp.labels(real)[0, :, 0])
    assert far.nonzero()[0].tolist() == list(range(9, 17))
    assert percent[far].max() > 20


def test_fit_matches_published_yaw(real):
    fits = fitted_annotations(embedded_face_model(), real)
    assert fits.error[0] < 0.03
    assert np.degrees(np.abs(fits.yaw[0] - real.pose[0, 1])) < 3
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(vars(fits)))
