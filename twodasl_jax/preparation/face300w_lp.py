"""Reader and crop source of 300W-LP: profiled faces with the coefficients of a fitted Basel model.

The extracted archive has the folders AFW, HELEN, IBUG and LFPW and a mirrored copy of each
(AFW_Flip, ...). Beside each 450x450 `.jpg` lies a `.mat` of the same name:

    pt2d        (2, 68)  the labels of 300W, in pixels with y down
    Pose_Para   (1, 7)   pitch, yaw, roll, t_x, t_y, t_z, f (`coefficients.camera_from_pose7`)
    Shape_Para  (199, 1) shape coefficients of the Basel face model, along its basis in micrometres
    Exp_Para    (29, 1)  expression coefficients of 3DDFA, in the same unit
    roi         (1, 4)   the region of the original photo, not used here

`pt2d` is not the projection of the fitted model. Like all manual labels it follows the visible
outline of the cheek. At large yaw the outline is tens of pixels away from the jaw of the model, so
`pseudo_3d.drop_far_jaw` drops these labels.

The caller chooses the annotations. `own_annotations` converts the stored coefficients to a face
model that was imported from the files of Basel and 3DDFA. `fitted_annotations` fits any other face
model to the labels.

References:
  Zhu et al., Face Alignment in Full Pose Range: A 3D Total Solution, 2017.
"""

import dataclasses
import functools
import pathlib
import re
from collections.abc import Callable, Iterable, Iterator, Sequence

import numpy as np
from jaxtyping import Float, Int, UInt8

from twodasl_jax.data.face_crops import NOT_LABELLED, VISIBLE, CropSource, FaceCrop, split_rows
from twodasl_jax.errors import BoxError, DatasetError, PhotoError
from twodasl_jax.files.array_files import read_mat
from twodasl_jax.geometry.coefficients import (
    Coefficients,
    camera_from_pose7,
    official_from_coefficients,
)
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.frames import CROP_SIZE, box_from_landmarks, crop_from_image
from twodasl_jax.geometry.morphable_model import MorphableModel, ShapeSpace, landmark_space
from twodasl_jax.geometry.projection import WeakPerspective, affine_from_camera
from twodasl_jax.geometry.rotation import euler_from_rotation
from twodasl_jax.imaging.crops import check_box
from twodasl_jax.imaging.photos import read_photo
from twodasl_jax.preparation.pseudo_3d import Pseudo3D, drop_far_jaw, fit_pseudo_3d, label_weights
from twodasl_jax.preparation.records import stored_picture

_SETS = ("AFW", "HELEN", "IBUG", "LFPW")
_FLIPPED = "_Flip"
_PICTURE_SIDE = 450
_SHAPE_COUNT, _EXPRESSION_COUNT = 199, 29
_FIELDS = {
    "pt2d": (2, 68),
    "Pose_Para": (1, 7),
    "Shape_Para": (_SHAPE_COUNT, 1),
    "Exp_Para": (_EXPRESSION_COUNT, 1),
}
_AGAIN = "extract the archive again"

# Micrometres per millimetre, the unit of the face models of this package.
_MICROMETRES = 1000.0
# Brows, nose, eyes and mouth. Their labels mark the same points of the head at any yaw.
_INNER = slice(17, 68)
# The largest median misfit, relative to the size of the face. The misfit of the matching model is
# less than half of it, and that of other models is far larger.
_LARGEST_MISFIT = 0.1


@dataclasses.dataclass(frozen=True, eq=False)
class LpFaces:
    """The annotations of N pictures.

    The published pixel frame is used as the image frame without a shift, as in
    `geometry.coefficients`.

    Attributes:
      folder: the folder of the extracted archive.
      names: the N sorted paths in it without suffix, for example "AFW_Flip/AFW_134212_1_0".
      points: the (N, 68, 2) labels `pt2d` in the image frame.
      boxes: (N, 4) x0, y0, x1, y1 of 3DDFA's crops in the image frame.
      pose: the (N, 7) `Pose_Para`.
      shape: the (N, 199) `Shape_Para`.
      expression: the (N, 29) `Exp_Para`.
    """

    folder: pathlib.Path
    names: tuple[str, ...]
    points: Float[np.ndarray, "N 68 2"]
    boxes: Float[np.ndarray, "N 4"]
    pose: Float[np.ndarray, "N 7"]
    shape: Float[np.ndarray, "N 199"]
    expression: Float[np.ndarray, "N 29"]


