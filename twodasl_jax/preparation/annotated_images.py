"""In-the-wild faces: pictures of any size with 68 landmarks each, in a folder or a zip archive.

The landmarks are there in one of these forms (`landmark_files`):

  NAME.pts           beside each picture NAME.jpg, .png, ...
  annotations.npz    names (N,), pts68 (N, 68, 2) and, or not, visibility (N, 68), boxes (N, 4)
  annotations.csv    name,x0,y0,...,x67,y67 and, or not, v0,...,v67

Names are those of the pictures, relative to the file that lists them. The pictures may be in subfolders, or in an
archive `images.zip` in the folder, as if it were unpacked there.
"""

import collections
import dataclasses
import pathlib
import posixpath
from collections.abc import Callable, Collection, Sequence

import numpy as np
from jaxtyping import Bool, Float, Int, UInt8

from twodasl_jax.data.face_crops import VISIBLE, stored_picture
from twodasl_jax.errors import BoxError, DatasetError, PhotoError
from twodasl_jax.geometry.frames import CROP_SIZE, box_from_landmarks, crop_from_image
from twodasl_jax.imaging.crops import check_box
from twodasl_jax.imaging.photos import decode_photo, is_picture
from twodasl_jax.preparation.file_sets import FileSet, open_files
from twodasl_jax.preparation.landmark_files import Labels, parse_csv, parse_npz, parse_pts

_TABLES: dict[str, Callable[[bytes, pathlib.Path], Labels]] = {
    "annotations.npz": parse_npz,
    "annotations.csv": parse_csv,
}
_FORMS = ".pts files beside the pictures, annotations.npz or annotations.csv"


@dataclasses.dataclass(frozen=True, eq=False)
class AnnotatedImages:
    """N pictures with the landmarks of one face each.

    Attributes:
      source: the folder or zip archive.
      names: N picture files in it.
      landmarks: (N, 68, 2) image frame, nan where a point is not labelled.
      visibility: (N, 68) 0 not labelled, 1 hidden by something else, 2 visible.
      boxes: (N, 4) x0, y0, x1, y1 of the crops, image frame; None where none were given.
    """

    source: pathlib.Path
    names: tuple[str, ...]
    landmarks: Float[np.ndarray, "N 68 2"]
    visibility: Int[np.ndarray, "N 68"]
    boxes: Float[np.ndarray, "N 4"] | None


@dataclasses.dataclass(frozen=True, eq=False)
class AnnotatedCrops:
    """The same faces, cropped.

    Attributes:
      source: the folder or zip archive.
      names: N picture files in it.
      boxes: (N, 4) x0, y0, x1, y1 of the crops, image frame.
      landmarks: (N, 68, 2) crop frame, nan where a point is not labelled.
      visibility: (N, 68) as in `AnnotatedImages`.
      whole_pictures: whether the pictures themselves are the crops, so that the boxes hold for no other size.
    """

    source: pathlib.Path
    names: tuple[str, ...]
    boxes: Float[np.ndarray, "N 4"]
    landmarks: Float[np.ndarray, "N 68 2"]
    visibility: Int[np.ndarray, "N 68"]
    whole_pictures: bool


def read_annotated_images(source: pathlib.Path) -> AnnotatedImages:
    """Reads which pictures there are, and their landmarks; no picture is opened yet.

    Where a file does not say what is visible, all its points are. The order is that of the file, or of the names.

    Raises:
      DatasetError: there is nothing to read, the landmarks are in no form or in several, damaged or of another count,
        or pictures and landmarks do not belong together.
    """
    with open_files(source) as files:
        pictures = [name for name in files.readers if is_picture(name)]
        if not pictures:
            raise DatasetError(f"{source} holds no pictures: give the folder or zip file of them.")
        labels = _read_labels(files, pictures)
    _check_names(source, pictures, labels.names)
    if np.isinf(labels.landmarks).any():
        row = np.isinf(labels.landmarks).any((1, 2)).argmax()
        raise DatasetError(f"A point of {source / labels.names[row]} is infinite: write nan.")
    missing = np.isnan(labels.landmarks).any(-1)
    if labels.visibility is not None:
        missing |= labels.visibility == 0
    visibility = VISIBLE if labels.visibility is None else labels.visibility
    return AnnotatedImages(
        source=source,
        names=labels.names,
        landmarks=np.where(missing[..., None], np.float32(np.nan), labels.landmarks),
        visibility=np.where(missing, 0, visibility).astype(np.int8),
        boxes=labels.boxes,
    )


