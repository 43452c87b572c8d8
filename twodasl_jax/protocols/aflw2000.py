"""AFLW2000-3D in its published form: a folder of images with one `.mat` file each, and re-annotated landmarks.

The landmarks of both annotation sets are compared in the published pixel frame, without a shift of the origin.
"""

import pathlib

import numpy as np
import tqdm

from twodasl_jax.errors import DatasetError
from twodasl_jax.files.array_files import read_array, read_mat
from twodasl_jax.geometry.frames import box_from_landmarks
from twodasl_jax.imaging.photos import find_photos
from twodasl_jax.protocols.annotated_photos import (
    CROP_RULE,
    AnnotatedPhotos,
    Annotation,
    join_names,
    select,
)

_COUNT = 2000
# Indices, in the sorted names, of the faces that the detector of the official 2DASL and 3DDFA evaluation missed.
_UNDETECTED = (1081, 1798)
_FIELDS = {"pt3d_68": (3, 68), "Pose_Para": (1, 7)}


def read_aflw2000(
    folder: pathlib.Path,
    reannotated: pathlib.Path | None = None,
    boxes: pathlib.Path | None = None,
) -> AnnotatedPhotos:
    """Reads a folder of `imageNNNNN.jpg` and `imageNNNNN.mat` files, all 2000 faces or a subset.

    Args:
      folder: the folder of the images.
      reannotated: a `.npy` file of (N, 2, 68) landmarks in the order of the sorted names, as published by 3DDFA.
      boxes: a `.npy` file of (N, 4) crop boxes in the same order. By default, 3DDFA's rule is applied to the true
        landmarks, without rounding to whole pixels.

    Raises:
      DatasetError: files are missing, damaged or of another size. The message names all of them.
    """
    photos = tuple(find_photos(folder))
    if not photos:
        raise DatasetError(
            f"There are no images in {folder}: give the folder that has the .jpg and .mat files of AFLW2000-3D "
            "side by side."
        )
    unpaired = sorted(
        {path.stem for path in folder.glob("*.mat")} - {photo.stem for photo in photos}
    )
    if unpaired:
        raise DatasetError(f"{folder} has annotations without an image: {join_names(unpaired)}.")
    mats = _read_mats(photos)
    points = np.stack([mat["pt3d_68"].T for mat in mats]).astype(np.float32)
    pitch_yaw_roll = np.degrees(np.concatenate([mat["Pose_Para"][:, :3] for mat in mats]))
    visible = np.ones(points.shape[:2], bool)
    annotations = {"original": Annotation(points, visible)}
    if reannotated is not None:
        new_points = read_array(reannotated, (len(photos), 2, 68)).swapaxes(1, 2)
        annotations["reannotated"] = Annotation(new_points.astype(np.float32), visible)
    return AnnotatedPhotos(
        names=tuple(photo.stem for photo in photos),
        photos=photos,
        boxes=np.asarray(box_from_landmarks(points[..., :2]))
        if boxes is None
        else read_array(boxes, (len(photos), 4)).astype(np.float32),
        crop=CROP_RULE if boxes is None else boxes.name,
        annotations=annotations,
        yaw=pitch_yaw_roll[:, 1].astype(np.float32),
        pose=pitch_yaw_roll[:, [1, 0, 2]].astype(np.float32),
    )


def without_undetected(photos: AnnotatedPhotos) -> AnnotatedPhotos:
    """Returns the 1998 faces of the official evaluation, which leaves out two faces that its detector missed.

    Raises:
      DatasetError: `photos` is not the whole of AFLW2000-3D.
    """
    if len(photos.names) != _COUNT:
        raise DatasetError(
            f"The official evaluation leaves out 2 of {_COUNT} faces, but this folder has "
            f"{len(photos.names)}: give the whole set, or list names in a file."
        )
    return select(photos, np.delete(np.arange(_COUNT), _UNDETECTED))


def _read_mats(photos: tuple[pathlib.Path, ...]) -> list[dict[str, np.ndarray]]:
    mats, faults = [], []
    for photo in tqdm.tqdm(photos, desc="annotations", unit="file", leave=False, disable=None):
        try:
            mats.append(read_mat(photo.with_suffix(".mat"), _FIELDS))
        except DatasetError as error:
            faults.append(str(error).rstrip("."))
    if faults:
        raise DatasetError(
            f"{len(faults)} of {len(photos)} annotations cannot be used, download them again. "
            f"{join_names(faults)}."
        )
    return mats
