"""Faces of every kind as sources of crops; what is found on the way is said."""

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
from twodasl_jax.models.point_rows import known_rows
from twodasl_jax.preparation.aflw import aflw_source, fit_aflw, read_aflw
from twodasl_jax.preparation.annotated_images import AnnotatedCrops, AnnotatedImages
from twodasl_jax.preparation.face300w_lp import (
    face300w_lp_source,
    fitted_annotations,
    own_annotations,
    read_face300w_lp,
)
from twodasl_jax.preparation.faces_2d import faces_2d_source, pseudo_3d_source
from twodasl_jax.preparation.outliers import drop_outliers
from twodasl_jax.preparation.pseudo_3d import (
    Pseudo3D,
    estimate_yaw,
    fit_pseudo_3d,
    fitted_landmarks,
    label_weights,
)
from twodasl_jax.preparation.synthetic_crops import SyntheticSeries, synthetic_source

# Texels a side of a skin: the pictures show a face with far fewer.
_SKIN_SIDE = 1024


def progress(title: str, unit: str) -> Callable[[Sequence[Any]], Iterable[Any]]:
    """Returns what puts a progress bar around a sequence."""
    return functools.partial(tqdm.tqdm, desc=title, unit=unit)


def without_outliers(model: MorphableModel, images: AnnotatedImages) -> AnnotatedImages:
    """Drops wild points and says how many there were."""
    fits = fit_pseudo_3d(
        landmark_space(model),
        images.landmarks,
        label_weights(images.visibility),
        progress("Looking for wild points", "chunk"),
    )
    cleaned, report = drop_outliers(images, fitted_landmarks(model, fits.vectors), fits.yaw)
    if not cleaned.names:
        raise DatasetError(f"The face model fits no face in {images.source}: check its landmarks.")
    points = ", ".join(f"{count} {part}" for part, count in report.points.items())
    print(
        f"Wild points dropped: {sum(report.points.values())} of {report.judged} ({points}); faces dropped: "
        f"{report.faces} of {len(images.names)}; the worst: {', '.join(report.worst) or 'none'}"
    )
    return cleaned


def pseudo_3d(model: MorphableModel, crops: AnnotatedCrops) -> CropSource:
    """Returns faces with the face model fitted to them."""
    bar = progress("Fitting the face model", "chunk")
    weights = label_weights(crops.visibility)
    fits = fit_pseudo_3d(landmark_space(model), crops.landmarks, weights, bar)
    if not np.isfinite(fits.error).any():
        raise DatasetError(
            f"No face in {crops.source} shows enough points to fit the face model to."
        )
    _say_errors(fits)
    return pseudo_3d_source(crops, fits, model)


def faces_2d(model: MorphableModel, crops: AnnotatedCrops) -> CropSource:
    """Returns faces with their landmarks alone."""
    bar = progress("Estimating the yaw", "chunk")
    yaw = estimate_yaw(model, crops.landmarks, crops.visibility, bar)
    if np.isnan(yaw).all():
        raise DatasetError(f"No face in {crops.source} shows enough points to tell its yaw.")
    return faces_2d_source(crops, yaw, model)


def face300w_lp(model: MorphableModel, folder: pathlib.Path, own: bool) -> CropSource:
    """Returns the faces of 300W-LP with their own coefficients, or with the face model fitted to their landmarks."""
    faces = read_face300w_lp(folder, progress("Reading annotations", "face"))
    if own:
        annotations = own_annotations(model, faces)
    else:
        bar = progress("Fitting the face model", "chunk")
        annotations = fitted_annotations(model, faces, bar)
    _say_errors(annotations)
    how = "own coefficients" if own else "fitted"
    return face300w_lp_source(faces, annotations, digest(model), how)


def aflw(model: MorphableModel, folder: pathlib.Path) -> CropSource:
    """Returns AFLW's faces with the face model fitted to both of their mark-ups."""
    faces, rows = read_aflw(folder), known_rows("aflw", model)
    fits = fit_aflw(model, rows, faces, progress("Fitting the face model", "chunk"))
    _say_errors(fits)
    return aflw_source(faces, fits, model)


def synthetic(
    model: MorphableModel, series: SyntheticSeries, skins: pathlib.Path | None
) -> CropSource:
    """Returns rendered faces, half of them with the skins of a folder if one is given."""
    textures = [read_skin(path) for path in find_photos(skins)] if skins else []
    if skins and not textures:
        raise DatasetError(f"{skins} holds no pictures of skins.")
    return synthetic_source(model, series, textures)


def read_skin(path: pathlib.Path) -> UInt8[np.ndarray, "H W 3"]:
    """Reads a texture, not larger than it can be seen."""
    picture = Image.fromarray(read_photo(path))
    picture.thumbnail((_SKIN_SIDE, _SKIN_SIDE))
    return np.asarray(picture)


def _say_errors(fits: Pseudo3D) -> None:
    fitted = np.isfinite(fits.error)
    quartiles = np.percentile(100 * fits.error[fitted], [25, 50, 75, 95])
    print(
        f"{len(fitted)} faces, of which {(~fitted).sum()} show too few points for a fit; error, % of the "
        "face: quartiles {:.2f} {:.2f} {:.2f}, 95th percentile {:.2f}".format(*quartiles)
    )
