"""Tests of labelled images: every form of labels, the crops, and faulty input."""

import zipfile

import numpy as np
import pytest

from tests.helpers import formula_faces
from twodasl_jax.data.face_crops import without_margin
from twodasl_jax.errors import DatasetError
from twodasl_jax.geometry.frames import image_from_crop
from twodasl_jax.preparation.file_sets import open_files
from twodasl_jax.preparation.labelled_images import (
    crop_faces,
    keep_faces,
    read_crop,
    read_labelled_images,
)

COUNT = 4


@pytest.fixture(scope="module")
def landmarks(face_model):
    """The (COUNT, 68, 2) labels in pictures of 300x200 pixels."""
    return formula_faces.random_faces(face_model, COUNT)[-1][..., :2] + np.float32([60, 40])


@pytest.fixture(scope="module")
def pictures():
    """The PNG content of each picture by name, in two subfolders."""
    random = np.random.default_rng(0)
    photos = random.integers(0, 256, (COUNT, 200, 300, 3), np.uint8)
    return {
        f"{'ab'[row % 2]}/face{row}.png": formula_faces.png(photo)
        for row, photo in enumerate(photos)
    }


@pytest.fixture(params=["folder", "archive"])
def write(request, tmp_path):
    """A function that writes named files into a folder or a zip archive."""

    def write(files):
        source = tmp_path / "faces"
        if request.param == "archive":
            with zipfile.ZipFile(source, "w") as archive:
                for name, content in files.items():
                    archive.writestr(name, content)
            return source
        source.mkdir()
        for name, content in files.items():
            (source / name).parent.mkdir(parents=True, exist_ok=True)
            (source / name).write_bytes(content if isinstance(content, bytes) else content.encode())
        return source

    return write


def npz(tmp_path, pictures, landmarks, **arrays):
    path = tmp_path / "arrays.npz"
    np.savez(path, names=np.array(list(pictures)), pts68=landmarks, **arrays)
    return {"annotations.npz": path.read_bytes()}


def with_pts(pictures, landmarks):
    stems = (name.removesuffix(".png") for name in pictures)
    return {
        f"{stem}.pts": formula_faces.pts(points)
        for stem, points in zip(stems, landmarks, strict=True)
    }


def with_csv(pictures, landmarks, visibility=None):
    return {"annotations.csv": formula_faces.table(list(pictures), landmarks, visibility)}


def by_name(images):
    return dict(zip(images.names, images.landmarks, strict=True))


@pytest.mark.parametrize("form", ["pts", "npz", "csv"])
def test_all_forms_of_labels_are_equivalent(write, tmp_path, pictures, landmarks, form):
    labels = {
        "pts": lambda: with_pts(pictures, landmarks),
        "npz": lambda: npz(tmp_path, pictures, landmarks),
        "csv": lambda: with_csv(pictures, landmarks),
    }[form]()
    images = read_labelled_images(write(pictures | labels))
    assert sorted(images.names) == sorted(pictures)
    for name, points in zip(pictures, landmarks, strict=True):
        np.testing.assert_allclose(by_name(images)[name], points, rtol=1e-6)
    assert (images.visibility == 2).all()
    assert images.boxes is None


def test_folder_and_archive_give_same_crops(tmp_path, pictures, landmarks):
    files = pictures | npz(tmp_path, pictures, landmarks)
    folder, archive = tmp_path / "folder", tmp_path / "faces.zip"
    with zipfile.ZipFile(archive, "w") as written:
        for name, content in files.items():
            written.writestr(name, content)
    with zipfile.ZipFile(archive) as written:
        written.extractall(folder)
    one, other = (crop_faces(read_labelled_images(source)) for source in (folder, archive))
    np.testing.assert_array_equal(one.landmarks, other.landmarks)
    with open_files(folder) as in_folder, open_files(archive) as in_archive:
        for row in range(COUNT):
            np.testing.assert_array_equal(
                read_crop(in_folder, one, row), read_crop(in_archive, other, row)
            )


def test_names_are_relative_to_file_that_lists_them(write, pictures, landmarks):
    files = {f"top/{name}": content for name, content in pictures.items()}
    table = with_csv(pictures, landmarks)["annotations.csv"]
    images = read_labelled_images(write({**files, "top/annotations.csv": table}))
    assert images.names == tuple(files)


def test_folder_with_archive_of_pictures(face_folder, crops, face_model):
    points = formula_faces.random_faces(face_model)[-1]
    assert crops.names == tuple(formula_faces.names())
    np.testing.assert_array_equal(crops.landmarks, points[..., :2])
    assert (crops.visibility[::5, 17:22] == 1).all()
    with open_files(face_folder) as files:
        picture = read_crop(files, crops, 3)
    np.testing.assert_array_equal(without_margin(picture), formula_faces.draw(points[3]))
    assert not picture[:12].any()


def test_missing_landmarks_are_unlabelled(write, tmp_path, pictures, landmarks):
    landmarks, visibility = landmarks.copy(), np.full((COUNT, 68), 2)
    landmarks[0, 3, 0] = np.nan
    visibility[1, 5], visibility[2, 7] = 0, 1
    images = read_labelled_images(
        write(pictures | npz(tmp_path, pictures, landmarks, visibility=visibility))
    )
    assert images.visibility[[0, 1, 2], [3, 5, 7]].tolist() == [0, 0, 1]
    missing = np.isnan(images.landmarks)
    assert missing.sum() == 4
    assert missing[0, 3].all()
    assert missing[1, 5].all()


def test_without_visibility_present_landmarks_are_visible(write, pictures, landmarks):
    landmarks = landmarks.copy()
    landmarks[0, 3] = np.nan
    images = read_labelled_images(write(pictures | with_csv(pictures, landmarks)))
    np.testing.assert_array_equal(images.visibility, np.where(np.isnan(landmarks[..., 0]), 0, 2))


