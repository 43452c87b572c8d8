"""Face model files: one `.npz` without pickle, with one array for each field of `MorphableModel`.

A file may also contain the expression units of the model.
"""

import contextlib
import hashlib
import importlib.resources
import pathlib
import zipfile
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import numpy as np

from twodasl_jax.errors import FaceModelError
from twodasl_jax.files.atomic_files import replacing
from twodasl_jax.geometry import coefficients
from twodasl_jax.geometry.morphable_model import MorphableModel, truncate
from twodasl_jax.models.expression_units import ExpressionUnits

# The axes of each field; axes with the same letter must have the same size.
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
# The axes of the arrays of the expression units, which are optional.
_UNIT_AXES = {
    "expression_units": "V 3 K",
    "expression_unit_names": "K",
    "expression_units_at_rest": "K",
    "metric": "V",
}
# The field that each integer field indexes.
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
    """Returns the face model that comes with the package (CC0), truncated to its first components.

    Args:
      shape_count: the number of shape components.
      expression_count: the number of expression components.
    """
    with _embedded_file() as path:
        return truncate(load_face_model(path), shape_count, expression_count)


def embedded_expression_units() -> ExpressionUnits:
    """Returns the 52 expression units of the embedded face model (CC0), with ARKit's names."""
    with _embedded_file() as path:
        units = load_expression_units(path)
    assert units is not None
    return units


def load_face_model(path: str | pathlib.Path) -> MorphableModel:
    """Reads a face model, with float32 values and int32 indices.

    Args:
      path: a `.npz` file of `save_face_model`.

    Raises:
      FaceModelError: the file is missing, not an archive, or lacks a field, or its fields are inconsistent.
    """
    with _opened(path) as archive:
        arrays = {name: _as_stored(name, archive[name]) for name in _AXES}
    _check(arrays, path)
    return MorphableModel(**arrays)


def load_expression_units(path: str | pathlib.Path) -> ExpressionUnits | None:
    """Reads the expression units of a face model, with float32 values.

    Args:
      path: a `.npz` file of `save_face_model`.

    Returns:
      The units; None if the file has none.

    Raises:
      FaceModelError: the file is missing or not an archive, or its arrays are inconsistent.
    """
    with _opened(path) as archive:
        if "expression_units" not in archive:
            return None
        arrays = {name: archive[name] for name in ("mean", *_UNIT_AXES)}
    _check_units(arrays, path)
    return ExpressionUnits(
        names=tuple(map(str, arrays["expression_unit_names"])),
        displacements=arrays["expression_units"].astype(np.float32),
        metric=arrays["metric"].astype(np.float32),
        at_rest=arrays["expression_units_at_rest"].astype(np.float32),
    )


def chosen_face_model(path: str | None) -> MorphableModel:
    """Returns the face model of a file, or the embedded one if there is no path.

    Raises:
      FaceModelError: the file is not a face model; see `load_face_model`.
    """
    return load_face_model(path) if path else embedded_face_model()


def chosen_expression_units(path: str | None) -> ExpressionUnits | None:
    """Returns the expression units of a face model's file, or those of the embedded one if there is no path.

    Raises:
      FaceModelError: the file is not a face model; see `load_expression_units`.
    """
    return load_expression_units(path) if path else embedded_expression_units()


def save_face_model(
    path: str | pathlib.Path, model: MorphableModel, units: ExpressionUnits | None = None
) -> None:
    """Writes a face model to a `.npz` file, atomically.

    Args:
      path: the file to create or replace.
      model: the face model.
      units: the expression units of the model, if it has any.

    Raises:
      FaceModelError: the arrays are inconsistent.
    """
    arrays: dict[str, Any] = {
        name: _as_stored(name, np.asarray(getattr(model, name))) for name in _AXES
    }
    _check(arrays, path)
    if units is not None:
        arrays |= {
            # float16 halves the size and is exact to 0.01 mm.
            "expression_units": units.displacements.astype(np.float16),
            "expression_unit_names": np.array(units.names),
            "expression_units_at_rest": units.at_rest.astype(np.float32),
            "metric": units.metric.astype(np.float32),
        }
        _check_units(arrays, path)
    with replacing(path) as beside, open(beside, "wb") as file:
        np.savez_compressed(file, **arrays)


