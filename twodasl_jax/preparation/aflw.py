"""AFLW's faces as crops of 120x120 pixels, with manual points of two mark-ups: iBUG's 68, and AFLW's own 21.

    aflw68/images.zip   aflw68/annotations.npz   names (N,), pts68 (N, 68, 2), visibility (N, 68), multi_face_photo (N,)
    aflw21/images.zip   aflw21/annotations.npz   names (M,), pts21 (M, 21, 2), in_aflw68 (M,)

Points are in crop pixels, nan where there is none. The 68 were moved into the crops by a program, which may have taken
a neighbour's face for the right one where the photo shows several (`multi_face_photo`); the 21 belong to the crops. The
face model is fitted to both at once; where the 21 lie on its mesh was learned from faces that have both
(experiments/face_model/place_landmarks.py).
"""

import contextlib
import dataclasses
import functools
import pathlib
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int

from twodasl_jax.data.face_crops import (
    HIDDEN,
    NOT_LABELLED,
    CropSource,
    FaceCrop,
    split_rows,
)
from twodasl_jax.files.array_files import read_rows
from twodasl_jax.geometry.morphable_model import (
    LandmarkRows,
    MorphableModel,
    ShapeSpace,
    join_spaces,
    landmark_space,
    point_space,
)
from twodasl_jax.models.face_model import digest
from twodasl_jax.preparation.annotated_images import AnnotatedCrops, whole_boxes
from twodasl_jax.preparation.faces_2d import fitted_records
from twodasl_jax.preparation.file_sets import FileSet, open_files
from twodasl_jax.preparation.pseudo_3d import (
    Progress,
    Pseudo3D,
    fit_pseudo_3d,
    fitted_landmarks,
    label_weights,
)

