"""Reading AFLW-LFPA, and test sets in one `annotations.npz`."""

import numpy as np
import pytest
import scipy.io

from tests.helpers.protocol_files import write_aflw_lfpa, write_annotations
from twodasl_jax.errors import DatasetError
from twodasl_jax.geometry.frames import crop_from_image
from twodasl_jax.protocols.aflw_lfpa import read_aflw_lfpa
from twodasl_jax.protocols.annotations import read_annotated_photos

BOXES = np.array([[10.0, 20.0, 110.0, 220.0], [0.0, 0.0, 50.0, 50.0]])


@pytest.fixture
def lfpa(tmp_path, faces):
    points = faces.points[:2, :34, :2]
    visible = np.random.default_rng(0).integers(0, 2, (2, 34))
    write_aflw_lfpa(tmp_path, points, visible, BOXES)
    return points, visible


def test_reads_lfpa_landmarks_visibility_and_sizes(tmp_path, lfpa):
    points, visible = lfpa
    photos = read_aflw_lfpa(tmp_path)
    assert photos.names == ("1", "2")
    assert all(photo.is_file() for photo in photos.photos)
    annotation = photos.annotations["original"]
    np.testing.assert_array_equal(annotation.visible, visible)
    np.testing.assert_allclose(annotation.points[visible == 1], points[visible == 1])
    assert np.isnan(annotation.points[visible == 0]).all()
    np.testing.assert_allclose(photos.sizes, [np.sqrt(100 * 200), 50])
    # A square around the centre (60, 120). Its side is sqrt(2) times the height of the box.
    half = 100 * np.sqrt(2)
    np.testing.assert_allclose(photos.boxes[0], [60 - half, 120 - half, 60 + half, 120 + half])


def test_rejects_lfpa_with_missing_or_misshapen_fields(tmp_path, lfpa):
    scipy.io.savemat(tmp_path / "Landmark.mat", {"phisT": np.zeros((2, 38))})
    with pytest.raises(DatasetError, match=r"phisT has shape \(2, 38\), expected \(any, 102\)"):
        read_aflw_lfpa(tmp_path)
    scipy.io.savemat(tmp_path / "Landmark.mat", {"phis": np.zeros((2, 102))})
    with pytest.raises(DatasetError, match=r"Landmark\.mat: it has no array phisT"):
        read_aflw_lfpa(tmp_path)
    (tmp_path / "Landmark.mat").unlink()
    with pytest.raises(DatasetError, match=r"Landmark\.mat: No such file"):
        read_aflw_lfpa(tmp_path)


def test_reads_required_annotations(tmp_path, faces):
    write_annotations(tmp_path, faces)
    photos = read_annotated_photos(tmp_path)
    assert photos.names == tuple(faces.names)
    assert all(photo.is_file() for photo in photos.photos)
    assert list(photos.annotations) == ["original"]
    assert photos.annotations["original"].visible.all()
    assert photos.pose is None
    assert photos.detected is None


def test_reads_optional_annotations(tmp_path, faces):
    reannotated = faces.points[..., :2].swapaxes(1, 2) + 2
    visible = np.random.default_rng(0).integers(0, 2, (6, 68))
    detected = np.asarray(crop_from_image(faces.points[..., :2], faces.boxes))
    more = {
        "pts68_reannotated": reannotated,
        "visible": visible,
        "pose": faces.pose,
        "fan68_crop": detected,
    }
    write_annotations(tmp_path, faces, **more)
    photos = read_annotated_photos(tmp_path)
    np.testing.assert_allclose(photos.annotations["reannotated"].points, faces.points[..., :2] + 2)
    np.testing.assert_array_equal(photos.annotations["original"].visible, visible)
    np.testing.assert_allclose(photos.detected, faces.points[..., :2], atol=1e-3)
    np.testing.assert_allclose(photos.pose, faces.pose, atol=1e-5)


def test_errors_name_misshapen_arrays_and_repeated_names(tmp_path, faces):
    write_annotations(tmp_path, faces, visible=np.ones((6, 34)))
    with pytest.raises(DatasetError, match=r"visible has shape \(6, 34\), expected \(6, 68\)"):
        read_annotated_photos(tmp_path)
    arrays = dict(np.load(tmp_path / "annotations.npz"))
    arrays["names"][3] = arrays["names"][0]
    del arrays["visible"]
    np.savez(tmp_path / "annotations.npz", **arrays)
    with pytest.raises(DatasetError, match="more than once: image00002"):
        read_annotated_photos(tmp_path)
