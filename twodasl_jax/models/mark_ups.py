"""Mark-ups: landmarks as barycentric points on the mesh of a face model, in one `.npz` file.

    landmark_vertices (P, 3)   the vertices of the triangle of each landmark
    landmark_weights (P, 3)    its barycentric weights
    face_model                 the `digest` of the face model; if missing, the file fits any model with these vertices

Besides the 68 iBUG landmarks of the embedded face model, the package contains two mark-ups for it:

    aflw       the 21 landmarks of AFLW, measured on faces that have both mark-ups
               (experiments/face_model/place_landmarks.py)
    300w_lp    the 68 landmarks of 300W-LP and AFLW2000-3D, transferred by the same program from another face model,
               where they are vertices; the bridge of the nose, the chin and the ends of the jaw differ from iBUG's
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


def embedded_mark_up(name: str, model: MorphableModel) -> LandmarkRows:
    """Returns a mark-up that comes with the package.

    Args:
      name: one of `MARK_UPS`.
      model: the embedded face model, with any number of components.

    Raises:
      DatasetError: the model is not the embedded one.
    """
    resource = importlib.resources.files("twodasl_jax") / "assets" / f"{name}_points.npz"
    with importlib.resources.as_file(resource) as path:
        return load_mark_up(path, model)


def load_mark_up(path: pathlib.Path, model: MorphableModel) -> LandmarkRows:
    """Reads a mark-up file for a face model.

    Raises:
      DatasetError: the file is missing, damaged, not a mark-up, or for another face model.
    """
    rows = read_rows(path, {"landmark_vertices": (3,), "landmark_weights": (3,)})
    with np.load(path, allow_pickle=False) as archive:
        face_model = str(archive["face_model"]) if "face_model" in archive else digest(model)
    if face_model != digest(model):
        raise DatasetError(
            f"{path} is a mark-up of face model {face_model}, not of {digest(model)}: use the embedded model, or make "
            "the mark-up with experiments/face_model/place_landmarks.py."
        )
    vertices, weights = rows["landmark_vertices"], rows["landmark_weights"].astype(np.float32)
    count = len(model.mean)
    if vertices.dtype.kind not in "iu" or not 0 <= vertices.min() <= vertices.max() < count:
        raise DatasetError(
            f"{path}: landmark_vertices must be whole numbers from 0 to {count - 1}."
        )
    return LandmarkRows(vertices.astype(np.int32), weights)


def save_mark_up(path: pathlib.Path, rows: LandmarkRows, model: MorphableModel) -> None:
    """Writes a mark-up of a face model, atomically."""
    with replacing(path) as beside, open(beside, "wb") as file:
        np.savez(
            file,
            landmark_vertices=rows.vertices,
            landmark_weights=rows.weights,
            face_model=np.array(digest(model)),
        )
