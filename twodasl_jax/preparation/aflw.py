"""Reader and crop source of AFLW, with manual labels of two mark-ups: iBUG's 68 and AFLW's 21.

    aflw68/images.zip        the pictures with 68 labels
    aflw68/annotations.npz   names (N,), pts68 (N, 68, 2), visibility (N, 68), multi_face_photo (N,)
    aflw21/images.zip        the pictures with only 21 labels
    aflw21/annotations.npz   names (M,), pts21 (M, 21, 2), in_aflw68 (M,)

The pictures are crops of 120x120 pixels. Landmarks are in crop pixels, nan where missing. The 68
labels were moved into the crops by a program. In photos with several faces (`multi_face_photo`)
they may belong to a neighbouring face. The 21 labels were placed on the crops themselves.

The face model is fitted to both mark-ups at once. The positions of the 21 on its mesh were measured
on faces with both mark-ups (experiments/face_model/place_landmarks.py).
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
from twodasl_jax.preparation.file_sets import FileSet, open_files
from twodasl_jax.preparation.in_the_wild import annotated_records
from twodasl_jax.preparation.labelled_images import LabelledCrops, whole_boxes
from twodasl_jax.preparation.pseudo_3d import (
    Progress,
    Pseudo3D,
    fit_pseudo_3d,
    fitted_landmarks,
    label_weights,
)

# The index of the mirrored landmark for each of the 21: brows, eyes, ear lobe, nose, ear lobe,
# mouth, chin.
AFLW_MIRROR = np.array([5, 4, 3, 2, 1, 0, 11, 10, 9, 8, 7, 6, 16, 15, 14, 13, 12, 19, 18, 17, 20])
# The weight of each of the 21 in a fit, relative to an iBUG landmark. Ear lobes are far from the
# face and not rigid.
_WEIGHTS = np.where(np.isin(np.arange(21), [12, 16]), 0.35, 1.0).astype(np.float32)


@dataclasses.dataclass(frozen=True, eq=False)
class AflwFaces:
    """The labels of N crops.

    Attributes:
      folder: the folder with `aflw68/` and `aflw21/`.
      names: the N picture files, relative to `folder`.
      landmarks: the (N, 68, 2) iBUG labels in the crop frame, nan where missing.
      visibility: (N, 68) 0 for unlabelled, 1 for hidden and 2 for visible landmarks.
      points: the (N, 21, 2) AFLW labels in the crop frame, nan where hidden or missing.
    """

    folder: pathlib.Path
    names: tuple[str, ...]
    landmarks: Float[np.ndarray, "N 68 2"]
    visibility: Int[np.ndarray, "N 68"]
    points: Float[np.ndarray, "N 21 2"]


def read_aflw(folder: pathlib.Path) -> AflwFaces:
    """Reads the names and the labels of all faces, without opening the pictures.

    The 68 labels of photos with several faces are dropped, because they may belong to a
    neighbouring face. Faces without any remaining label are dropped too.

    Args:
      folder: the folder with `aflw68/` and `aflw21/`.

    Raises:
      DatasetError: if a file is missing, damaged or of another kind.
    """
    ibug = read_rows(
        folder / "aflw68" / "annotations.npz",
        {"names": (), "pts68": (68, 2), "visibility": (68,), "multi_face_photo": ()},
    )
    aflw = read_rows(
        folder / "aflw21" / "annotations.npz", {"names": (), "pts21": (21, 2), "in_aflw68": ()}
    )
    alone = ~aflw["in_aflw68"].astype(bool)
    rows = {name: row for row, name in enumerate(aflw["names"].tolist())}
    points = np.full((len(ibug["names"]), 21, 2), np.nan, np.float32)
    for row, name in enumerate(ibug["names"].tolist()):
        if name in rows:
            points[row] = aflw["pts21"][rows[name]]
    doubtful = ibug["multi_face_photo"].astype(bool)
    labels = np.where(doubtful[:, None, None], np.nan, ibug["pts68"])
    count = int(alone.sum())
    faces = AflwFaces(
        folder=folder,
        names=(
            *(f"aflw68/{name}" for name in ibug["names"].tolist()),
            *(f"aflw21/{name}" for name in aflw["names"][alone].tolist()),
        ),
        landmarks=np.concatenate([labels, np.full((count, 68, 2), np.nan)]).astype(np.float32),
        visibility=np.concatenate([ibug["visibility"], np.full((count, 68), NOT_LABELLED)]).astype(
            np.uint8
        ),
        points=np.concatenate([points, aflw["pts21"][alone]]).astype(np.float32),
    )
    missing = np.isnan(faces.landmarks).any(-1)
    faces.visibility[missing] = NOT_LABELLED
    unlabelled = missing.all(1) & np.isnan(faces.points).any(-1).all(1)
    return select_faces(faces, np.flatnonzero(~unlabelled))


def select_faces(faces: AflwFaces, rows: Int[np.ndarray, " M"]) -> AflwFaces:
    """Returns the faces of the given rows, in their order."""
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
    """Fits the face model to the labels of both mark-ups.

    Args:
      model: the face model, truncated to the components of the annotations.
      rows: the positions of the 21 landmarks on its mesh (`models.mark_ups`).
      faces: the faces.
      progress: wraps the sequence of chunks in a progress bar.
    """
    labelled = ~np.isnan(faces.points).any(-1)
    return fit_pseudo_3d(
        both_mark_ups(model, rows),
        np.concatenate([faces.landmarks, faces.points], axis=1),
        np.concatenate([label_weights(faces.visibility), labelled * _WEIGHTS], axis=1),
        progress,
    )


def both_mark_ups(model: MorphableModel, rows: LandmarkRows) -> ShapeSpace:
    """Returns the shape space of the 68 landmarks followed by the 21."""
    return join_spaces(landmark_space(model), point_space(model, rows.vertices, rows.weights))


def aflw_source(faces: AflwFaces, fits: Pseudo3D, model: MorphableModel) -> CropSource:
    """Returns the faces with their pseudo annotations.

    Unlabelled landmarks of the 68 are stored as hidden landmarks at their fitted positions. Training
    simulates a landmark detector, and detectors predict hidden landmarks too.

    Args:
      faces: the faces.
      fits: their pseudo annotations (`fit_aflw`).
      model: the fitted face model.
    """
    landmarks, visibility = faces.landmarks.copy(), faces.visibility.copy()
    unlabelled = np.isnan(landmarks).any(-1) & np.isfinite(fits.error)[:, None]
    landmarks[unlabelled] = fitted_landmarks(model, fits.vectors)[unlabelled]
    visibility[unlabelled] = HIDDEN
    filled = LabelledCrops(
        source=faces.folder,
        names=faces.names,
        boxes=whole_boxes(len(faces.names)),
        landmarks=landmarks,
        visibility=visibility,
        whole_pictures=True,
    )
    rows = split_rows(len(faces.names))
    # Prepared data sets store this description, so its wording is part of the file format.
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
    crops: LabelledCrops, fits: Pseudo3D, rows: Int[np.ndarray, " M"]
) -> Iterator[FaceCrop]:
    with contextlib.ExitStack() as stack:
        parts = {
            part: stack.enter_context(open_files(crops.source / part))
            for part in ("aflw68", "aflw21")
        }
        readers = {
            f"{part}/{name}": read
            for part, files in parts.items()
            for name, read in files.readers.items()
        }
        yield from annotated_records(FileSet(crops.source, readers), crops, fits, rows)
