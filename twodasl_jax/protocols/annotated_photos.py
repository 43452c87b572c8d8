"""What a test set is once it has been read: photos of faces, where to crop them, and what is known of them."""

import collections
import dataclasses
import pathlib
from collections.abc import Sequence

import numpy as np
from jaxtyping import Bool, Float, Int

from twodasl_jax.errors import DatasetError

CROP_RULE = "3DDFA's rule around the true points"

_NAMES_SHOWN = 20
_SUFFIXES = (".jpg", ".jpeg", ".png", ".mat")


@dataclasses.dataclass(frozen=True, eq=False)
class Annotation:
    """Points of N faces by one annotator or method.

    Attributes:
      points: (N, P, 2 or 3) image frame, nan where a point is not annotated.
      visible: (N, P) which points the photo shows.
    """

    points: Float[np.ndarray, "N P D"]
    visible: Bool[np.ndarray, "N P"]


@dataclasses.dataclass(frozen=True, eq=False)
class AnnotatedPhotos:
    """N photos with one annotated face each.

    Attributes:
      names: of the faces, without suffix; they are what predictions are matched by.
      photos: the picture files.
      boxes: (N, 4) x0, y0, x1, y1 of the crops, image frame.
      crop: where the boxes come from, for the report.
      annotations: by name; the first is the one that crops, bins and given landmarks go by. May be empty.
      yaw: (N,) degrees, for the bins; None where the set has none.
      pose: (N, 3) yaw, pitch, roll in degrees; None where it is not known.
      sizes: (N,) pixels by which the set's own protocol divides errors; None for the box of the true points.
      detected: (N, 68, 2) points that a detector found, image frame; None where there are none.
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


def select(photos: AnnotatedPhotos, rows: Int[np.ndarray, " K"]) -> AnnotatedPhotos:
    """Returns some of the photos, in the given order."""

    def picked(values):
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
        yaw=picked(photos.yaw),
        pose=picked(photos.pose),
        sizes=picked(photos.sizes),
        detected=picked(photos.detected),
    )


def rows_of(
    wanted: Sequence[str | bytes], names: Sequence[str], source: str | pathlib.Path
) -> Int[np.ndarray, " K"]:
    """Returns where each wanted name stands among `names`.

    Args:
      wanted: names that `source` lists; their folders and suffixes do not count.
      names: of a test set, without suffix.
      source: the file to blame.

    Raises:
      DatasetError: a name is listed twice, or the test set has no such face; all such names are listed.
    """
    stems = unique_stems(wanted, source)
    places = {name: row for row, name in enumerate(names)}
    unknown = [name for name in stems if name not in places]
    if unknown:
        raise DatasetError(
            f"{source} names faces that the test set does not have: {listed(unknown)}; "
            f"the test set's first is {names[0]}."
        )
    return np.array([places[name] for name in stems], int)


def unique_stems(names: Sequence[str | bytes], source: str | pathlib.Path) -> tuple[str, ...]:
    """Returns the names of faces without the folders and suffixes of their pictures.

    Raises:
      DatasetError: a name comes twice; all such names are listed, and `source` is the file to blame.
    """
    stems = tuple(stem(name) for name in names)
    doubled = [name for name, count in collections.Counter(stems).items() if count > 1]
    if doubled:
        raise DatasetError(f"{source} names faces more than once: {listed(doubled)}.")
    return stems


def stem(name: str | bytes) -> str:
    """Returns a face's name without the folder and the suffix of its picture."""
    path = pathlib.PurePosixPath(name.decode() if isinstance(name, bytes) else name)
    return path.stem if path.suffix.lower() in _SUFFIXES else path.name


def listed(names: Sequence[str]) -> str:
    """Returns names for a message: all of a few, the first of many."""
    more = len(names) - _NAMES_SHOWN
    shown = ", ".join(names[:_NAMES_SHOWN])
    return f"{shown} and {more} more" if more > 0 else shown
