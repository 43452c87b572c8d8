"""Reads and writes face models: one `.npz` without pickle, keyed by the fields of `MorphableModel`."""

import dataclasses
import hashlib
import importlib.resources
import pathlib
import zipfile
from typing import Any

import jax
import numpy as np

from twodasl_jax.atomic_files import replacing
from twodasl_jax.errors import FaceModelError
from twodasl_jax.geometry import coefficients
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space, truncate

_INTEGER_FIELDS = frozenset({"triangles", "landmark_vertices", "uv_triangles", "mirror"})
_FIELDS = tuple(field.name for field in dataclasses.fields(MorphableModel))


def embedded_face_model(
    shape_count: int = coefficients.SHAPE_COUNT,
    expression_count: int = coefficients.EXPRESSION_COUNT,
) -> MorphableModel:
    """Returns the face model that comes with the package (CC0), with its first components."""
    resource = importlib.resources.files("twodasl_jax") / "assets" / "face_model.npz"
    with importlib.resources.as_file(resource) as path:
        return truncate(load_face_model(path), shape_count, expression_count)


def load_face_model(path: str | pathlib.Path) -> MorphableModel:
    """Returns the face model of a `.npz` file, floats as float32 and indices as int32.

    Raises:
      FaceModelError: the file is missing, no such archive, lacks a field, or its fields do not fit together.
    """
    try:
        with np.load(path, allow_pickle=False) as archive:
            missing = [name for name in _FIELDS if name not in archive]
            if missing:
                raise FaceModelError(f"{path} is no face model: it lacks {', '.join(missing)}")
            arrays = {name: archive[name] for name in _FIELDS}
    except (OSError, ValueError, EOFError, zipfile.BadZipFile) as error:
        if isinstance(error, FaceModelError):
            raise
        raise FaceModelError(f"{path} cannot be read as a face model: {error}") from error
    model = MorphableModel(**{name: _as_stored(name, array) for name, array in arrays.items()})
    _check(model, path)
    return model


def save_face_model(path: str | pathlib.Path, model: MorphableModel) -> None:
    """Writes a face model to a `.npz` file, in one piece or not at all."""
    arrays: dict[str, Any] = {
        name: _as_stored(name, np.asarray(getattr(model, name))) for name in _FIELDS
    }
    _check(MorphableModel(**arrays), path)
    with replacing(path) as beside, open(beside, "wb") as file:
        np.savez_compressed(file, **arrays)


def digest(model: MorphableModel) -> str:
    """Returns a short name of what the model's coefficients mean: equal for models that are equal there.

    Weights and prepared data sets carry it, so that they cannot be used with another face model by mistake.
    """
    leaves = jax.tree.leaves(landmark_space(model))
    content = b"".join(np.round(np.asarray(leaf, np.float64), 3).tobytes() for leaf in leaves)
    return hashlib.sha256(content).hexdigest()[:16]


def _as_stored(name: str, array: np.ndarray) -> np.ndarray:
    return array.astype(np.int32 if name in _INTEGER_FIELDS else np.float32)


def _check(model: MorphableModel, path: str | pathlib.Path) -> None:
    """Raises where shapes, index ranges or values cannot belong to one model."""
    vertices, faces = len(model.mean), len(model.triangles)
    shapes = {
        "mean": (vertices, 3),
        "shape_basis": (vertices, 3, len(model.shape_std)),
        "expression_basis": (vertices, 3, len(model.expression_std)),
        "triangles": (faces, 3),
        "landmark_vertices": (68, 3),
        "landmark_weights": (68, 3),
        "uv_triangles": (faces, 3),
        "mirror": (vertices,),
    }
    for name, expected in shapes.items():
        if getattr(model, name).shape != expected:
            raise FaceModelError(
                f"{path}: {name} has shape {getattr(model, name).shape}, expected {expected}"
            )
    limits = {
        name: len(model.uv) if name == "uv_triangles" else vertices for name in _INTEGER_FIELDS
    }
    for name, limit in sorted(limits.items()):
        indices = np.asarray(getattr(model, name))
        if indices.size and not 0 <= indices.min() <= indices.max() < limit:
            raise FaceModelError(f"{path}: {name} has an index outside 0 .. {limit - 1}")
    for name in sorted(set(_FIELDS) - _INTEGER_FIELDS):
        if not np.isfinite(getattr(model, name)).all():
            raise FaceModelError(f"{path}: {name} has values that are not finite")
