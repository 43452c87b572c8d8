"""What a method found on the photos of a test set, from a file that any method can write."""

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
    """Results on N photos, in their order; all of a face is nan where a method has no landmarks for it.

    Attributes:
      source: of which method or file, for the report.
      landmarks: (N, P, 2 or 3) image frame.
      vertices: (N, V, 3) dense meshes, image frame; None where the method has none.
      pose: (N, 3) yaw, pitch, roll in degrees, signs of 300W-LP; None where the method has none.
      shape: (N, S) identity coefficients of the test set's own face model; None for methods with another.
    """

    source: str
    landmarks: Float[np.ndarray, "N P D"]
    vertices: Float[np.ndarray, "N V 3"] | None = None
    pose: Float[np.ndarray, "N 3"] | None = None
    shape: Float[np.ndarray, "N S"] | None = None

    def missing(self) -> list[int]:
        """Returns which photos have no prediction."""
        return np.flatnonzero(np.isnan(self.landmarks).any(axis=(1, 2))).tolist()


def read_predictions(path: pathlib.Path, photos: AnnotatedPhotos) -> Predictions:
    """Reads a `.npz` of `names` (M,) and `landmarks` (M, P, 2 or 3), in any order.

    It may also hold `vertices` (M, V, 3), `pose` (M, 3) and `shape` (M, S); see `Predictions` for their frames.

    Args:
      path: the file.
      photos: the test set. A photo that the file does not name has no prediction, which is a failure; neither has one
        with a landmark that is not finite.

    Raises:
      DatasetError: an array is missing or of another shape, or the file names a face twice, or one that the test set
        does not have; all such faces are listed.
    """
    arrays = read_rows(path, {"names": (), "landmarks": (-1, -1)}, _OPTIONAL)
    _check_points(path, arrays["landmarks"], photos)
    if "vertices" in arrays and not arrays["vertices"].shape[1]:
        raise DatasetError(f"Cannot use {path}: vertices holds empty meshes.")
    for name in arrays.keys() - {"names"}:
        if arrays[name].dtype.kind not in "iuf":
            raise DatasetError(
                f"Cannot use {path}: {name} is not made of numbers, but of {arrays[name].dtype}."
            )
    rows = rows_of(arrays["names"].tolist(), photos.names, path)

    usable = np.isfinite(arrays["landmarks"]).all(axis=(1, 2))
    placed = {
        name: _place(arrays[name][usable], rows[usable], len(photos.names))
        for name in ("landmarks", *_OPTIONAL)
        if name in arrays
    }
    return Predictions(path.name, **placed)


def points_on_meshes(
    predictions: Predictions, rows: LandmarkRows, photos: AnnotatedPhotos
) -> Predictions:
    """Returns predictions whose landmarks are other points of their meshes.

    Args:
      predictions: with `vertices`.
      rows: where the points lie on these.
      photos: the test set.

    Raises:
      DatasetError: there are no meshes, or the test set has another number of points.
    """
    if predictions.vertices is None:
        raise DatasetError(f"No points can be placed on meshes: {predictions.source} has none.")
    points = np.einsum("pk,npkd->npd", rows.weights, predictions.vertices[:, rows.vertices])
    _check_points("these points on the mesh", points, photos)
    return dataclasses.replace(predictions, landmarks=points)


def write_predictions(path: pathlib.Path, predictions: Predictions, names: Sequence[str]) -> None:
    """Writes predictions in the form that `read_predictions` reads."""
    arrays: dict[str, Any] = {"names": np.array(names), "landmarks": predictions.landmarks}
    arrays |= {
        name: values for name in _OPTIONAL if (values := getattr(predictions, name)) is not None
    }
    with replacing(path) as beside, open(beside, "wb") as file:
        np.savez_compressed(file, **arrays)


def listed_rows(path: pathlib.Path, names: Sequence[str]) -> Int[np.ndarray, " K"]:
    """Returns which faces of a test set a text file lists, one name a line.

    Raises:
      DatasetError: the file is empty, or lists a face twice, or one that the test set does not have.
    """
    lines = [line.strip() for line in path.read_text("utf-8").splitlines() if line.strip()]
    if not lines:
        raise DatasetError(f"{path} lists no names: write one a line.")
    return rows_of(lines, names, path)


def select_predictions(predictions: Predictions, rows: Int[np.ndarray, " K"]) -> Predictions:
    """Returns the predictions on some of the photos, in the given order."""
    arrays = {
        name: values[rows]
        for name in ("landmarks", *_OPTIONAL)
        if (values := getattr(predictions, name)) is not None
    }
    return Predictions(predictions.source, **arrays)


def _check_points(
    source: str | pathlib.Path, landmarks: np.ndarray, photos: AnnotatedPhotos
) -> None:
    _, count, dimensions = landmarks.shape
    if not photos.annotations:
        wanted = {68}
    else:
        wanted = {annotation.points.shape[1] for annotation in photos.annotations.values()}
    if count not in wanted or dimensions not in (2, 3):
        points = " or ".join(map(str, sorted(wanted)))
        raise DatasetError(
            f"Cannot use {source}: landmarks has shape {landmarks.shape}, but this test set needs "
            f"(N, {points}, 2 or 3)."
        )


def _place(
    values: Float[np.ndarray, "M ..."], rows: Int[np.ndarray, " M"], count: int
) -> Float[np.ndarray, "N ..."]:
    """Puts rows in the order of the test set; the others are nan."""
    placed = np.full((count, *values.shape[1:]), np.nan, np.float32)
    placed[rows] = values
    return placed