def read_face300w_lp(
    folder: pathlib.Path, progress: Callable[[Sequence[str]], Iterable[str]] = iter
) -> LpFaces:
    """Reads all annotations of an extracted 300W-LP, or of some of its eight folders.

    Args:
      folder: the folder with AFW, HELEN, IBUG and LFPW. Other files and folders in it are ignored.
      progress: wraps the sequence of names in a progress bar.

    Raises:
      DatasetError: if there are no pictures, if a picture or a `.mat` file has no counterpart, or
        if an annotation is invalid.
    """
    names = _paired_names(folder)
    sizes = [np.prod(shape) for shape in _FIELDS.values()]
    rows, faults = np.zeros((len(names), sum(sizes)), np.float32), []
    for row, name in enumerate(progress(names)):
        try:
            fields = read_mat(folder / f"{name}.mat", _FIELDS)
        except DatasetError as error:
            faults.append(str(error))
        else:
            rows[row] = np.concatenate([fields[field].ravel() for field in _FIELDS])
    _raise_if_any(faults, len(names))
    points, pose, shape, expression = np.split(rows, np.cumsum(sizes)[:-1], axis=1)
    points = points.reshape(-1, 2, 68).swapaxes(1, 2)
    boxes = np.asarray(box_from_landmarks(points))
    _raise_if_any(list(_box_faults(folder, names, boxes)), len(names))
    return LpFaces(folder, names, points, boxes, pose, shape, expression)


def own_annotations(model: MorphableModel, faces: LpFaces) -> Pseudo3D:
    """Converts the stored coefficients to annotations of the face model that they belong to.

    The model must be the Basel model with 3DDFA's expressions, in mm, with unchanged axes and
    bases. Its standard deviations are amplitudes in mm along the bases. It may have fewer
    components than stored; the first ones are used. The offset between its origin and Basel's
    origin is the same for all faces. Least squares over the inner labels of all faces determine it.

    Args:
      model: the face model.
      faces: the faces of 300W-LP.

    Returns:
      The annotations in the crop frame.

    Raises:
      DatasetError: if the model has more components than stored, or is another model.
    """
    counts = len(model.shape_std), len(model.expression_std)
    if counts[0] > _SHAPE_COUNT or counts[1] > _EXPRESSION_COUNT:
        raise DatasetError(
            f"300W-LP stores {_SHAPE_COUNT} shape and {_EXPRESSION_COUNT} expression coefficients, the face model has "
            f"{counts[0]} and {counts[1]} components: truncate it, or fit it to the landmarks."
        )
    shape = faces.shape[:, : counts[0]] / _MICROMETRES / np.asarray(model.shape_std)
    expression = faces.expression[:, : counts[1]] / _MICROMETRES / np.asarray(model.expression_std)
    camera, landmarks, space = _crop_camera(faces), labels(faces), landmark_space(model)
    coefficients = Coefficients(np.asarray(affine_from_camera(camera)), shape, expression)
    coefficients = _with_origin(coefficients, space, landmarks)
    error = _misfit(np.asarray(decode(space, coefficients)), landmarks)
    if np.median(error) > _LARGEST_MISFIT:
        raise DatasetError(
            f"The coefficients of {faces.folder} are not those of this face model: the median distance of its "
            f"landmarks from the labels is {np.median(error):.0%} of the face size. Fit the model to the landmarks "
            "instead."
        )
    return Pseudo3D(
        vectors=np.asarray(official_from_coefficients(coefficients)),
        yaw=np.asarray(euler_from_rotation(camera.rotation))[:, 0],
        error=error,
    )


