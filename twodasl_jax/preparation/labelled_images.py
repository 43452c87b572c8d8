"""In-the-wild images of any size with 68 labels each, from a folder or a zip archive.

The labels have one of these forms (`landmark_files`):

  NAME.pts           a file beside each picture NAME.jpg, .png, ...
  annotations.npz    names (N,), pts68 (N, 68, 2), optionally visibility (N, 68) and boxes (N, 4)
  annotations.csv    name,x0,y0,...,x67,y67 and optionally v0,...,v67

The names are the paths of the pictures relative to the file that lists them. The pictures may be in
subfolders, or in an archive `images.zip` in the folder.
"""

import collections
import dataclasses
import pathlib
import posixpath
from collections.abc import Callable, Collection, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from twodasl_jax.data.face_crops import NOT_LABELLED, VISIBLE
from twodasl_jax.errors import BoxError, DatasetError, PhotoError
from twodasl_jax.geometry.frames import CROP_SIZE, box_from_landmarks, crop_from_image
from twodasl_jax.imaging.crops import check_box
from twodasl_jax.imaging.photos import decode_photo, is_picture
from twodasl_jax.preparation.file_sets import FileSet, open_files
from twodasl_jax.preparation.landmark_files import Labels, parse_csv, parse_npz, parse_pts
from twodasl_jax.preparation.records import stored_picture

_TABLES: dict[str, Callable[[bytes, pathlib.Path], Labels]] = {
    "annotations.npz": parse_npz,
    "annotations.csv": parse_csv,
}
_FORMS = ".pts files beside the pictures, annotations.npz or annotations.csv"


@dataclasses.dataclass(frozen=True, eq=False)
class LabelledImages:
    """N pictures with the labels of one face each.

    Attributes:
      source: the folder or zip archive.
      names: the N picture files in it.
      landmarks: the (N, 68, 2) labels in the image frame, nan where missing.
      visibility: (N, 68) 0 for unlabelled, 1 for hidden and 2 for visible landmarks.
      boxes: (N, 4) x0, y0, x1, y1 of the crops in the image frame, or None if the source has none.
    """

    source: pathlib.Path
    names: tuple[str, ...]
    landmarks: Float[np.ndarray, "N 68 2"]
    visibility: Int[np.ndarray, "N 68"]
    boxes: Float[np.ndarray, "N 4"] | None


@dataclasses.dataclass(frozen=True, eq=False)
class LabelledCrops:
    """The crops of N faces with their labels.

    Attributes:
      source: the folder or zip archive.
      names: the N picture files in it.
      boxes: (N, 4) x0, y0, x1, y1 of the crops in the image frame.
      landmarks: the (N, 68, 2) labels in the crop frame, nan where missing.
      visibility: (N, 68) 0 for unlabelled, 1 for hidden and 2 for visible landmarks.
      whole_pictures: whether the pictures are 120x120 crops already.
    """

    source: pathlib.Path
    names: tuple[str, ...]
    boxes: Float[np.ndarray, "N 4"]
    landmarks: Float[np.ndarray, "N 68 2"]
    visibility: Int[np.ndarray, "N 68"]
    whole_pictures: bool


def read_labelled_images(source: pathlib.Path) -> LabelledImages:
    """Reads the names and the labels of all pictures, without opening the pictures.

    Without visibility, all present landmarks count as visible. The faces have the order of the file
    that lists them, or of their names.

    Args:
      source: the folder or zip archive.

    Raises:
      DatasetError: if there are no pictures, if the labels are missing, damaged or in several
        forms, or if pictures and labels do not match.
    """
    with open_files(source) as files:
        pictures = [name for name in files.readers if is_picture(name)]
        if not pictures:
            raise DatasetError(
                f"{source} contains no pictures: give the folder or zip file of the pictures."
            )
        labels = _read_labels(files, pictures)
    _check_names(source, pictures, labels.names)
    if np.isinf(labels.landmarks).any():
        row = np.isinf(labels.landmarks).any((1, 2)).argmax()
        raise DatasetError(
            f"A landmark of {source / labels.names[row]} is infinite: write nan if it is missing."
        )
    missing = np.isnan(labels.landmarks).any(-1)
    if labels.visibility is not None:
        missing |= labels.visibility == NOT_LABELLED
    visibility = VISIBLE if labels.visibility is None else labels.visibility
    return LabelledImages(
        source=source,
        names=labels.names,
        landmarks=np.where(missing[..., None], np.float32(np.nan), labels.landmarks),
        visibility=np.where(missing, NOT_LABELLED, visibility).astype(np.int8),
        boxes=labels.boxes,
    )


def _read_labels(files: FileSet, pictures: Sequence[str]) -> Labels:
    tables = [name for name in files.readers if posixpath.basename(name) in _TABLES]
    pts_files = [name for name in files.readers if name.lower().endswith(".pts")]
    found = tables + pts_files[:1]
    if not found:
        raise DatasetError(f"{files.path} contains no landmarks: add {_FORMS}.")
    if len(found) > 1:
        raise DatasetError(
            f"{files.path} contains landmarks more than once, in {' and '.join(found)}: keep only one of {_FORMS}."
        )
    if pts_files:
        return _read_pts(files, pts_files, pictures)
    folder, form = posixpath.split(tables[0])
    labels = _TABLES[form](files.read(tables[0]), files.path / tables[0])
    names = tuple(posixpath.join(folder, name) for name in labels.names)
    return dataclasses.replace(labels, names=names)


