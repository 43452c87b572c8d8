"""In-the-wild faces with 2D landmarks and pseudo 3D annotations, as a source of crops."""

import functools
import pathlib
import zipfile
from collections.abc import Iterator

import numpy as np
from jaxtyping import Int

from twodasl_jax.data.annotations import AnnotatedCrops, read_crop
from twodasl_jax.data.face_crops import MARGIN, CropSource, FaceCrop, split_rows
from twodasl_jax.data.pseudo_3d import Pseudo3D

# What lies around these crops is not known: black.
_ROUND_ABOUT = ((MARGIN, MARGIN), (MARGIN, MARGIN), (0, 0))


def faces_2d_source(
    archive: pathlib.Path, crops: AnnotatedCrops, fits: Pseudo3D, face_model: str
) -> CropSource:
    """Returns the crops of an archive with their labels and fits.

    Args:
      archive: zip file of the crops.
      crops: their names and labels.
      fits: their pseudo 3D annotations.
      face_model: digest of the model that was fitted.
    """
    read = functools.partial(_records, archive, crops, fits)
    rows = split_rows(len(crops.names))
    splits = {name: functools.partial(read, chosen) for name, chosen in rows.items()}
    description = f"faces_2d of {archive.name}, {len(crops.names)} faces"
    return CropSource(description, face_model, fits.vectors.shape[1], splits)


def _records(
    path: pathlib.Path, crops: AnnotatedCrops, fits: Pseudo3D, rows: Int[np.ndarray, " M"]
) -> Iterator[FaceCrop]:
    with zipfile.ZipFile(path) as archive:
        for row in rows:
            name = crops.names[row]
            yield FaceCrop(
                name=name,
                image=np.pad(read_crop(archive, name), _ROUND_ABOUT),
                landmarks=crops.landmarks[row],
                visibility=crops.visibility[row].astype(np.uint8),
                vector=fits.vectors[row],
                yaw=fits.yaw[row],
                error=fits.error[row],
            )