# AFLW's point on the other side of the face, by point; brows, eyes, ear lobe, nose, ear lobe, mouth, chin.
AFLW_MIRROR = np.array([5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, 16, 15, 14, 13, 12, 19, 18, 17, 20])
# How much each of the 21 counts in a fit, beside a point of the 68. Ear lobes are far from the face and hang freely.
_WEIGHTS = np.where(np.isin(np.arange(21), [12, 16]), 0.35, 1.0).astype(np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class AflwFaces:
    """N crops with what is known of them.

    Attributes:
      folder: that holds `aflw68/` and `aflw21/`.
      names: N picture files, with the folder that they come from.
      landmarks: (N, 68, 2) crop frame, nan where a point is not labelled.
      visibility: (N, 68) 0 not labelled, 1 hidden by something else, 2 visible.
      points: (N, 21, 2) AFLW's own, crop frame, nan where one is hidden.
    """

    folder: pathlib.Path
    names: tuple[str, ...]
    landmarks: Float[np.ndarray, "N 68 2"]
    visibility: Int[np.ndarray, "N 68"]
    points: Float[np.ndarray, "N 21 2"]


def read_aflw(folder: pathlib.Path) -> AflwFaces:
    """Reads which faces there are, and their points; no picture is opened yet.

    Labels of the 68 that may belong to a neighbour are left out, and so are faces of which then nothing is known.

    Raises:
      DatasetError: a file is missing, damaged or of another kind.
    """
    first = read_rows(
        folder / "aflw68" / "annotations.npz",
        {"names": (), "pts68": (68, 2), "visibility": (68,), "multi_face_photo": ()},
    )
    second = read_rows(
        folder / "aflw21" / "annotations.npz", {"names": (), "pts21": (21, 2), "in_aflw68": ()}
    )
    elsewhere = second["in_aflw68"].astype(bool)
    own = {name: row for row, name in enumerate(second["names"].tolist())}
    points = np.full((len(first["names"]), 21, 2), np.nan, np.float32)
    for row, name in enumerate(first["names"].tolist()):
        if name in own:
            points[row] = second["pts21"][own[name]]
    doubtful = first["multi_face_photo"].astype(bool)
    labels = np.where(doubtful[:, None, None], np.nan, first["pts68"])
    rest = int((~elsewhere).sum())
    faces = AflwFaces(
        folder=folder,
        names=(
            *(f"aflw68/{name}" for name in first["names"].tolist()),
            *(f"aflw21/{name}" for name in second["names"][~elsewhere].tolist()),
        ),
        landmarks=np.concatenate([labels, np.full((rest, 68, 2), np.nan)]).astype(np.float32),
        visibility=np.concatenate([first["visibility"], np.full((rest, 68), NOT_LABELLED)]).astype(
            np.uint8
        ),
        points=np.concatenate([points, second["pts21"][~elsewhere]]).astype(np.float32),
    )
    missing = np.isnan(faces.landmarks).any(-1)
    faces.visibility[missing] = NOT_LABELLED
    nothing = missing.all(1) & np.isnan(faces.points).any(-1).all(1)
    return select_faces(faces, np.flatnonzero(~nothing))


def select_faces(faces: AflwFaces, rows: Int[np.ndarray, " M"]) -> AflwFaces:
    """Returns some of the faces, in the given order."""
    return AflwFaces(
        folder=faces.folder,
        names=tuple(faces.names[row] for row in rows),
        landmarks=faces.landmarks[rows],
        visibility=faces.visibility[rows],
        points=faces.points[rows],
    )


def fit_aflw(
    model: MorphableModel, rows: LandmarkRows, faces: AflwFaces, progress: Progress = iter
) -> Pseudo3D:
    """Fits the face model to the points of both mark-ups.

    Args:
      model: face model, cut to the components that are wanted.
      rows: where the 21 points lie on its mesh (`point_rows`).
      faces: the faces.
      progress: wraps the iterator over chunks.
    """
    known = ~np.isnan(faces.points).any(-1)
    return fit_pseudo_3d(
        both_mark_ups(model, rows),
        np.concatenate([faces.landmarks, faces.points], axis=1),
        np.concatenate([label_weights(faces.visibility), known * _WEIGHTS], axis=1),
        progress,
    )


def both_mark_ups(model: MorphableModel, rows: LandmarkRows) -> ShapeSpace:
    """Returns the rows of the 68 landmarks, followed by the 21 points."""
    return join_spaces(landmark_space(model), point_space(model, rows.vertices, rows.weights))


def aflw_source(faces: AflwFaces, fits: Pseudo3D, model: MorphableModel) -> CropSource:
    """Returns the faces with their fits.

    Where one of the 68 is not labelled, the fitted point takes its place and counts as hidden: a detector, which
    training imitates, would have guessed it.

    Args:
      faces: the faces.
      fits: their pseudo 3D annotations (`fit_aflw`).
      model: that was fitted.
    """
    landmarks, visibility = faces.landmarks.copy(), faces.visibility.copy()
    unknown = np.isnan(landmarks).any(-1) & np.isfinite(fits.error)[:, None]
    landmarks[unknown] = fitted_landmarks(model, fits.vectors)[unknown]
    visibility[unknown] = HIDDEN
    filled = AnnotatedCrops(
        source=faces.folder,
        names=faces.names,
        boxes=whole_boxes(len(faces.names)),
        landmarks=landmarks,
        visibility=visibility,
        whole_pictures=True,
    )
    rows = split_rows(len(faces.names))
    return CropSource(
        description=f"AFLW, {len(faces.names)} faces, {np.count_nonzero(faces.visibility)} of 68 and "
        f"{np.isfinite(faces.points[..., 0]).sum()} of 21 points",
        face_model=digest(model),
        vector_size=fits.vectors.shape[1],
        splits={
            name: functools.partial(_records, filled, fits, chosen) for name, chosen in rows.items()
        },
    )


def _records(
    crops: AnnotatedCrops, fits: Pseudo3D, rows: Int[np.ndarray, " M"]
) -> Iterator[FaceCrop]:
    with contextlib.ExitStack() as opened:
        parts = {
            part: opened.enter_context(open_files(crops.source / part))
            for part in ("aflw68", "aflw21")
        }
        readers = {
            f"{part}/{name}": read
            for part, files in parts.items()
            for name, read in files.readers.items()
        }
        yield from fitted_records(FileSet(crops.source, readers), crops, fits, rows)
