"""Which vertices the 68 iBUG landmarks are, in a text file: for formats and meshes that do not say so.

The file holds 68 entries in iBUG's order, separated by white space; from a # on a line is a comment. An entry is a
vertex, counted from 0, or the name of a point that the model's own files have, such as center.nose.tip.
"""

import difflib
import pathlib
from collections.abc import Iterator

import numpy as np
from jaxtyping import Int

from twodasl_jax.errors import FaceModelError
from twodasl_jax.face_model_formats.fields import LANDMARK_COUNT, reading
from twodasl_jax.face_model_formats.source_model import SourceModel

_LONGEST = 9  # digits of a vertex


def read_landmark_list(path: pathlib.Path, source: SourceModel) -> Int[np.ndarray, " 68"]:
    """Returns the vertices of the landmarks that a file lists.

    Args:
      path: the file.
      source: the model whose vertices and points it means.

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
        is_number = entry.isdecimal() and len(entry) <= _LONGEST
        vertex = int(entry) if is_number else source.points.get(entry, -1)
        last = len(source.mean) - 1
        if not 0 <= vertex <= last:
            near = difflib.get_close_matches(entry, source.points, 3, 0)
            hint = f", nor a name of the model's points, such as {', '.join(near)}" if near else ""
            raise FaceModelError(
                f"Cannot use {path}: landmark {number} is {entry:.40}, no vertex from 0 to {last}{hint}."
            )
        yield vertex
