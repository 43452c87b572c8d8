"""300W-LP, faces turned to large poses with the coefficients of a fitted model, as a source of crops.

The extracted archive holds AFW, HELEN, IBUG and LFPW, each with a mirrored twin (AFW_Flip, ..), and in them for each
450x450 `.jpg` a `.mat` of the same name:

    pt2d        (2, 68)  the landmarks that 300W was labelled with, pixels, y down
    Pose_Para   (1, 7)   pitch, yaw, roll, t_x, t_y, t_z, f (`coefficients.camera_from_pose7`)
    Shape_Para  (199, 1) of the Basel face model, along its basis; its points are in micrometres
    Exp_Para    (29, 1)  of 3DDFA's expressions, likewise
    roi         (1, 4)   the region of the original photo that the picture was made from; all the rest refers to the
                         picture, so that it is not needed

`pt2d` is no projection of the fitted model: like all labels of photos it follows the visible outline of the cheek, tens
of pixels from the jaw points of a head that is turned away. Those points (`pseudo_3d.drop_far_jaw`) are no labels here.

Which coefficients a face gets is the caller's choice: `own_annotations` turns the stored ones into those of a face
model that was imported from Basel's and 3DDFA's files, `fitted_annotations` fits any other face model to the labels.

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

from twodasl_jax.data.face_crops import (
    NOT_LABELLED,
    VISIBLE,
    CropSource,
    FaceCrop,
    split_rows,
    stored_picture,
)
from twodasl_jax.errors import BoxError, DatasetError, PhotoError
from twodasl_jax.files.array_files import read_mat
from twodasl_jax.geometry.coefficients import (
    Coefficients,
    camera_from_pose7,
    official_from_coefficients,
)
from twodasl_jax.geometry.frames import CROP_SIZE, box_from_landmarks, crop_from_image
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space, synthesize
from twodasl_jax.geometry.projection import (
    WeakPerspective,
    affine_from_camera,
    picture_from_model_affine,
)
from twodasl_jax.geometry.rotation import euler_from_rotation
from twodasl_jax.imaging.crops import check_box
from twodasl_jax.imaging.photos import read_photo
from twodasl_jax.preparation.pseudo_3d import Pseudo3D, drop_far_jaw, fit_pseudo_3d, label_weights

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

_MICROMETRES = 1000.0  # in a millimetre, the unit of face models here
# Brows, nose, eyes and mouth: labelled at the same places of the head whichever way it is turned.
_INNER = slice(17, 68)
# In the median, relative to the face: the right model stays below half of this, another one is several faces away.
_LARGEST_MISFIT = 0.1


@dataclasses.dataclass(frozen=True, eq=False)
class LpFaces:
    """The annotations of N pictures.

    The published pixel frame is taken for the image frame as it is, as in `geometry.coefficients`.

    Attributes:
      folder: that they lie in.
      names: N paths in it without suffix, such as "AFW_Flip/AFW_134212_1_0", sorted.
      points: (N, 68, 2) `pt2d`, image frame.
      boxes: (N, 4) 3DDFA's crop boxes around them, x0, y0, x1, y1, image frame.
      pose: (N, 7) `Pose_Para`.
      shape: (N, 199) `Shape_Para`.
      expression: (N, 29) `Exp_Para`.
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
      folder: that holds AFW, HELEN, IBUG and LFPW; whatever else lies there is left alone.
      progress: wraps the iterator over names, for a progress bar.

    Raises:
      DatasetError: there are no pictures, a picture or a `.mat` file lies alone, or an annotation is of no use.
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
    _refuse(faults, len(names))
    points, pose, shape, expression = np.split(rows, np.cumsum(sizes)[:-1], axis=1)
    points = points.reshape(-1, 2, 68).swapaxes(1, 2)
    boxes = np.asarray(box_from_landmarks(points))
    _refuse(list(_impossible_boxes(folder, names, boxes)), len(names))
    return LpFaces(folder, names, points, boxes, pose, shape, expression)


