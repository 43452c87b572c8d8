"""Prediction files: matching by name, failures, and errors for unsuitable files."""

import dataclasses

import numpy as np
import pytest

from twodasl_jax.errors import DatasetError
from twodasl_jax.geometry.morphable_model import LandmarkRows
from twodasl_jax.protocols import predictions
from twodasl_jax.protocols.annotated_photos import select
from twodasl_jax.protocols.predictions import Predictions, read_predictions


def write(tmp_path, names, landmarks, **more):
    path = tmp_path / "mine.npz"
    np.savez(path, names=names, landmarks=landmarks, **more)
    return path


def test_matches_names_in_any_order_and_with_any_suffix(tmp_path, photos, faces):
    names = [f"{name}.png" for name in faces.names[::-1]]
    more = {"pose": faces.pose[::-1], "vertices": faces.points[::-1, :5]}
    found = read_predictions(write(tmp_path, names, faces.points[::-1], **more), photos)
    np.testing.assert_array_equal(found.landmarks, faces.points)
    np.testing.assert_allclose(found.pose, faces.pose, atol=1e-5)
    np.testing.assert_array_equal(found.vertices, faces.points[:, :5])
    assert found.shape is None
    assert found.missing() == []


def test_missing_and_nan_predictions_are_failures(tmp_path, photos, faces):
    landmarks = faces.points[[0, 2, 3], :, :2].copy()
    landmarks[1, 7, 0] = np.nan
    names = [faces.names[row] for row in (0, 2, 3)]
    found = read_predictions(write(tmp_path, names, landmarks, pose=faces.pose[:3]), photos)
    assert found.missing() == [1, 2, 4, 5]
    # One landmark that is not finite invalidates the whole prediction of the face.
    for values in (found.landmarks, found.pose):
        assert np.isnan(values[[1, 2, 4, 5]]).all()
        assert np.isfinite(values[[0, 3]]).all()


def test_name_list_selects_subset(tmp_path, photos, faces):
    (tmp_path / "names.txt").write_text(f"{faces.names[4]}.jpg\n\n{faces.names[1]}\n")
    rows = predictions.listed_rows(tmp_path / "names.txt", photos.names)
    assert rows.tolist() == [4, 1]
    subset = select(photos, rows)
    assert subset.names == (faces.names[4], faces.names[1])
    np.testing.assert_array_equal(subset.yaw, faces.yaw[[4, 1]].astype("f"))
    np.testing.assert_array_equal(subset.annotations["original"].points, faces.points[[4, 1]])
    found = predictions.select_predictions(Predictions("m", faces.points, pose=faces.pose), rows)
    np.testing.assert_array_equal(found.landmarks, faces.points[[4, 1]])
    np.testing.assert_array_equal(found.pose, faces.pose[[4, 1]])
    assert found.vertices is None
    (tmp_path / "names.txt").write_text("\n")
    with pytest.raises(DatasetError, match="lists no names"):
        predictions.listed_rows(tmp_path / "names.txt", photos.names)


def test_names_may_be_bytes_and_paths(tmp_path, photos, faces):
    names = [f"photos/{name}.jpg".encode() for name in faces.names]
    found = read_predictions(write(tmp_path, names, faces.points), photos)
    assert found.missing() == []


def test_rejects_text_instead_of_numbers(tmp_path, photos, faces):
    path = write(tmp_path, faces.names, faces.points.astype(str))
    with pytest.raises(DatasetError, match="landmarks must hold numbers"):
        read_predictions(path, photos)


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        (["image00002", "a", "b"], r"does not have: a, b; the test set.s first is image00002"),
        (["image00002", "image00003", "image00002.jpg"], "more than once: image00002"),
    ],
)
def test_error_lists_unmatched_names(tmp_path, photos, names, reason):
    path = write(tmp_path, names, np.zeros((3, 68, 2)))
    with pytest.raises(DatasetError, match=rf"mine\.npz.*{reason}"):
        read_predictions(path, photos)


@pytest.mark.parametrize(
    ("shape", "reason"),
    [
        ((6, 66, 2), r"\(6, 66, 2\), but this test set needs \(N, 68, 2 or 3\)"),
        ((6, 68, 4), r"\(6, 68, 4\)"),
        (
            (5, 68, 2),
            r"landmarks has shape \(5, 68, 2\), expected \(6, any, any\)\.",
        ),
        ((6, 136), r"landmarks has shape \(6, 136\), expected \(6, any, any\)"),
    ],
)
def test_rejects_landmarks_of_other_shape(tmp_path, photos, faces, shape, reason):
    path = write(tmp_path, faces.names, np.zeros(shape))
    with pytest.raises(DatasetError, match=reason):
        read_predictions(path, photos)


def test_rejects_empty_meshes(tmp_path, photos, faces):
    path = write(tmp_path, faces.names, faces.points, vertices=np.zeros((6, 0, 3)))
    with pytest.raises(DatasetError, match=r"mine\.npz: vertices holds empty meshes"):
        read_predictions(path, photos)


def test_write_and_read_predictions(tmp_path, photos, faces):
    own = Predictions("mine", faces.points, None, faces.pose.astype("f"), faces.shape.astype("f"))
    predictions.write_predictions(tmp_path / "own.npz", own, photos.names)
    again = read_predictions(tmp_path / "own.npz", photos)
    for name in ("landmarks", "pose", "shape"):
        np.testing.assert_array_equal(getattr(again, name), getattr(own, name))


def test_points_on_meshes_match_hand_computed_values(photos):
    vertices = np.array([[[0, 0, 0], [4, 0, 0], [0, 8, 0]]], "f")
    found = Predictions("mine", np.zeros((1, 68, 3), "f"), vertices)
    corners, weights = np.tile([[1, 1, 1]], (68, 1)), np.tile(np.float32([[1, 0, 0]]), (68, 1))
    corners[0], weights[0] = [0, 1, 2], [0.5, 0.25, 0.25]
    moved = predictions.points_on_meshes(found, LandmarkRows(corners, weights), photos)
    np.testing.assert_array_equal(moved.landmarks[0, :2], [[1, 2, 0], [4, 0, 0]])
    with pytest.raises(DatasetError, match=r"shape \(1, 21, 3\), but this test set needs \(N, 68"):
        predictions.points_on_meshes(found, LandmarkRows(corners[:21], weights[:21]), photos)
    bare = Predictions("mine", found.landmarks)
    with pytest.raises(DatasetError, match="predictions of mine have none"):
        predictions.points_on_meshes(bare, LandmarkRows(corners, weights), photos)


def test_error_truncates_long_lists_of_names(tmp_path, photos):
    names = [f"x{number}" for number in range(30)]
    with pytest.raises(DatasetError, match=r"x18, x19 and 10 more; the test set"):
        read_predictions(write(tmp_path, names, np.zeros((30, 68, 2))), photos)


def test_accepts_landmark_count_of_test_set(tmp_path, photos, faces):
    annotation = photos.annotations["original"]
    few = dataclasses.replace(
        annotation, points=annotation.points[:, :34], visible=annotation.visible[:, :34]
    )
    photos = dataclasses.replace(photos, annotations={"original": few})
    found = read_predictions(write(tmp_path, faces.names, np.zeros((6, 34, 2))), photos)
    assert found.landmarks.shape == (6, 34, 2)
