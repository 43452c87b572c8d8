"""Reads and writes face models: one `.npz` without pickle, keyed by the fields of `MorphableModel`."""

import hashlib
import importlib.resources
import pathlib
import zipfile
from typing import Any

import numpy as np

from twodasl_jax.atomic_files import replacing
from twodasl_jax.errors import FaceModelError
from twodasl_jax.geometry import coefficients
from twodasl_jax.geometry.morphable_model import MorphableModel, truncate

# Axes of every field; equal letters must have equal sizes.
_AXES = {
    "mean": "V 3",
    "shape_basis": "V 3 S",
    "shape_std": "S",
    "expression_basis": "V 3 E",
    "expression_std": "E",
    "triangles": "F 3",
    "landmark_vertices": "68 3",
    "landmark_weights": "68 3",
    "uv": "U 2",
    "uv_triangles": "F 3",
    "mirror": "V",
}
# What the integer fields are indices into.
_INDEX_OF = {
    "triangles": "mean",
    "landmark_vertices": "mean",
    "mirror": "mean",
    "uv_triangles": "uv",
}


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
            arrays = {name: _as_stored(name, archive[name]) for name in _AXES}
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise FaceModelError(f"{path} cannot be read as a face model: {error}") from error
    _check(arrays, path)
    return MorphableModel(**arrays)


def chosen_face_model(path: str | None) -> MorphableModel:
    """Reads the face model that a program was given, or the embedded one.

    Raises:
      FaceModelError: see `load_face_model`.
    """
    return load_face_model(path) if path else embedded_face_model()


def save_face_model(path: str | pathlib.Path, model: MorphableModel) -> None:
    """Writes a face model to a `.npz` file, in one piece or not at all."""
    arrays: dict[str, Any] = {
        name: _as_stored(name, np.asarray(getattr(model, name))) for name in _AXES
    }
    _check(arrays, path)
    with replacing(path) as beside, open(beside, "wb") as file:
        np.savez_compressed(file, **arrays)


def digest(model: MorphableModel) -> str:
    """Returns a short name of what the model's coefficients mean: equal for models that are equal there.

    Weights and prepared data sets carry it, so that they cannot be used with another face model by mistake.
    """
    # Stored numbers only: sums would differ in their last bits from device to device.
    corners = np.asarray(model.landmark_vertices)
    arrays = (
        corners,
        model.landmark_weights,
        *(
            np.asarray(values)[corners]
            for values in (model.mean, model.shape_basis, model.expression_basis)
        ),
        model.shape_std,
        model.expression_std,
    )
    content = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    return hashlib.sha256(content).hexdigest()[:16]


def _as_stored(name: str, array: np.ndarray) -> np.ndarray:
    return array.astype(np.int32 if name in _INDEX_OF else np.float32)


def _check(arrays: dict[str, np.ndarray], path: str | pathlib.Path) -> None:
    """Raises where shapes, indices or values cannot belong to one model."""
    _check_shapes(arrays, path)
    for name, target in _INDEX_OF.items():
        indices, limit = arrays[name], len(arrays[target])
        if not 0 <= indices.min() <= indices.max() < limit:
            raise FaceModelError(f"{path}: {name} has an index outside 0 .. {limit - 1}")
    for name in _AXES.keys() - _INDEX_OF.keys():
        if not np.isfinite(arrays[name]).all():
            raise FaceModelError(f"{path}: {name} has values that are not finite")
    if np.abs(arrays["landmark_weights"].sum(axis=1) - 1).max() > 1e-3:
        raise FaceModelError(f"{path}: the rows of landmark_weights do not sum to one")
    mirror = arrays["mirror"]
    if not np.array_equal(mirror[mirror], np.arange(len(mirror))):
        raise FaceModelError(f"{path}: mirror does not lead back to the vertex when followed twice")


def _check_shapes(arrays: dict[str, np.ndarray], path: str | pathlib.Path) -> None:
    sizes: dict[str, int] = {}
    for name, axes in _AXES.items():
        shape = arrays[name].shape
        if len(shape) != len(axes.split()):
            raise FaceModelError(f"{path}: {name} has shape {shape}, expected ({axes})")
        for axis, size in zip(axes.split(), shape, strict=True):
            expected = int(axis) if axis.isdigit() else sizes.setdefault(axis, size)
            if size != expected or size == 0:
                raise FaceModelError(
                    f"{path}: {name} has shape {shape}, expected ({axes}) with {axis} = {expected}"
                )