def own_annotations(model: MorphableModel, faces: LpFaces) -> Pseudo3D:
    """Returns the stored coefficients as those of the model that they belong to, in the frame of the crops.

    The model is Basel's with 3DDFA's expressions in mm: with their axes and untouched bases, the standard deviations
    being amplitudes in mm along them. It may hold fewer components; the first ones are taken. Where its origin lies in
    Basel's frame is the same for all faces, and found from the inner labels of all by least squares.

    Args:
      model: face model.
      faces: of 300W-LP.

    Raises:
      DatasetError: the model holds more components than are stored, or is plainly another one.
    """
    counts = len(model.shape_std), len(model.expression_std)
    if counts[0] > _SHAPE_COUNT or counts[1] > _EXPRESSION_COUNT:
        raise DatasetError(
            f"300W-LP stores {_SHAPE_COUNT} shape and {_EXPRESSION_COUNT} expression coefficients, the face model has "
            f"{counts[0]} and {counts[1]} components: cut it, or fit it to the landmarks."
        )
    shape = faces.shape[:, : counts[0]] / _MICROMETRES / np.asarray(model.shape_std)
    expression = faces.expression[:, : counts[1]] / _MICROMETRES / np.asarray(model.expression_std)
    points = synthesize(landmark_space(model), shape, expression)
    camera = _crop_camera(faces)
    affine, landmarks = np.asarray(affine_from_camera(camera)), labels(faces)
    affine = _at_origin(affine, np.asarray(points), landmarks)
    error = _misfit(np.asarray(picture_from_model_affine(affine, points)), landmarks)
    if np.median(error) > _LARGEST_MISFIT:
        raise DatasetError(
            f"The coefficients of {faces.folder} are not those of this face model: with it half of the faces miss "
            f"their landmarks by {np.median(error):.0%} of their size or more. Fit the model to the landmarks instead."
        )
    vectors = official_from_coefficients(Coefficients(affine, shape, expression))
    return Pseudo3D(
        np.asarray(vectors), np.asarray(euler_from_rotation(camera.rotation))[:, 0], error
    )


def fitted_annotations(
    model: MorphableModel,
    faces: LpFaces,
    progress: Callable[[Sequence[int]], Iterable[int]] = iter,
) -> Pseudo3D:
    """Fits any face model to the labels, in the frame of the crops; the stored coefficients are not used.

    Args:
      model: face model, cut to the components that are wanted.
      faces: of 300W-LP.
      progress: wraps the iterator over chunks, for a progress bar.
    """
    landmarks = labels(faces)
    weights = label_weights(_visibility(landmarks))
    return fit_pseudo_3d(landmark_space(model), landmarks, weights, progress)


def face300w_lp_source(
    faces: LpFaces, annotations: Pseudo3D, face_model: str, how: str
) -> CropSource:
    """Returns the crops of all pictures; each is read when its record is taken.

    Args:
      faces: of 300W-LP.
      annotations: theirs, of `own_annotations` or `fitted_annotations`.
      face_model: digest of the model that the annotations belong to.
      how: they were made, for the description of the data set.

    Raises:
      DatasetError: all pictures show one face, which cannot be both learned from and held out.
    """
    splits = split_faces(faces.names)
    if not len(splits["train"]):
        raise DatasetError(
            f"All pictures of {faces.folder} were made from one photo: more are needed to hold some out."
        )
    records = functools.partial(_records, faces, annotations)
    return CropSource(
        description=f"300W-LP, {len(faces.names)} pictures, {how}",
        face_model=face_model,
        vector_size=annotations.vectors.shape[1],
        splits={name: functools.partial(records, rows) for name, rows in splits.items()},
    )


def labels(faces: LpFaces) -> Float[np.ndarray, "N 68 2"]:
    """Returns the labels in the frame of the crops, without (nan) the jaw points that are turned away."""
    landmarks = np.asarray(crop_from_image(faces.points, faces.boxes))
    return drop_far_jaw(landmarks, faces.pose[:, 1])


def original_face(name: str) -> str:
    """Returns which face of 300W a picture was made from, by name: "AFW/AFW_134212_1" of "AFW_Flip/AFW_134212_1_12"."""
    folder, stem = name.split("/")
    return f"{folder.removesuffix(_FLIPPED)}/{re.sub(r'_[0-9]+$', '', stem)}"