def digest(model: MorphableModel) -> str:
    """Returns a short hash of the arrays that map coefficients to the landmarks of a model.

    Weights and prepared data sets store it, which prevents their use with another face model.
    """
    # Only stored numbers are hashed: the last bits of sums would depend on the device.
    vertices = np.asarray(model.landmark_vertices)
    arrays = (
        vertices,
        model.landmark_weights,
        *(
            np.asarray(values)[vertices]
            for values in (model.mean, model.shape_basis, model.expression_basis)
        ),
        model.shape_std,
        model.expression_std,
    )
    content = b"".join(np.ascontiguousarray(array).tobytes() for array in arrays)
    return hashlib.sha256(content).hexdigest()[:16]


def _embedded_file() -> contextlib.AbstractContextManager[pathlib.Path]:
    return importlib.resources.as_file(
        importlib.resources.files("twodasl_jax") / "assets" / "face_model.npz"
    )


@contextlib.contextmanager
def _opened(path: str | pathlib.Path) -> Iterator[Mapping[str, np.ndarray]]:
    """Opens an archive. Any error of the file or of one of its arrays becomes a `FaceModelError`."""
    try:
        with np.load(path, allow_pickle=False) as archive:
            yield archive
    except (OSError, ValueError, TypeError, KeyError, EOFError, zipfile.BadZipFile) as error:
        raise FaceModelError(f"{path} cannot be read as a face model: {error}") from error


def _as_stored(name: str, array: np.ndarray) -> np.ndarray:
    return array.astype(np.int32 if name in _INDEX_OF else np.float32)


def _check(arrays: dict[str, np.ndarray], path: str | pathlib.Path) -> None:
    """Raises if shapes, indices or values are inconsistent."""
    _check_shapes(arrays, _AXES, path)
    for name, target in _INDEX_OF.items():
        indices, limit = arrays[name], len(arrays[target])
        if not 0 <= indices.min() <= indices.max() < limit:
            raise FaceModelError(f"{path}: {name} has an index outside 0 .. {limit - 1}")
    _check_finite(arrays, _AXES.keys() - _INDEX_OF.keys(), path)
    if np.abs(arrays["landmark_weights"].sum(axis=1) - 1).max() > 1e-3:
        raise FaceModelError(f"{path}: the rows of landmark_weights do not sum to one")
    mirror = arrays["mirror"]
    if not np.array_equal(mirror[mirror], np.arange(len(mirror))):
        raise FaceModelError(f"{path}: mirror is not an involution: mirror[mirror[v]] must be v")


def _check_units(arrays: dict[str, np.ndarray], path: str | pathlib.Path) -> None:
    """Raises if the expression units do not fit the face model in the same file."""
    _check_shapes(arrays, {"mean": _AXES["mean"], **_UNIT_AXES}, path)
    names = arrays["expression_unit_names"]
    if names.dtype.kind != "U" or len(set(names)) < len(names):
        raise FaceModelError(f"{path}: expression_unit_names are not {len(names)} different names")
    _check_finite(arrays, _UNIT_AXES.keys() - {"expression_unit_names"}, path)


def _check_finite(
    arrays: dict[str, np.ndarray], names: Collection[str], path: str | pathlib.Path
) -> None:
    for name in names:
        if not np.isfinite(arrays[name]).all():
            raise FaceModelError(f"{path}: {name} has values that are not finite")


def _check_shapes(
    arrays: dict[str, np.ndarray], expected_axes: Mapping[str, str], path: str | pathlib.Path
) -> None:
    sizes: dict[str, int] = {}
    for name, axes in expected_axes.items():
        shape = arrays[name].shape
        if len(shape) != len(axes.split()):
            raise FaceModelError(f"{path}: {name} has shape {shape}, expected ({axes})")
        for axis, size in zip(axes.split(), shape, strict=True):
            expected = int(axis) if axis.isdigit() else sizes.setdefault(axis, size)
            if size != expected or size == 0:
                raise FaceModelError(
                    f"{path}: {name} has shape {shape}, expected ({axes}) with {axis} = {expected}"
                )
