"""AFLW2000-3D as it is published: a folder of pictures with a `.mat` file each, and the re-annotated points.

The points of both annotation sets are compared in the published pixel frame, without any shift of the origin.
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
    listed,
    select,
)

_COUNT = 2000
# Places of the faces, among the sorted names, that the detector of the official 2DASL and 3DDFA evaluation missed.
_UNDETECTED = (1081, 1798)
_FIELDS = {"pt3d_68": (3, 68), "Pose_Para": (1, 7)}


def read_aflw2000(
    folder: pathlib.Path,
    reannotated: pathlib.Path | None = None,
    boxes: pathlib.Path | None = None,
) -> AnnotatedPhotos:
    """Reads the folder of `imageNNNNN.jpg` and `imageNNNNN.mat`, all 2000 or some of them.

    Args:
      folder: of the pictures.
      reannotated: `.npy` of (N, 2, 68) points in the order of the sorted names, as 3DDFA published them.
      boxes: `.npy` of (N, 4) crop boxes in the same order; without it, 3DDFA's rule around the true points,
        not rounded to whole pixels.

    Raises:
      DatasetError: a file is missing, damaged or of another size; all such files are named.
    """
    photos = tuple(find_photos(folder))
    if not photos:
        raise DatasetError(
            f"{folder} holds no pictures: give the folder that has AFLW2000-3D's .jpg and .mat files side by side."
        )
    alone = sorted({path.stem for path in folder.glob("*.mat")} - {photo.stem for photo in photos})
    if alone:
        raise DatasetError(f"{folder} has annotations without a picture: {listed(alone)}.")
    mats = _read_mats(photos)
    points = np.stack([mat["pt3d_68"].T for mat in mats]).astype(np.float32)
    pitch_yaw_roll = np.degrees(np.concatenate([mat["Pose_Para"][:, :3] for mat in mats]))
    every = np.ones(points.shape[:2], bool)
    annotations = {"original": Annotation(points, every)}
    if reannotated is not None:
        again = read_array(reannotated, (len(photos), 2, 68)).swapaxes(1, 2)
        annotations["reannotated"] = Annotation(again.astype(np.float32), every)
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
    """Returns the 1998 faces of the official evaluation, which left out two that its detector had missed.

    Raises:
      DatasetError: the set is not the whole of AFLW2000-3D, so that places say nothing.
    """
    if len(photos.names) != _COUNT:
        raise DatasetError(
            f"The official evaluation leaves 2 of {_COUNT} faces out, but this folder has "
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
            f"{len(faults)} of {len(photos)} annotations are of no use, get them anew. {listed(faults)}."
        )
    return mats
