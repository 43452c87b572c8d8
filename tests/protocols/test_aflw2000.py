"""Reading the published files of AFLW2000-3D, and the errors for faulty files."""

import dataclasses

import numpy as np
import pytest
import scipy.io

from tests.helpers.protocol_files import write_aflw2000
from twodasl_jax.errors import DatasetError
from twodasl_jax.protocols.aflw2000 import read_aflw2000, without_undetected
from twodasl_jax.protocols.annotated_photos import select


@pytest.fixture
def folder(tmp_path, faces):
    write_aflw2000(tmp_path / "set", faces)
    return tmp_path / "set"


def test_reads_landmarks_pose_and_crops(folder, faces):
    photos = read_aflw2000(folder)
    assert photos.names == tuple(faces.names)
    assert all(photo.is_file() for photo in photos.photos)
    assert list(photos.annotations) == ["original"]
    np.testing.assert_array_equal(photos.annotations["original"].points, faces.points)
    np.testing.assert_allclose(photos.pose, faces.pose, atol=0.01)
    np.testing.assert_allclose(photos.yaw, faces.yaw, atol=0.01)
    np.testing.assert_allclose(photos.boxes, faces.boxes, atol=1e-3)


def test_crop_is_square_of_sqrt2_times_larger_extent(folder, faces):
    photos = read_aflw2000(folder)
    extent = np.ptp(faces.points[..., :2], axis=1).max(axis=1)
    np.testing.assert_allclose(
        photos.boxes[:, 2:] - photos.boxes[:, :2], np.sqrt(2) * extent[:, None] * [1, 1], rtol=1e-5
    )


def test_reannotated_landmarks_and_boxes_follow_name_order(folder, faces, tmp_path):
    np.save(tmp_path / "again.npy", faces.points[..., :2].swapaxes(1, 2) + 1)
    np.save(tmp_path / "boxes.npy", np.tile([10.0, 20, 110, 120], (6, 1)))
    photos = read_aflw2000(folder, tmp_path / "again.npy", tmp_path / "boxes.npy")
    again = photos.annotations["reannotated"].points
    np.testing.assert_allclose(again, faces.points[..., :2] + 1)
    np.testing.assert_array_equal(photos.boxes, np.tile([10, 20, 110, 120], (6, 1)))
    assert photos.crop == "boxes.npy"


@pytest.mark.parametrize(
    ("rows", "reason"),
    [
        (np.zeros((5, 2, 68)), r"\(5, 2, 68\), expected \(6, 2, 68\)"),
        (np.array([None]), "it is damaged, or not a .npy file"),
    ],
)
def test_rejects_reannotated_landmarks_of_other_shape(folder, tmp_path, rows, reason):
    np.save(tmp_path / "again.npy", rows, allow_pickle=True)
    with pytest.raises(DatasetError, match=rf"again\.npy.*{reason}"):
        read_aflw2000(folder, tmp_path / "again.npy")


def test_error_names_all_faulty_annotations(folder):
    (folder / "image00002.mat").unlink()
    (folder / "image00004.mat").write_bytes(b"no mat")
    scipy.io.savemat(folder / "image00005.mat", {"Pose_Para": np.zeros((1, 7))})
    scipy.io.savemat(
        folder / "image00006.mat",
        {"Pose_Para": np.zeros((1, 7)), "pt3d_68": np.full((3, 68), np.nan)},
    )
    with pytest.raises(DatasetError) as error:
        read_aflw2000(folder)
    message = str(error.value)
    assert "4 of 6 annotations cannot be used" in message
    assert "image00002.mat: No such file" in message
    assert "image00004.mat: it is damaged, or not a .mat file" in message
    assert "image00005.mat: it has no array pt3d_68" in message
    assert "image00006.mat: pt3d_68 has values that are not finite" in message


def test_error_names_annotation_without_image(folder):
    (folder / "image00003.jpg").unlink()
    with pytest.raises(DatasetError, match="annotations without an image: image00003"):
        read_aflw2000(folder)


def test_rejects_folder_without_images(tmp_path):
    with pytest.raises(DatasetError, match="There are no images in"):
        read_aflw2000(tmp_path)


def test_official_evaluation_leaves_out_two_of_2000_faces(folder):
    photos = read_aflw2000(folder)
    with pytest.raises(DatasetError, match="has 6: give the whole set"):
        without_undetected(photos)
    whole = select(photos, np.arange(2000) % 6)
    whole = dataclasses.replace(whole, names=tuple(f"{row:04d}" for row in range(2000)))
    kept = without_undetected(whole)
    assert set(whole.names) - set(kept.names) == {"1081", "1798"}
    assert len(kept.boxes) == len(kept.annotations["original"].points) == 1998
