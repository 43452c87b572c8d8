"""In-the-wild faces as sources of crops: with 2D landmarks alone, or with the face model fitted to these."""

import functools
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from twodasl_jax.data.face_crops import CropSource, FaceCrop, split_rows
from twodasl_jax.geometry.coefficients import POSE_COUNT
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.models.face_model import digest
from twodasl_jax.preparation.annotated_images import AnnotatedCrops, read_crop
from twodasl_jax.preparation.file_sets import FileSet, open_files
from twodasl_jax.preparation.pseudo_3d import Pseudo3D


def faces_2d_source(
    crops: AnnotatedCrops, yaw: Float[np.ndarray, " N"], model: MorphableModel
) -> CropSource:
    """Returns faces of which only the landmarks are known: their vectors are zero, their errors infinite.

    Args:
      crops: the faces.
      yaw: (N,) radians, `estimate_yaw`; faces where it is nan are not drawn in training.
      model: that others are annotated with, for the size of the vectors.
    """
    vector_size = POSE_COUNT + len(model.shape_std) + len(model.expression_std)
    count = len(crops.names)
    unknown = Pseudo3D(
        vectors=np.zeros((count, vector_size), np.float32),
        yaw=yaw,
        error=np.full(count, np.inf, np.float32),
    )
    return _source("faces_2d", crops, unknown, model)


def pseudo_3d_source(crops: AnnotatedCrops, fits: Pseudo3D, model: MorphableModel) -> CropSource:
    """Returns faces with their landmarks and fits.

    Args:
      crops: the faces.
      fits: their pseudo 3D annotations, crop frame.
      model: that was fitted.
    """
    return _source("pseudo_3d", crops, fits, model)


def _source(kind: str, crops: AnnotatedCrops, fits: Pseudo3D, model: MorphableModel) -> CropSource:
    read = functools.partial(_records, crops, fits)
    rows = split_rows(len(crops.names))
    splits = {name: functools.partial(read, chosen) for name, chosen in rows.items()}
    cropped = "whole pictures" if crops.whole_pictures else "cropped"
    points = np.count_nonzero(crops.visibility)
    description = (
        f"{kind} of {crops.source.name}, {len(crops.names)} faces, {points} points, {cropped}"
    )
    return CropSource(description, digest(model), fits.vectors.shape[1], splits)


def _records(
    crops: AnnotatedCrops, fits: Pseudo3D, rows: Int[np.ndarray, " M"]
) -> Iterator[FaceCrop]:
    with open_files(crops.source) as files:
        yield from fitted_records(files, crops, fits, rows)


def fitted_records(
    files: FileSet, crops: AnnotatedCrops, fits: Pseudo3D, rows: Int[np.ndarray, " M"]
) -> Iterator[FaceCrop]:
    """Yields some faces with their fits.

    Args:
      files: of `crops.source`, opened.
      crops: the faces.
      fits: their pseudo 3D annotations, crop frame.
      rows: which of them.
    """
    for row in rows:
        yield FaceCrop(
            name=crops.names[row],
            image=read_crop(files, crops, row),
            landmarks=crops.landmarks[row],
            visibility=crops.visibility[row].astype(np.uint8),
            vector=fits.vectors[row],
            yaw=fits.yaw[row],
            error=fits.error[row],
        )
