"""A folder of in-the-wild face crops with 68 landmarks: `images.zip` and `annotations.npz`."""

import dataclasses
import io
import pathlib
import zipfile

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from twodasl_jax.errors import DatasetError
from twodasl_jax.geometry.frames import CROP_SIZE

_REQUIRED = ("names", "pts68", "visibility")


@dataclasses.dataclass(frozen=True)
class AnnotatedCrops:
    """Names and landmarks of N crops.

    Attributes:
      names: N file names inside the archive.
      landmarks: (N, 68, 2) crop frame, nan where a point is not labelled.
      visibility: (N, 68) 0 not labelled, 1 hidden by something else, 2 visible.
    """

    names: tuple[str, ...]
    landmarks: Float[np.ndarray, "N 68 2"]
    visibility: Int[np.ndarray, "N 68"]


def read_annotations(folder: pathlib.Path) -> AnnotatedCrops:
    """Reads `annotations.npz`: names (N,), pts68 (N, 68, 2) and visibility (N, 68).

    Raises:
      DatasetError: the file is missing or damaged, or its arrays are of other shapes.
    """
    path = folder / "annotations.npz"
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in _REQUIRED if name not in archive]
            if missing:
                raise DatasetError(f"{path} lacks the array {missing[0]!r}")
            names, landmarks, visibility = (archive[name] for name in _REQUIRED)
    except (OSError, EOFError, zipfile.BadZipFile) as error:
        raise DatasetError(f"{path} cannot be read: {error}") from error
    count = len(names)
    if landmarks.shape != (count, 68, 2) or visibility.shape != (count, 68):
        raise DatasetError(
            f"{path}: {count} names, landmarks of shape {landmarks.shape} and visibility of shape "
            f"{visibility.shape}; expected ({count}, 68, 2) and ({count}, 68)"
        )
    return AnnotatedCrops(tuple(map(str, names)), landmarks.astype(np.float32), visibility)


def read_crop(archive: zipfile.ZipFile, name: str) -> UInt8[np.ndarray, "120 120 3"]:
    """Reads one RGB crop from the archive.

    Raises:
      DatasetError: the picture is missing, damaged or not 120x120.
    """
    try:
        with Image.open(io.BytesIO(archive.read(name))) as picture:
            pixels = np.asarray(picture.convert("RGB"))
    except (KeyError, OSError) as error:
        raise DatasetError(f"{archive.filename}: {name} cannot be read: {error}") from error
    if pixels.shape != (CROP_SIZE, CROP_SIZE, 3):
        raise DatasetError(
            f"{archive.filename}: {name} is {pixels.shape[1]}x{pixels.shape[0]} pixels, expected "
            f"{CROP_SIZE}x{CROP_SIZE}"
        )
    return pixels