def _read_pts(files: FileSet, pts_files: Sequence[str], pictures: Sequence[str]) -> Labels:
    by_stem: dict[str, str] = {}
    for picture in pictures:
        stem = posixpath.splitext(picture)[0]
        if stem in by_stem:
            raise DatasetError(
                f"{files.path} contains {by_stem[stem]} and {picture}, which would share {stem}.pts: rename one."
            )
        by_stem[stem] = picture
    # A .pts file without a picture keeps its own name, which `_check_names` reports.
    names = [by_stem.get(posixpath.splitext(name)[0], name) for name in pts_files]
    landmarks = [parse_pts(files.read(name), files.path / name) for name in pts_files]
    return Labels(tuple(names), np.stack(landmarks))


def _check_names(source: pathlib.Path, pictures: Collection[str], names: Collection[str]) -> None:
    """Raises unless every picture has labels exactly once, and all labels have a picture."""
    counts, existing = collections.Counter(names), set(pictures)
    repeated = [name for name, count in counts.items() if count > 1]
    without_picture = [name for name in counts if name not in existing]
    without_labels = [name for name in pictures if name not in counts]
    for faulty, fault, remedy in (
        (repeated, "are listed more than once", "give one face per picture"),
        (without_picture, "have landmarks but no file", "add the pictures, or remove the rest"),
        (without_labels, "have no landmarks", "add the landmarks, or remove the rest"),
    ):
        if faulty:
            raise DatasetError(
                f"{source}: {len(faulty)} of its pictures {fault}, first {faulty[0]}; {remedy}."
            )


def keep_faces(images: LabelledImages, kept: Bool[np.ndarray, " N"]) -> LabelledImages:
    """Returns the faces of a mask.

    Args:
      images: the N faces.
      kept: (N,) True for the faces to keep.
    """
    return dataclasses.replace(
        images,
        names=tuple(name for name, keep in zip(images.names, kept, strict=True) if keep),
        landmarks=images.landmarks[kept],
        visibility=images.visibility[kept],
        boxes=None if images.boxes is None else images.boxes[kept],
    )


def whole_boxes(count: int) -> Float[np.ndarray, "N 4"]:
    """Returns the crop boxes of N pictures that are 120x120 crops already."""
    return np.tile(np.array([0, 0, CROP_SIZE, CROP_SIZE], np.float32), (count, 1))


def crop_faces(images: LabelledImages, whole_pictures: bool = False) -> LabelledCrops:
    """Computes the crop box of each face and its labels in the crop frame.

    The boxes are those of the source, or else follow from the labels by 3DDFA's rule
    (`box_from_landmarks`).

    Args:
      images: the faces.
      whole_pictures: whether the pictures are 120x120 crops already. The boxes of the source are
        then ignored.

    Raises:
      DatasetError: if a face has no crop, because its box is invalid or it has fewer than two
        landmarks.
    """
    if whole_pictures:
        boxes = whole_boxes(len(images.names))
    elif images.boxes is not None:
        boxes = images.boxes
    else:
        boxes = np.asarray(box_from_landmarks(images.landmarks))
    bad = ~(np.isfinite(boxes).all(-1) & (boxes[:, :2] < boxes[:, 2:]).all(-1))
    if bad.any():
        cause = "fewer than two landmarks" if images.boxes is None else "an invalid box"
        raise DatasetError(
            f"{images.source}: {bad.sum()} faces have {cause}, first {images.names[bad.argmax()]}; give boxes "
            "x0, y0, x1, y1, or remove these faces."
        )
    return LabelledCrops(
        source=images.source,
        names=images.names,
        boxes=boxes,
        landmarks=np.asarray(crop_from_image(images.landmarks, boxes)),
        visibility=images.visibility,
        whole_pictures=whole_pictures,
    )


def read_crop(files: FileSet, crops: LabelledCrops, row: int) -> UInt8[np.ndarray, "144 144 3"]:
    """Reads the picture of one face and returns its crop with the stored margin.

    Args:
      files: the opened files of `crops.source`.
      crops: the faces.
      row: the row of the face.

    Raises:
      DatasetError: if the picture cannot be read, or its size does not match the box.
    """
    name, box = crops.names[row], crops.boxes[row]
    path = crops.source / name
    try:
        photo = decode_photo(files.read(name), str(path))
        check_box(box, photo.shape[1], photo.shape[0])
    except PhotoError as error:
        raise DatasetError(str(error)) from error
    except BoxError as error:
        raise DatasetError(
            f"Cannot crop {path}: {error}; are boxes and landmarks in pixels of this picture?"
        ) from error
    if crops.whole_pictures and photo.shape[:2] != (CROP_SIZE, CROP_SIZE):
        raise DatasetError(
            f"{path} is {photo.shape[1]}x{photo.shape[0]} pixels, but whole pictures must be crops of "
            f"{CROP_SIZE}x{CROP_SIZE}: omit --whole_pictures to have the faces cropped."
        )
    return stored_picture(photo, box)
