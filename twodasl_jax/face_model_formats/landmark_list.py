"""Text files that list the vertices of the 68 iBUG landmarks, for formats that do not store them.

The file has 68 entries in iBUG's order, separated by white space. A # starts a comment. An entry is a vertex index that
starts at 0, or the name of a point in the model's own files, for example center.nose.tip.
"""

import difflib
import pathlib
from collections.abc import Iterator

import numpy as np
from jaxtyping import Int

from twodasl_jax.errors import FaceModelError
from twodasl_jax.face_model_formats.fields import LANDMARK_COUNT, reading
from twodasl_jax.face_model_formats.source_model import SourceModel

_MAX_DIGITS = 9


def read_landmark_list(path: pathlib.Path, source: SourceModel) -> Int[np.ndarray, " 68"]:
    """Returns the vertices of the landmarks that a file lists.

    Args:
      path: the file.
      source: the model of these vertices and points.

    Raises:
      FaceModelError: the file is missing, or an entry is neither a vertex nor a point of the model.
    """
    with reading(path):
        text = path.read_text("utf-8")
    entries = [entry for line in text.splitlines() for entry in line.partition("#")[0].split()]
    if len(entries) != LANDMARK_COUNT:
        raise FaceModelError(
            f"Cannot use {path}: it lists {len(entries)} vertices, expected {LANDMARK_COUNT}, one for each landmark."
        )
    return np.array(list(_vertices(path, entries, source)))


def _vertices(path: pathlib.Path, entries: list[str], source: SourceModel) -> Iterator[int]:
    for number, entry in enumerate(entries):
        is_number = entry.isdecimal() and len(entry) <= _MAX_DIGITS
        vertex = int(entry) if is_number else source.points.get(entry, -1)
        last = len(source.mean) - 1
        if not 0 <= vertex <= last:
            near = difflib.get_close_matches(entry, source.points, 3, 0)
            hint = f" or a point of the model, for example {', '.join(near)}" if near else ""
            raise FaceModelError(
                f"Cannot use {path}: landmark {number} is {entry:.40}, expected a vertex from 0 to {last}{hint}."
            )
        yield vertex
