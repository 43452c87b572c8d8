"""The files in which 68 landmarks come: iBUG's `.pts`, a `.csv` table and an `.npz` of arrays.

All are read into the image frame of this package, in which the first pixel's centre is (0.5, 0.5). A `.pts` file counts
pixels from 1, as MATLAB does: its (1, 1) is the first pixel's centre, so 0.5 is subtracted. The other two are taken to
be in the frame of this package already; points of a detector that counts pixels from 0 lack 0.5.
"""

import csv
import dataclasses
import io
import math
import pathlib
import re
from collections.abc import Sequence

import numpy as np
from jaxtyping import Float, Int

from twodasl_jax.errors import DatasetError
from twodasl_jax.files.array_files import read_rows

_COUNT = 68
_FIRST_PIXEL = 0.5 - 1.0

_PTS = re.compile(r"\s*version:\s*\S+\s+n_points:\s*(\d+)\s*\{([^{}]*)\}\s*")

_COORDINATES = [f"{axis}{point}" for point in range(_COUNT) for axis in "xy"]
_VISIBILITIES = [f"v{point}" for point in range(_COUNT)]


@dataclasses.dataclass(frozen=True, eq=False)
class Labels:
    """What a file says of N faces.

    Attributes:
      names: N picture files.
      landmarks: (N, 68, 2) image frame, nan where missing.
      visibility: (N, 68) 0 not labelled, 1 hidden, 2 visible; None where the file does not say.
      boxes: (N, 4) x0, y0, x1, y1 of the crops, image frame; None where the file has none.
    """

    names: tuple[str, ...]
    landmarks: Float[np.ndarray, "N 68 2"]
    visibility: Int[np.ndarray, "N 68"] | None = None
    boxes: Float[np.ndarray, "N 4"] | None = None


def parse_pts(content: bytes, path: pathlib.Path) -> Float[np.ndarray, "68 2"]:
    """Returns the landmarks of a `.pts` file, image frame; nan where its numbers are.

    Args:
      content: of the file.
      path: for messages.

    Raises:
      DatasetError: it is no such file, or one of another number of points.
    """
    found = _PTS.fullmatch(_text(content, path))
    if not found:
        raise DatasetError(
            f"Cannot read {path}: a .pts file is `version: 1`, `n_points: {_COUNT}` and a line x y for each point "
            "between braces."
        )
    words = found[2].split()
    for count in (int(found[1]), len(words) / 2):
        if count != _COUNT:
            raise DatasetError(f"Cannot use {path}: it holds {count:g} points, not {_COUNT}.")
    try:
        numbers = [float(word) for word in words]
    except ValueError as error:
        raise DatasetError(f"Cannot read {path}: {error}.") from error
    return (np.reshape(numbers, (_COUNT, 2)) + _FIRST_PIXEL).astype(np.float32)


def parse_csv(content: bytes, path: pathlib.Path) -> Labels:
    """Returns the faces of a table: columns name, x0, y0, ..., x67, y67 and, or not, v0, ..., v67, in any order.

    An empty cell, or nan, is a missing point; an empty cell of visibility is left to the point.

    Args:
      content: of the file, comma-separated UTF-8 with a header.
      path: for messages.

    Raises:
      DatasetError: columns are missing or unknown, or a cell holds no number; the message names line and column.
    """
    reader = csv.reader(io.StringIO(_text(content, path), newline=""))
    try:
        columns = [column.strip() for column in next(reader, [])]
        numeric = _numeric_columns(columns, path)
        places = [columns.index(column) for column in numeric]
        names, rows = [], []
        for cells in reader:
            if not cells:
                continue
            where = f"{path}, line {reader.line_num}"
            if len(cells) != len(columns):
                raise DatasetError(
                    f"Cannot use {where}: it has {len(cells)} cells, the header {len(columns)}."
                )
            names.append(cells[columns.index("name")].strip())
            texts = [cells[place] for place in places]
            rows.append(_numbers(texts, numeric, where))
    except csv.Error as error:
        raise DatasetError(f"Cannot read {path}, line {reader.line_num}: {error}.") from error
    if not rows:
        raise DatasetError(f"Cannot use {path}: it has no line below its header.")
    table = np.stack(rows)
    points, seen = np.split(table, [2 * _COUNT], axis=1)
    landmarks = points.reshape(-1, _COUNT, 2)
    if not seen.size:
        return Labels(tuple(names), landmarks)
    missing = np.isnan(landmarks).any(-1)
    return Labels(
        tuple(names), landmarks, _visibility(np.where(np.isnan(seen), 2 * ~missing, seen), path)
    )


def _numeric_columns(columns: Sequence[str], path: pathlib.Path) -> list[str]:
    """Returns the columns of numbers that a header must have, in the order in which they are wanted."""
    wanted = _COORDINATES + (_VISIBILITIES if set(columns) & set(_VISIBILITIES) else [])
    missing = [column for column in ["name", *wanted] if column not in columns]
    unknown = [column for column in columns if column not in ["name", *wanted]]
    doubled = [column for column in columns if columns.count(column) > 1]
    for fault, which in (("lacks", missing), ("has an unknown", unknown), ("repeats", doubled)):
        if which:
            raise DatasetError(
                f"Cannot use {path}, line 1: the header {fault} column {which[0]!r}; write name,x0,y0,...,x67,y67 "
                "and, if known, v0,...,v67."
            )
    return wanted


def _numbers(
    texts: Sequence[str], columns: Sequence[str], where: str
) -> Float[np.ndarray, " columns"]:
    numbers = np.full(len(texts), np.nan, np.float32)
    for place, text in enumerate(texts):
        try:
            numbers[place] = float(text) if text.strip() else math.nan
        except ValueError as error:
            raise DatasetError(
                f"Cannot use {where}, column {columns[place]}: {text!r} is no number; leave it empty where the point "
                "is missing."
            ) from error
    return numbers


def parse_npz(content: bytes, path: pathlib.Path) -> Labels:
    """Returns the faces of an archive of names (N,), pts68 (N, 68, 2) and, or not, visibility (N, 68), boxes (N, 4).

    Args:
      content: of the file.
      path: for messages.

    Raises:
      DatasetError: the file is damaged, or its arrays are of other shapes or hold no numbers.
    """
    arrays = read_rows(
        path,
        {"names": (), "pts68": (_COUNT, 2)},
        {"visibility": (_COUNT,), "boxes": (4,)},
        content,
    )
    names = arrays.pop("names").tolist()
    for name, array in arrays.items():
        # True and False could mean visible and hidden, or labelled and not.
        if array.dtype.kind not in "fiu":
            raise DatasetError(f"Cannot use {path}: {name} is of {array.dtype}, not of numbers.")
    visibility, boxes = arrays.get("visibility"), arrays.get("boxes")
    return Labels(
        tuple(name.decode() if isinstance(name, bytes) else str(name) for name in names),
        arrays["pts68"].astype(np.float32),
        None if visibility is None else _visibility(visibility, path),
        None if boxes is None else boxes.astype(np.float32),
    )


def _visibility(values: np.ndarray, path: pathlib.Path) -> Int[np.ndarray, "N 68"]:
    known = np.isin(values, (0, 1, 2))
    if not known.all():
        raise DatasetError(
            f"Cannot use {path}: a visibility is {values[~known][0]:g}; write 0 for not labelled, 1 for hidden and 2 "
            "for visible."
        )
    return values.astype(np.int8)


def _text(content: bytes, path: pathlib.Path) -> str:
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise DatasetError(f"Cannot read {path}: it is no UTF-8 text.") from error
