"""A folder of in-the-wild face crops with 68 landmarks: `images.zip` and `annotations.npz`."""

import dataclasses
import io
import pathlib
import zipfile

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from twodasl_jax.array_files import read_rows
from twodasl_jax.errors import DatasetError
from twodasl_jax.geometry.frames import CROP_SIZE


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
    arrays = read_rows(path, {"names": (), "pts68": (68, 2), "visibility": (68,)})
    return AnnotatedCrops(
        names=tuple(map(str, arrays["names"])),
        landmarks=arrays["pts68"].astype(np.float32),
        visibility=arrays["visibility"],
    )


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
