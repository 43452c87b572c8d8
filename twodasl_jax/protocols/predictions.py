"""Predictions of a method on a test set, and the file format for predictions of any method."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any

import numpy as np
from jaxtyping import Float, Int

from twodasl_jax.errors import DatasetError
from twodasl_jax.files.array_files import read_rows
from twodasl_jax.files.atomic_files import replacing
from twodasl_jax.geometry.morphable_model import LandmarkRows
from twodasl_jax.protocols.annotated_photos import AnnotatedPhotos, rows_of

_OPTIONAL = {"vertices": (-1, 3), "pose": (3,), "shape": (-1,)}


@dataclasses.dataclass(frozen=True, eq=False)
class Predictions:
    """Predictions on N photos, in their order. All arrays are nan for a face without a prediction.

    Attributes:
      source: the name of the method or file, for the report.
      landmarks: (N, P, 2 or 3) landmarks in the image frame.
      vertices: (N, V, 3) dense meshes in the image frame; None if the method has none.
      pose: (N, 3) yaw, pitch and roll in degrees, with the signs of 300W-LP; None if the method has none.
      shape: (N, S) shape coefficients of the test set's face model; None for methods with another face model.
    """

    source: str
    landmarks: Float[np.ndarray, "N P D"]
    vertices: Float[np.ndarray, "N V 3"] | None = None
    pose: Float[np.ndarray, "N 3"] | None = None
    shape: Float[np.ndarray, "N S"] | None = None

    def missing(self) -> list[int]:
        """Returns the indices of the photos without a prediction."""
        return np.flatnonzero(np.isnan(self.landmarks).any(axis=(1, 2))).tolist()


def read_predictions(path: pathlib.Path, photos: AnnotatedPhotos) -> Predictions:
    """Reads a `.npz` file of `names` (M,) and `landmarks` (M, P, 2 or 3), in any order.

    Optional arrays are `vertices` (M, V, 3), `pose` (M, 3) and `shape` (M, S); see `Predictions` for their frames.
    A face has no prediction if the file does not name it or if one of its landmarks is not finite. Such a face counts
    as a failure.

    Args:
      path: the file.
      photos: the test set.

    Raises:
      DatasetError: an array is missing or has another shape, or names are repeated or not in the test set. The
        message lists the names.
    """
    arrays = read_rows(path, {"names": (), "landmarks": (-1, -1)}, _OPTIONAL)
    _check_points(path, arrays["landmarks"], photos)
    if "vertices" in arrays and not arrays["vertices"].shape[1]:
        raise DatasetError(f"Cannot use {path}: vertices holds empty meshes.")
    for name in arrays.keys() - {"names"}:
        if arrays[name].dtype.kind not in "iuf":
            raise DatasetError(
                f"Cannot use {path}: {name} must hold numbers, but has the type {arrays[name].dtype}."
            )
    rows = rows_of(arrays["names"].tolist(), photos.names, path)

    usable = np.isfinite(arrays["landmarks"]).all(axis=(1, 2))
    scattered = {
        name: _scatter(arrays[name][usable], rows[usable], len(photos.names))
        for name in ("landmarks", *_OPTIONAL)
        if name in arrays
    }
    return Predictions(path.name, **scattered)


def points_on_meshes(
    predictions: Predictions, rows: LandmarkRows, photos: AnnotatedPhotos
) -> Predictions:
    """Returns predictions whose landmarks are replaced by other points of their meshes.

    Args:
      predictions: predictions with `vertices`.
      rows: the positions of the points on the meshes.
      photos: the test set.

    Raises:
      DatasetError: there are no meshes, or the test set has another number of landmarks.
    """
    if predictions.vertices is None:
        raise DatasetError(
            f"Cannot place points on meshes: the predictions of {predictions.source} have none."
        )
    points = np.einsum("pk,npkd->npd", rows.weights, predictions.vertices[:, rows.vertices])
    _check_points("these points on the mesh", points, photos)
    return dataclasses.replace(predictions, landmarks=points)


def write_predictions(path: pathlib.Path, predictions: Predictions, names: Sequence[str]) -> None:
    """Writes predictions in the format of `read_predictions`."""
    arrays: dict[str, Any] = {"names": np.array(names), **_arrays(predictions)}
    with replacing(path) as beside, open(beside, "wb") as file:
        np.savez_compressed(file, **arrays)


def listed_rows(path: pathlib.Path, names: Sequence[str]) -> Int[np.ndarray, " K"]:
    """Returns the indices in `names` of the faces that a text file lists, one name per line.

    Raises:
      DatasetError: the file is empty, or names are repeated or not in the test set.
    """
    lines = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    if not lines:
        raise DatasetError(f"{path} lists no names: write one name per line.")
    return rows_of(lines, names, path)


def select_predictions(predictions: Predictions, rows: Int[np.ndarray, " K"]) -> Predictions:
    """Returns the predictions on a subset of the photos, in the given order."""
    arrays = {name: values[rows] for name, values in _arrays(predictions).items()}
    return Predictions(predictions.source, **arrays)


def _arrays(predictions: Predictions) -> dict[str, np.ndarray]:
    return {
        name: values
        for name in ("landmarks", *_OPTIONAL)
        if (values := getattr(predictions, name)) is not None
    }


def _check_points(
    source: str | pathlib.Path, landmarks: np.ndarray, photos: AnnotatedPhotos
) -> None:
    _, count, dimensions = landmarks.shape
    annotations = photos.annotations.values()
    counts = {annotation.points.shape[1] for annotation in annotations} or {68}
    if count not in counts or dimensions not in (2, 3):
        expected = " or ".join(map(str, sorted(counts)))
        raise DatasetError(
            f"Cannot use {source}: landmarks has shape {landmarks.shape}, but this test set needs "
            f"(N, {expected}, 2 or 3)."
        )


def _scatter(
    values: Float[np.ndarray, "M ..."], rows: Int[np.ndarray, " M"], count: int
) -> Float[np.ndarray, "N ..."]:
    """Moves values to their rows in the test set; the other rows are nan."""
    scattered = np.full((count, *values.shape[1:]), np.nan, np.float32)
    scattered[rows] = values
    return scattered
