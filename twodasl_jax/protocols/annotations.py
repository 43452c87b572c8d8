"""A test set in one file: `annotations.npz` beside a folder of images.

Required:

    names (N,)                       names of the faces; the images are images/NAME.jpg or images/NAME.png
    pts68 (N, 3, 68)                 landmarks in image pixels: x right, y down, z toward the camera up to an offset
    yaw (N,)                         yaw in degrees
    roi_box (N, 4)                   crop boxes x0, y0, x1, y1

Optional:

    pts68_reannotated (N, 2, 68)     a second annotation set
    visible (N, 68)                  whether a landmark is visible
    pose (N, 3)                      yaw, pitch and roll in degrees
    fan68_crop (N, 68, 2)            detected landmarks in pixels of the 120x120 crop
"""

import pathlib

import numpy as np

from twodasl_jax.files.array_files import read_rows
from twodasl_jax.geometry.frames import image_from_crop
from twodasl_jax.imaging.photos import find_photos
from twodasl_jax.protocols.annotated_photos import AnnotatedPhotos, Annotation, unique_stems

_REQUIRED = {"names": (), "yaw": (), "pts68": (3, 68), "roi_box": (4,)}
_OPTIONAL = {
    "pts68_reannotated": (2, 68),
    "visible": (68,),
    "pose": (3,),
    "fan68_crop": (68, 2),
}


def read_annotated_photos(folder: pathlib.Path) -> AnnotatedPhotos:
    """Reads a folder with `annotations.npz` and `images/`.

    Raises:
      DatasetError: the file or an array is missing or has another shape, or a name is repeated.
    """
    path = folder / "annotations.npz"
    arrays = read_rows(path, _REQUIRED, _OPTIONAL)
    names = unique_stems(arrays["names"].tolist(), path)
    boxes = arrays["roi_box"].astype(np.float32)
    pose = arrays.get("pose")
    return AnnotatedPhotos(
        names=names,
        photos=image_files(folder / "images", names),
        boxes=boxes,
        crop="the set's own boxes",
        annotations=_annotations(arrays),
        yaw=arrays["yaw"].astype(np.float32),
        pose=None if pose is None else pose.astype(np.float32),
        detected=_detected(arrays.get("fan68_crop"), boxes),
    )


def image_files(
    folder: pathlib.Path, names: tuple[str, ...], suffix: str = ".jpg"
) -> tuple[pathlib.Path, ...]:
    """Returns the image file of each name.

    A missing file gets the default `suffix`. It raises an error when it is read, not here.
    """
    found = {photo.stem: photo for photo in find_photos(folder)} if folder.is_dir() else {}
    return tuple(found.get(name, folder / f"{name}{suffix}") for name in names)


def _annotations(arrays: dict[str, np.ndarray]) -> dict[str, Annotation]:
    points = arrays["pts68"].swapaxes(1, 2).astype(np.float32)
    visible = arrays.get("visible", np.ones(points.shape[:2])).astype(bool)
    annotations = {"original": Annotation(points, visible)}
    if "pts68_reannotated" in arrays:
        new_points = arrays["pts68_reannotated"].swapaxes(1, 2).astype(np.float32)
        annotations["reannotated"] = Annotation(new_points, visible)
    return annotations


def _detected(in_crops: np.ndarray | None, boxes: np.ndarray) -> np.ndarray | None:
    if in_crops is None:
        return None
    return np.asarray(image_from_crop(in_crops.astype(np.float32), boxes))
