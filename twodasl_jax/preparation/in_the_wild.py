"""Crop sources of in-the-wild images, with labels only or with pseudo annotations."""

import functools
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from twodasl_jax.data.face_crops import CropSource, FaceCrop, split_rows
from twodasl_jax.geometry.coefficients import POSE_COUNT
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.models.face_model import digest
from twodasl_jax.preparation.file_sets import FileSet, open_files
from twodasl_jax.preparation.labelled_images import LabelledCrops, read_crop
from twodasl_jax.preparation.pseudo_3d import Pseudo3D


def faces_2d_source(
    crops: LabelledCrops, yaw: Float[np.ndarray, " N"], model: MorphableModel
) -> CropSource:
    """Returns faces with labels only; their vectors are zero and their errors infinite.

    Args:
      crops: the N faces.
      yaw: the (N,) yaws in radians (`estimate_yaw`). Training does not draw faces with nan.
      model: the face model of the other data sets, which gives the size of the vectors.
    """
    vector_size = POSE_COUNT + len(model.shape_std) + len(model.expression_std)
    count = len(crops.names)
    unannotated = Pseudo3D(
        vectors=np.zeros((count, vector_size), np.float32),
        yaw=yaw,
        error=np.full(count, np.inf, np.float32),
    )
    return _source("faces_2d", crops, unannotated, model)


def pseudo_3d_source(crops: LabelledCrops, fits: Pseudo3D, model: MorphableModel) -> CropSource:
    """Returns faces with labels and pseudo annotations.

    Args:
      crops: the faces.
      fits: their pseudo annotations in the crop frame.
      model: the fitted face model.
    """
    return _source("pseudo_3d", crops, fits, model)


def _source(kind: str, crops: LabelledCrops, fits: Pseudo3D, model: MorphableModel) -> CropSource:
    read = functools.partial(_records, crops, fits)
    rows = split_rows(len(crops.names))
    splits = {name: functools.partial(read, chosen) for name, chosen in rows.items()}
    # Prepared data sets store this description, so its wording is part of the file format.
    cropped = "whole pictures" if crops.whole_pictures else "cropped"
    points = np.count_nonzero(crops.visibility)
    description = (
        f"{kind} of {crops.source.name}, {len(crops.names)} faces, {points} points, {cropped}"
    )
    return CropSource(description, digest(model), fits.vectors.shape[1], splits)


def _records(
    crops: LabelledCrops, fits: Pseudo3D, rows: Int[np.ndarray, " M"]
) -> Iterator[FaceCrop]:
    with open_files(crops.source) as files:
        yield from annotated_records(files, crops, fits, rows)


def annotated_records(
    files: FileSet, crops: LabelledCrops, fits: Pseudo3D, rows: Int[np.ndarray, " M"]
) -> Iterator[FaceCrop]:
    """Yields the records of some faces.

    Args:
      files: the opened files of `crops.source`.
      crops: the faces.
      fits: their pseudo annotations in the crop frame.
      rows: the (M,) rows of the faces.
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
