"""Where the points of a mark-up lie on a face model's mesh, in one `.npz`.

    landmark_vertices (P, 3)   corners of the triangle of each point, as in a face model's file
    landmark_weights (P, 3)    how much each corner counts
    face_model                 `face_model.digest` of the model; files without it fit whatever has these vertices

Known for the embedded face model, beside its own 68 landmarks:

    aflw       AFLW's 21 points, by the faces that have iBUG's 68 as well (experiments/face_model/place_landmarks.py)
    300w_lp    the 68 points of 300W-LP and AFLW2000-3D: vertices of another face model, whose nose bridge, chin and
               ears' ends are not where people mark them (experiments/face_model/transfer_landmarks.py)
"""

import importlib.resources
import pathlib

import numpy as np

from twodasl_jax.errors import DatasetError
from twodasl_jax.files.array_files import read_rows
from twodasl_jax.files.atomic_files import replacing
from twodasl_jax.geometry.morphable_model import LandmarkRows, MorphableModel
from twodasl_jax.models.face_model import digest

MARK_UPS = ("aflw", "300w_lp")


def known_rows(mark_up: str, model: MorphableModel) -> LandmarkRows:
    """Returns where the points of one of `MARK_UPS` lie on the embedded face model.

    Raises:
      DatasetError: the model is another one.
    """
    resource = importlib.resources.files("twodasl_jax") / "assets" / f"{mark_up}_points.npz"
    with importlib.resources.as_file(resource) as path:
        return read_point_rows(path, model)


def read_point_rows(path: pathlib.Path, model: MorphableModel) -> LandmarkRows:
    """Reads where points lie on a face model's mesh.

    Raises:
      DatasetError: the file is missing, damaged, of another form, or for another face model.
    """
    rows = read_rows(path, {"landmark_vertices": (3,), "landmark_weights": (3,)})
    with np.load(path, allow_pickle=False) as archive:
        known_for = str(archive["face_model"]) if "face_model" in archive else digest(model)
    if known_for != digest(model):
        raise DatasetError(
            f"{path} says where points lie on face model {known_for}, not on {digest(model)}: use the embedded model, "
            "or place them anew with experiments/face_model/place_landmarks.py or transfer_landmarks.py."
        )
    corners, weights = rows["landmark_vertices"], rows["landmark_weights"].astype(np.float32)
    count = len(model.mean)
    if corners.dtype.kind not in "iu" or not 0 <= corners.min() <= corners.max() < count:
        raise DatasetError(
            f"{path}: landmark_vertices must be whole numbers from 0 to {count - 1}."
        )
    return LandmarkRows(corners.astype(np.int32), weights)


def write_point_rows(path: pathlib.Path, rows: LandmarkRows, model: MorphableModel) -> None:
    """Writes where points lie on a face model's mesh, in one piece or not at all."""
    with replacing(path) as beside, open(beside, "wb") as file:
        np.savez(
            file,
            landmark_vertices=rows.vertices,
            landmark_weights=rows.weights,
            face_model=np.array(digest(model)),
        )