def fitted_annotations(
    model: MorphableModel,
    faces: LpFaces,
    progress: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> Pseudo3D:
    """Fits any face model to the labels; the stored coefficients are not used.

    Args:
      model: the face model, truncated to the components of the annotations.
      faces: the faces of 300W-LP.
      progress: wraps the sequence of chunks in a progress bar.

    Returns:
      The annotations in the crop frame.
    """
    landmarks = labels(faces)
    weights = label_weights(_visibility(landmarks))
    return fit_pseudo_3d(landmark_space(model), landmarks, weights, progress)


def face300w_lp_source(
    faces: LpFaces, annotations: Pseudo3D, face_model: str, how: str
) -> CropSource:
    """Returns the crops of all pictures. Each picture is read when its record is requested.

    Args:
      faces: the faces of 300W-LP.
      annotations: their annotations, from `own_annotations` or `fitted_annotations`.
      face_model: the digest of the model of the annotations.
      how: the origin of the annotations, for the description of the data set.

    Raises:
      DatasetError: if all pictures show the same face, so that no face is left for training.
    """
    splits = split_faces(faces.names)
    if not len(splits["train"]):
        raise DatasetError(
            f"All pictures of {faces.folder} were made from one photo: add others, so that some can be held out."
        )
    records = functools.partial(_records, faces, annotations)
    # Prepared data sets store this description, so its wording is part of the file format.
    return CropSource(
        description=f"300W-LP, {len(faces.names)} pictures, {how}",
        face_model=face_model,
        vector_size=annotations.vectors.shape[1],
        splits={name: functools.partial(records, rows) for name, rows in splits.items()},
    )


def labels(faces: LpFaces) -> Float[np.ndarray, "N 68 2"]:
    """Returns the labels in the crop frame, with nan for the jaw labels of the far side."""
    landmarks = np.asarray(crop_from_image(faces.points, faces.boxes))
    return drop_far_jaw(landmarks, faces.pose[:, 1])


def original_face(name: str) -> str:
    """Returns the name of the original face: "AFW/AFW_134212_1" for "AFW_Flip/AFW_134212_1_12"."""
    folder, stem = name.split("/")
    return f"{folder.removesuffix(_FLIPPED)}/{re.sub(r'_[0-9]+$', '', stem)}"


def split_faces(names: Sequence[str]) -> dict[str, Int[np.ndarray, " M"]]:
    """Returns the rows of the "train" and "validation" splits.

    All poses of a face and their mirror images belong to the same split.
    """
    originals, original = np.unique([original_face(name) for name in names], return_inverse=True)
    return {
        split: np.flatnonzero(np.isin(original, chosen))
        for split, chosen in split_rows(len(originals)).items()
    }


def _paired_names(folder: pathlib.Path) -> tuple[str, ...]:
    stems = {
        suffix: {
            f"{path.parent.name}/{path.stem}"
            for name in _SETS
            for part in (folder / name, folder / f"{name}{_FLIPPED}")
            for path in part.glob(f"*{suffix}")
            if not path.name.startswith(".")
        }
        for suffix in (".jpg", ".mat")
    }
    if not any(stems.values()):
        raise DatasetError(
            f"{folder} contains no pictures: give the folder of the extracted 300W-LP that contains {', '.join(_SETS)}."
        )
    for suffix, other in ((".jpg", ".mat"), (".mat", ".jpg")):
        alone = sorted(stems[suffix] - stems[other])
        if alone:
            raise DatasetError(
                f"{folder}: {len(alone)} {suffix} files have no {other} file beside them, first {alone[0]}{suffix}; "
                f"{_AGAIN}, or remove them."
            )
    return tuple(sorted(stems[".mat"]))


def _box_faults(
    folder: pathlib.Path, names: Sequence[str], boxes: Float[np.ndarray, "N 4"]
) -> Iterator[str]:
    """Yields a message for every box that cannot be cropped."""
    for name, box in zip(names, boxes, strict=True):
        try:
            check_box(box, _PICTURE_SIDE, _PICTURE_SIDE)
        except BoxError as error:
            yield f"{folder / name}.mat: the {error}; the box follows from pt2d."


def _raise_if_any(faults: Sequence[str], count: int) -> None:
    if faults:
        raise DatasetError(
            f"{len(faults)} of {count} annotations are invalid: {_AGAIN}, or remove them with their pictures. "
            f"The first: {faults[0]}"
        )


def _crop_camera(faces: LpFaces) -> WeakPerspective:
    """Returns the cameras from Basel's axes and origin, in mm, to the crop frame."""
    camera = camera_from_pose7(faces.pose, _PICTURE_SIDE)
    reduction = CROP_SIZE / (faces.boxes[:, 2] - faces.boxes[:, 0])
    return WeakPerspective(
        scale=_MICROMETRES * reduction * camera.scale,
        rotation=camera.rotation,
        translation=crop_from_image(camera.translation[:, None], faces.boxes)[:, 0],
    )


def _with_origin(
    coefficients: Coefficients, space: ShapeSpace, landmarks: Float[np.ndarray, "N 68 2"]
) -> Coefficients:
    """Moves the model origin by one offset for all faces, to fit the inner landmarks."""
    affine = np.asarray(coefficients.affine)
    projected = np.asarray(decode(space, coefficients))[..., :2]
    gaps = (landmarks - projected)[:, _INNER].mean(axis=1)
    design = affine[:, :2, :3].reshape(-1, 3).astype(np.float64)
    # A single face does not determine the offset along the line of sight. `lstsq` then returns the
    # shortest offset.
    origin = np.linalg.lstsq(design, gaps.ravel())[0].astype(np.float32)
    translation = affine[..., 3:] + affine[..., :3] @ origin[:, None]
    moved = np.concatenate([affine[..., :3], translation], axis=-1)
    return dataclasses.replace(coefficients, affine=moved)


def _misfit(
    points: Float[np.ndarray, "N 68 3"], landmarks: Float[np.ndarray, "N 68 2"]
) -> Float[np.ndarray, " N"]:
    """Returns the root mean square distance from the labels, relative to the size of the face.

    Unlike `pseudo_3d.fit_error` it does not depend on the number of labels, because nothing was
    fitted to them.
    """
    squared = np.sum((points[..., :2] - landmarks) ** 2, axis=-1)
    extent = np.nanmax(landmarks, axis=1) - np.nanmin(landmarks, axis=1)
    return np.sqrt(np.nanmean(squared, axis=1) / np.prod(extent, axis=1))


def _visibility(landmarks: Float[np.ndarray, "*N 68 2"]) -> UInt8[np.ndarray, "*N 68"]:
    # 300W-LP does not record occlusion by hair or hands, so all labels count as visible.
    return np.where(np.isnan(landmarks[..., 0]), NOT_LABELLED, VISIBLE).astype(np.uint8)


def _records(
    faces: LpFaces, annotations: Pseudo3D, rows: Int[np.ndarray, " M"]
) -> Iterator[FaceCrop]:
    landmarks = labels(faces)
    for row in rows:
        name = faces.names[row]
        yield FaceCrop(
            name=name,
            image=stored_picture(_read_picture(faces.folder / f"{name}.jpg"), faces.boxes[row]),
            landmarks=landmarks[row],
            visibility=_visibility(landmarks[row]),
            vector=annotations.vectors[row],
            yaw=annotations.yaw[row],
            error=annotations.error[row],
        )


def _read_picture(path: pathlib.Path) -> UInt8[np.ndarray, "450 450 3"]:
    try:
        picture = read_photo(path)
    except PhotoError as error:
        raise DatasetError(f"{error} Or {_AGAIN}.") from error
    if picture.shape != (_PICTURE_SIDE, _PICTURE_SIDE, 3):
        raise DatasetError(
            f"{path} is {picture.shape[1]}x{picture.shape[0]} pixels, but its annotation is for {_PICTURE_SIDE}x"
            f"{_PICTURE_SIDE}: {_AGAIN}."
        )
    return picture