def _read_labels(files: FileSet, pictures: Sequence[str]) -> Labels:
    tables = [name for name in files.readers if posixpath.basename(name) in _TABLES]
    points = [name for name in files.readers if name.lower().endswith(".pts")]
    found = tables + points[:1]
    if not found:
        raise DatasetError(f"{files.path} holds no landmarks: add {_FORMS}.")
    if len(found) > 1:
        raise DatasetError(
            f"{files.path} holds landmarks more than once, in {' and '.join(found)}: keep only one of {_FORMS}."
        )
    if points:
        return _read_pts(files, points, pictures)
    folder, form = posixpath.split(tables[0])
    labels = _TABLES[form](files.read(tables[0]), files.path / tables[0])
    names = tuple(posixpath.join(folder, name) for name in labels.names)
    return dataclasses.replace(labels, names=names)


def _read_pts(files: FileSet, points: Sequence[str], pictures: Sequence[str]) -> Labels:
    by_stem: dict[str, str] = {}
    for picture in pictures:
        stem = posixpath.splitext(picture)[0]
        if stem in by_stem:
            raise DatasetError(
                f"{files.path} holds {by_stem[stem]} and {picture}, which would share {stem}.pts: rename one of them."
            )
        by_stem[stem] = picture
    # A file without a picture keeps its own name, under which it is then missed.
    names = [by_stem.get(posixpath.splitext(name)[0], name) for name in points]
    landmarks = [parse_pts(files.read(name), files.path / name) for name in points]
    return Labels(tuple(names), np.stack(landmarks))


def _check_names(source: pathlib.Path, pictures: Collection[str], names: Collection[str]) -> None:
    """Raises unless every picture has landmarks once, and nothing else has."""
    counts, there = collections.Counter(names), set(pictures)
    twice = [name for name, count in counts.items() if count > 1]
    without_picture = [name for name in counts if name not in there]
    without_points = [name for name in pictures if name not in counts]
    for faulty, fault, remedy in (
        (twice, "named more than once", "give one face for each picture"),
        (without_picture, "annotated without being there", "add the pictures, or remove the rest"),
        (without_points, "there without landmarks", "add the landmarks, or remove the rest"),
    ):
        if faulty:
            raise DatasetError(
                f"{source}: {len(faulty)} of its pictures are {fault}, first {faulty[0]}; {remedy}."
            )


def keep_faces(images: AnnotatedImages, kept: Bool[np.ndarray, " N"]) -> AnnotatedImages:
    """Returns some of the faces."""
    return dataclasses.replace(
        images,
        names=tuple(name for name, keep in zip(images.names, kept, strict=True) if keep),
        landmarks=images.landmarks[kept],
        visibility=images.visibility[kept],
        boxes=None if images.boxes is None else images.boxes[kept],
    )


def whole_boxes(count: int) -> Float[np.ndarray, "N 4"]:
    """Returns the boxes of so many pictures that are crops themselves."""
    return np.tile(np.array([0, 0, CROP_SIZE, CROP_SIZE], np.float32), (count, 1))


def crop_faces(images: AnnotatedImages, whole_pictures: bool = False) -> AnnotatedCrops:
    """Decides the crop of each face: the given boxes, or 3DDFA's rule around the landmarks.

    Args:
      images: the faces.
      whole_pictures: the pictures are 120x120 crops themselves, whatever boxes were given.

    Raises:
      DatasetError: a face has no crop, because its box is none or because it has fewer than two points.
    """
    if whole_pictures:
        boxes = whole_boxes(len(images.names))
    elif images.boxes is not None:
        boxes = images.boxes
    else:
        boxes = np.asarray(box_from_landmarks(images.landmarks))
    bad = ~(np.isfinite(boxes).all(-1) & (boxes[:, :2] < boxes[:, 2:]).all(-1))
    if bad.any():
        cause = "fewer than two points" if images.boxes is None else "a box that is none"
        raise DatasetError(
            f"{images.source}: {bad.sum()} faces have {cause}, first {images.names[bad.argmax()]}; give boxes "
            "x0, y0, x1, y1, or leave these faces out."
        )
    return AnnotatedCrops(
        source=images.source,
        names=images.names,
        boxes=boxes,
        landmarks=np.asarray(crop_from_image(images.landmarks, boxes)),
        visibility=images.visibility,
        whole_pictures=whole_pictures,
    )


def read_crop(files: FileSet, crops: AnnotatedCrops, row: int) -> UInt8[np.ndarray, "144 144 3"]:
    """Reads the picture of one face and returns the crop as it is stored.

    Args:
      files: of `crops.source`, opened.
      crops: the faces.
      row: which of them.

    Raises:
      DatasetError: the picture cannot be read or is of another size than its box is for.
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
            f"{CROP_SIZE}x{CROP_SIZE}: have the faces cropped instead."
        )
    return stored_picture(photo, box)
