"""Crop sources of every kind of data set, with progress bars and printed statistics."""

import functools
import pathlib
from collections.abc import Callable, Iterable, Sequence
from typing import Any

import numpy as np
import tqdm
from jaxtyping import UInt8
from PIL import Image

from twodasl_jax.data.face_crops import CropSource
from twodasl_jax.errors import DatasetError
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space
from twodasl_jax.imaging.photos import find_photos, read_photo
from twodasl_jax.models.face_model import digest
from twodasl_jax.models.mark_ups import embedded_mark_up
from twodasl_jax.preparation.aflw import aflw_source, fit_aflw, read_aflw
from twodasl_jax.preparation.face300w_lp import (
    face300w_lp_source,
    fitted_annotations,
    own_annotations,
    read_face300w_lp,
)
from twodasl_jax.preparation.in_the_wild import faces_2d_source, pseudo_3d_source
from twodasl_jax.preparation.labelled_images import LabelledCrops, LabelledImages
from twodasl_jax.preparation.outliers import drop_outliers
from twodasl_jax.preparation.pseudo_3d import (
    estimate_yaw,
    fit_pseudo_3d,
    fitted_landmarks,
    label_weights,
)
from twodasl_jax.preparation.summary import print_fit_errors, print_outliers
from twodasl_jax.preparation.synthetic_crops import SyntheticSeries, synthetic_source

# The largest side of a skin texture in texels. Rendered faces cover far fewer.
_SKIN_SIDE = 1024


def progress_bar(title: str, unit: str) -> Callable[[Sequence[Any]], Iterable[Any]]:
    """Returns a function that wraps a sequence in a progress bar."""
    return functools.partial(tqdm.tqdm, desc=title, unit=unit)


def without_outliers(model: MorphableModel, images: LabelledImages) -> LabelledImages:
    """Drops outliers and prints their number.

    Raises:
      DatasetError: if no face remains.
    """
    fits = fit_pseudo_3d(
        landmark_space(model),
        images.landmarks,
        label_weights(images.visibility),
        progress_bar("Searching for outliers", "chunk"),
    )
    cleaned, report = drop_outliers(images, fitted_landmarks(model, fits.vectors), fits.yaw)
    if not cleaned.names:
        raise DatasetError(f"The face model fits no face in {images.source}: check its landmarks.")
    print_outliers(report, len(images.names))
    return cleaned


def pseudo_3d(model: MorphableModel, crops: LabelledCrops) -> CropSource:
    """Returns in-the-wild faces with pseudo annotations.

    Raises:
      DatasetError: if no face has enough visible landmarks.
    """
    bar = progress_bar("Fitting the face model", "chunk")
    weights = label_weights(crops.visibility)
    fits = fit_pseudo_3d(landmark_space(model), crops.landmarks, weights, bar)
    if not np.isfinite(fits.error).any():
        raise DatasetError(
            f"No face in {crops.source} has enough visible landmarks to fit the face model."
        )
    print_fit_errors(fits)
    return pseudo_3d_source(crops, fits, model)


def faces_2d(model: MorphableModel, crops: LabelledCrops) -> CropSource:
    """Returns in-the-wild faces with labels only.

    Raises:
      DatasetError: if no face has enough visible landmarks.
    """
    bar = progress_bar("Estimating the yaw", "chunk")
    yaw = estimate_yaw(model, crops.landmarks, crops.visibility, bar)
    if np.isnan(yaw).all():
        raise DatasetError(
            f"No face in {crops.source} has enough visible landmarks to estimate its yaw."
        )
    return faces_2d_source(crops, yaw, model)


def face300w_lp(model: MorphableModel, folder: pathlib.Path, own: bool) -> CropSource:
    """Returns the faces of 300W-LP.

    Args:
      model: the face model.
      folder: the extracted 300W-LP.
      own: whether to keep the stored coefficients. Otherwise the face model is fitted to the
        labels.
    """
    faces = read_face300w_lp(folder, progress_bar("Reading annotations", "face"))
    if own:
        annotations = own_annotations(model, faces)
    else:
        bar = progress_bar("Fitting the face model", "chunk")
        annotations = fitted_annotations(model, faces, bar)
    print_fit_errors(annotations)
    how = "own coefficients" if own else "fitted"
    return face300w_lp_source(faces, annotations, digest(model), how)


def aflw(model: MorphableModel, folder: pathlib.Path) -> CropSource:
    """Returns the faces of AFLW, with the face model fitted to both mark-ups."""
    faces, rows = read_aflw(folder), embedded_mark_up("aflw", model)
    fits = fit_aflw(model, rows, faces, progress_bar("Fitting the face model", "chunk"))
    print_fit_errors(fits)
    return aflw_source(faces, fits, model)


def synthetic(
    model: MorphableModel, series: SyntheticSeries, skins: pathlib.Path | None
) -> CropSource:
    """Returns rendered faces.

    Args:
      model: the face model.
      series: the settings of the faces.
      skins: a folder of skin textures, which half of the faces use, or None.

    Raises:
      DatasetError: if the folder has no pictures.
    """
    textures = [read_skin(path) for path in find_photos(skins)] if skins else []
    if skins and not textures:
        raise DatasetError(f"{skins} contains no pictures of skins.")
    return synthetic_source(model, series, textures)


def read_skin(path: pathlib.Path) -> UInt8[np.ndarray, "H W 3"]:
    """Reads a skin texture and reduces it to at most 1024 texels per side."""
    picture = Image.fromarray(read_photo(path))
    picture.thumbnail((_SKIN_SIDE, _SKIN_SIDE))
    return np.asarray(picture)