def test_boxes_follow_3ddfa_rule(write, pictures, landmarks):
    images = read_labelled_images(write(pictures | with_csv(pictures, landmarks)))
    crops = crop_faces(images)
    low, high = crops.landmarks.min(axis=1), crops.landmarks.max(axis=1)
    np.testing.assert_allclose((low + high) / 2, 60, atol=1e-3)
    np.testing.assert_allclose((high - low).max(axis=1), 120 / np.sqrt(2), rtol=1e-4)
    np.testing.assert_allclose(image_from_crop(crops.landmarks, crops.boxes), landmarks, atol=1e-3)


def test_boxes_of_source_are_used(write, tmp_path, pictures, landmarks):
    boxes = np.tile([60, 40, 180, 160], (COUNT, 1))
    images = read_labelled_images(write(pictures | npz(tmp_path, pictures, landmarks, boxes=boxes)))
    crops = crop_faces(keep_faces(images, np.array([False, True, True, True])))
    np.testing.assert_array_equal(crops.boxes, boxes[1:])
    np.testing.assert_allclose(crops.landmarks, landmarks[1:] - [60, 40], rtol=1e-6)


def first_crop(source, **options):
    crops = crop_faces(read_labelled_images(source), **options)
    with open_files(source) as files:
        return read_crop(files, crops, 0)


def assert_rejected(source, sentence, **options):
    """Checks that reading the first crop fails with the path and a sentence in the message."""
    with pytest.raises(DatasetError) as raised:
        first_crop(source, **options)
    assert str(source) in str(raised.value)
    assert sentence in str(raised.value)


def test_folder_without_pictures_is_rejected(write):
    assert_rejected(write({"readme.txt": "nothing"}), "contains no pictures")


def test_pictures_without_any_landmarks_are_rejected(write, pictures):
    assert_rejected(write(pictures), "contains no landmarks: add .pts files")


def test_picture_without_landmarks_is_reported(write, pictures, landmarks):
    files = pictures | with_pts(pictures, landmarks)
    del files["b/face1.pts"], files["b/face3.pts"]
    assert_rejected(write(files), "2 of its pictures have no landmarks, first b/face1.png")


@pytest.mark.parametrize(("form", "missed"), [(with_pts, "b/face1.pts"), (with_csv, "b/face1.png")])
def test_landmarks_without_picture_are_reported(write, pictures, landmarks, form, missed):
    files = pictures | form(pictures, landmarks)
    del files["b/face1.png"]
    assert_rejected(
        write(files), f"1 of its pictures have landmarks but no file, first {missed}; add"
    )


def test_two_forms_of_labels_are_rejected(write, pictures, landmarks):
    files = pictures | with_pts(pictures, landmarks) | with_csv(pictures, landmarks)
    assert_rejected(write(files), "more than once, in annotations.csv and a/face0.pts")


def test_repeated_name_is_rejected(write, pictures, landmarks):
    table = formula_faces.table([*pictures, "a/face2.png"], landmarks[[0, 1, 2, 3, 0]])
    assert_rejected(
        write({**pictures, "annotations.csv": table}),
        "are listed more than once, first a/face2.png",
    )


def test_pictures_that_share_pts_file_are_rejected(write, pictures, landmarks):
    files = pictures | with_pts(pictures, landmarks)
    files["a/face0.jpg"] = files["a/face0.png"]
    assert_rejected(write(files), "which would share a/face0.pts")


def test_wrong_number_of_landmarks_is_rejected(write, pictures, landmarks):
    files = pictures | with_pts(pictures, landmarks[:, :39])
    assert_rejected(write(files), "a/face0.pts: it has 39 landmarks, not 68")


def test_infinite_landmark_is_rejected(write, pictures, landmarks):
    landmarks = landmarks.copy()
    landmarks[2, 3, 1] = np.inf
    assert_rejected(write(pictures | with_csv(pictures, landmarks)), "a/face2.png is infinite")


def test_face_without_crop_is_reported(write, pictures, landmarks):
    landmarks = landmarks.copy()
    landmarks[1, 1:] = np.nan
    landmarks[2] = np.nan
    assert_rejected(
        write(pictures | with_csv(pictures, landmarks)),
        "2 faces have fewer than two landmarks, first b/face1.png",
    )


def test_invalid_box_is_reported(write, tmp_path, pictures, landmarks):
    boxes = np.tile([60.0, 40, 180, 160], (COUNT, 1))
    boxes[1, 2] = 60
    assert_rejected(
        write(pictures | npz(tmp_path, pictures, landmarks, boxes=boxes)),
        "1 faces have an invalid box, first b/face1.png",
    )


def test_box_outside_picture_is_reported(write, pictures, landmarks):
    assert_rejected(
        write(pictures | with_csv(pictures, landmarks + 300)),
        "outside the photo of 300x200 pixels; are boxes and landmarks in pixels of this picture?",
    )


@pytest.mark.parametrize(("content", "fault"), [(b"no picture", "not a picture"), (b"", "empty")])
def test_unreadable_picture_is_reported(write, pictures, landmarks, content, fault):
    files = pictures | with_csv(pictures, landmarks)
    files["a/face0.png"] = content
    assert_rejected(write(files), f"a/face0.png: {'it is' if content else 'the file is'} {fault}")


def test_whole_pictures_must_have_crop_size(write, pictures, landmarks):
    assert_rejected(
        write(pictures | with_csv(pictures, landmarks)),
        "a/face0.png is 300x200 pixels, but whole pictures must be crops of 120x120",
        whole_pictures=True,
    )
