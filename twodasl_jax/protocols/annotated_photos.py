"""A test set in memory: photos of faces with their crops and annotations."""

import collections
import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from twodasl_jax.errors import DatasetError

CROP_RULE = "3DDFA's rule around the true points"

_MAX_NAMES = 20
_SUFFIXES = (".jpg", ".jpeg", ".png", ".mat")


@dataclasses.dataclass(frozen=True, eq=False)
class Annotation:
    """An annotation set: the landmarks of N faces.

    Attributes:
      points: (N, P, 2 or 3) landmarks in the image frame, nan if not annotated.
      visible: (N, P) whether a landmark is visible in the photo.
    """

    points: Float[np.ndarray, "N P D"]
    visible: Bool[np.ndarray, "N P"]


@dataclasses.dataclass(frozen=True, eq=False)
class AnnotatedPhotos:
    """N photos with one annotated face each.

    Attributes:
      names: the names of the faces, without suffix. Predictions are matched by name.
      photos: the image files.
      boxes: (N, 4) crop boxes x0, y0, x1, y1 in the image frame.
      crop: the source of the boxes, for the report.
      annotations: the annotation sets by name; may be empty. The first one defines crops, yaw bins and input landmarks.
      yaw: (N,) yaw in degrees, for the yaw bins; None if unknown.
      pose: (N, 3) yaw, pitch and roll in degrees; None if unknown.
      sizes: (N,) the divisors of the errors, pixels; None for the size of the true landmarks' box.
      detected: (N, 68, 2) detected landmarks in the image frame; None if there are none.
    """

    names: tuple[str, ...]
    photos: tuple[pathlib.Path, ...]
    boxes: Float[np.ndarray, "N 4"]
    crop: str
    annotations: dict[str, Annotation]
    yaw: Float[np.ndarray, " N"] | None = None
    pose: Float[np.ndarray, "N 3"] | None = None
    sizes: Float[np.ndarray, " N"] | None = None
    detected: Float[np.ndarray, "N 68 2"] | None = None

    def first_annotation(self) -> Annotation | None:
        """Returns the first annotation set, or None if there are none."""
        return next(iter(self.annotations.values()), None)


def select(photos: AnnotatedPhotos, rows: Int[np.ndarray, " K"]) -> AnnotatedPhotos:
    """Returns a subset of the photos, in the given order."""

    def take(values):
        return None if values is None else values[rows]

    return dataclasses.replace(
        photos,
        names=tuple(photos.names[row] for row in rows),
        photos=tuple(photos.photos[row] for row in rows),
        boxes=photos.boxes[rows],
        annotations={
            name: Annotation(annotation.points[rows], annotation.visible[rows])
            for name, annotation in photos.annotations.items()
        },
        yaw=take(photos.yaw),
        pose=take(photos.pose),
        sizes=take(photos.sizes),
        detected=take(photos.detected),
    )


def rows_of(
    wanted: Sequence[str | bytes], names: Sequence[str], source: str | pathlib.Path
) -> Int[np.ndarray, " K"]:
    """Returns the index of each wanted name in `names`.

    Args:
      wanted: names with or without folder and suffix.
      names: the names of a test set, without suffix.
      source: the file that lists `wanted`, for error messages.

    Raises:
      DatasetError: names are repeated or not in the test set. The message lists them.
    """
    stems = unique_stems(wanted, source)
    indices = {name: row for row, name in enumerate(names)}
    unknown = [name for name in stems if name not in indices]
    if unknown:
        raise DatasetError(
            f"{source} names faces that the test set does not have: {join_names(unknown)}; "
            f"the test set's first is {names[0]}."
        )
    return np.array([indices[name] for name in stems], int)


def unique_stems(names: Sequence[str | bytes], source: str | pathlib.Path) -> tuple[str, ...]:
    """Returns names of faces without folder and suffix.

    Args:
      names: names with or without folder and suffix.
      source: the file that lists them, for error messages.

    Raises:
      DatasetError: names are repeated. The message lists them.
    """
    stems = tuple(stem(name) for name in names)
    repeated = [name for name, count in collections.Counter(stems).items() if count > 1]
    if repeated:
        raise DatasetError(f"{source} names faces more than once: {join_names(repeated)}.")
    return stems


def stem(name: str | bytes) -> str:
    """Returns the name of a face without the folder and the suffix of its image."""
    path = pathlib.PurePosixPath(name.decode() if isinstance(name, bytes) else name)
    return path.stem if path.suffix.lower() in _SUFFIXES else path.name


def join_names(names: Sequence[str]) -> str:
    """Returns names as text for an error message, at most the first 20 of them."""
    remaining = len(names) - _MAX_NAMES
    text = ", ".join(names[:_MAX_NAMES])
    return f"{text} and {remaining} more" if remaining > 0 else text