def split_faces(names: Sequence[str]) -> dict[str, Int[np.ndarray, " M"]]:
    """Returns the rows of "train" and "validation": all poses of a face, and their mirrored twins, are on one side."""
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
            f"{folder} holds no pictures: give the folder of the extracted 300W-LP that has {', '.join(_SETS)} in it."
        )
    for suffix, other in ((".jpg", ".mat"), (".mat", ".jpg")):
        alone = sorted(stems[suffix] - stems[other])
        if alone:
            raise DatasetError(
                f"{folder}: {len(alone)} {suffix} files have no {other} file beside them, the first is {alone[0]}"
                f"{suffix}: {_AGAIN}, or remove them."
            )
    return tuple(sorted(stems[".mat"]))


def _impossible_boxes(
    folder: pathlib.Path, names: Sequence[str], boxes: Float[np.ndarray, "N 4"]
) -> Iterator[str]:
    for name, box in zip(names, boxes, strict=True):
        try:
            check_box(box, _PICTURE_SIDE, _PICTURE_SIDE)
        except BoxError as error:
            yield f"{folder / name}.mat: around its pt2d, the {error}."


def _refuse(faults: Sequence[str], count: int) -> None:
    if faults:
        raise DatasetError(
            f"{len(faults)} of {count} annotations are of no use: {_AGAIN}, or remove them with their pictures. "
            f"The first: {faults[0]}"
        )


def _crop_camera(faces: LpFaces) -> WeakPerspective:
    """Returns the cameras from Basel's axes and origin, in mm, to the frame of the crops."""
    camera = camera_from_pose7(faces.pose, _PICTURE_SIDE)
    reduction = CROP_SIZE / (faces.boxes[:, 2] - faces.boxes[:, 0])
    return WeakPerspective(
        scale=_MICROMETRES * reduction * camera.scale,
        rotation=camera.rotation,
        translation=crop_from_image(camera.translation[:, None], faces.boxes)[:, 0],
    )


def _at_origin(
    affine: Float[np.ndarray, "N 3 4"],
    points: Float[np.ndarray, "N 68 3"],
    landmarks: Float[np.ndarray, "N 68 2"],
) -> Float[np.ndarray, "N 3 4"]:
    """Moves the origin of projections to where, in the mean over the inner points, the points meet the labels."""
    projected = np.asarray(picture_from_model_affine(affine, points))[..., :2]
    gaps = (landmarks - projected)[:, _INNER].mean(axis=1)
    design = affine[:, :2, :3].reshape(-1, 3).astype(np.float64)
    # One face leaves the origin's place along the line of sight open: the shortest way is taken.
    origin = np.linalg.lstsq(design, gaps.ravel())[0].astype(np.float32)
    translation = affine[..., 3:] + affine[..., :3] @ origin[:, None]
    return np.concatenate([affine[..., :3], translation], axis=-1)


def _misfit(
    points: Float[np.ndarray, "N 68 3"], landmarks: Float[np.ndarray, "N 68 2"]
) -> Float[np.ndarray, " N"]:
    """Returns the root mean square distance from the labels, relative to the face.

    Other than in `pseudo_3d.fit_error` it does not matter how many these are: no fit rests on them.
    """
    squared = np.sum((points[..., :2] - landmarks) ** 2, axis=-1)
    extent = np.nanmax(landmarks, axis=1) - np.nanmin(landmarks, axis=1)
    return np.sqrt(np.nanmean(squared, axis=1) / np.prod(extent, axis=1))


def _visibility(landmarks: Float[np.ndarray, "*N 68 2"]) -> UInt8[np.ndarray, "*N 68"]:
    # Hair and hands in front of a face are not recorded.
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
            f"{path} is {picture.shape[1]}x{picture.shape[0]} pixels, and annotated at {_PICTURE_SIDE}x"
            f"{_PICTURE_SIDE}: {_AGAIN}."
        )
    return picture
