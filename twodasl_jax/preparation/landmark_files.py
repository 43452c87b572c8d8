"""Readers for files of 68 landmarks: iBUG's `.pts`, a `.csv` table and an `.npz` archive.

All readers return landmarks in the image frame, in which the centre of the first pixel is (0.5,
0.5). A `.pts` file counts pixels from 1, as MATLAB does: (1, 1) is the centre of the first pixel,
so the reader subtracts 0.5. The other two formats use the image frame already. Landmarks of a
detector that counts pixels from 0 need an offset of 0.5.
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
_PTS_OFFSET = 0.5 - 1.0

_PTS = re.compile(r"\s*version:\s*\S+\s+n_points:\s*(\d+)\s*\{([^{}]*)\}\s*")

_COORDINATES = [f"{axis}{point}" for point in range(_COUNT) for axis in "xy"]
_VISIBILITIES = [f"v{point}" for point in range(_COUNT)]


@dataclasses.dataclass(frozen=True, eq=False)
class Labels:
    """The content of a file with the labels of N faces.

    Attributes:
      names: the N picture files.
      landmarks: the (N, 68, 2) labels in the image frame, nan where missing.
      visibility: (N, 68) 0 for unlabelled, 1 for hidden and 2 for visible landmarks, or None if the
        file has none.
      boxes: (N, 4) x0, y0, x1, y1 of the crops in the image frame, or None if the file has none.
    """

    names: tuple[str, ...]
    landmarks: Float[np.ndarray, "N 68 2"]
    visibility: Int[np.ndarray, "N 68"] | None = None
    boxes: Float[np.ndarray, "N 4"] | None = None


def parse_pts(content: bytes, path: pathlib.Path) -> Float[np.ndarray, "68 2"]:
    """Returns the landmarks of a `.pts` file in the image frame; nan stays nan.

    Args:
      content: the content of the file.
      path: the path for error messages.

    Raises:
      DatasetError: if the content is not a `.pts` file or has another number of landmarks.
    """
    found = _PTS.fullmatch(_text(content, path))
    if not found:
        raise DatasetError(
            f"Cannot read {path}: a .pts file is `version: 1`, `n_points: {_COUNT}` and a line x y for each landmark "
            "between braces."
        )
    words = found[2].split()
    for count in (int(found[1]), len(words) / 2):
        if count != _COUNT:
            raise DatasetError(f"Cannot use {path}: it has {count:g} landmarks, not {_COUNT}.")
    try:
        numbers = [float(word) for word in words]
    except ValueError as error:
        raise DatasetError(f"Cannot read {path}: {error}.") from error
    return (np.reshape(numbers, (_COUNT, 2)) + _PTS_OFFSET).astype(np.float32)


def parse_csv(content: bytes, path: pathlib.Path) -> Labels:
    """Returns the labels of a table.

    The columns are name, x0, y0, ..., x67, y67 and optionally v0, ..., v67.
    The columns may have any order. An empty coordinate, or nan, is a missing landmark. An empty
    visibility means visible for landmarks that are present.

    Args:
      content: the content of the file, comma-separated UTF-8 text with a header.
      path: the path for error messages.

    Raises:
      DatasetError: if columns are missing or unknown, or a cell is not a number. The message gives
        line and column.
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
    points, visibility = np.split(table, [2 * _COUNT], axis=1)
    landmarks = points.reshape(-1, _COUNT, 2)
    if not visibility.size:
        return Labels(tuple(names), landmarks)
    present = ~np.isnan(landmarks).any(-1)
    visibility = np.where(np.isnan(visibility), 2 * present, visibility)
    return Labels(tuple(names), landmarks, _checked_visibility(visibility, path))


def _numeric_columns(columns: Sequence[str], path: pathlib.Path) -> list[str]:
    """Returns the required columns of numbers in the order of the result.

    Raises:
      DatasetError: if the header has other columns.
    """
    required = _COORDINATES + (_VISIBILITIES if set(columns) & set(_VISIBILITIES) else [])
    missing = [column for column in ["name", *required] if column not in columns]
    unknown = [column for column in columns if column not in ["name", *required]]
    doubled = [column for column in columns if columns.count(column) > 1]
    for fault, faulty in (("lacks", missing), ("has an unknown", unknown), ("repeats", doubled)):
        if faulty:
            raise DatasetError(
                f"Cannot use {path}, line 1: the header {fault} column {faulty[0]!r}; write name,x0,y0,...,x67,y67 "
                "and, if known, v0,...,v67."
            )
    return required


def _numbers(
    texts: Sequence[str], columns: Sequence[str], where: str
) -> Float[np.ndarray, " columns"]:
    numbers = np.full(len(texts), np.nan, np.float32)
    for place, text in enumerate(texts):
        try:
            numbers[place] = float(text) if text.strip() else math.nan
        except ValueError as error:
            raise DatasetError(
                f"Cannot use {where}, column {columns[place]}: {text!r} is not a number; leave the cell empty if the "
                "landmark is missing."
            ) from error
    return numbers


def parse_npz(content: bytes, path: pathlib.Path) -> Labels:
    """Returns the labels of an archive of arrays.

    The arrays are names (N,), pts68 (N, 68, 2) and optionally visibility (N, 68) and boxes (N, 4).

    Args:
      content: the content of the file.
      path: the path for error messages.

    Raises:
      DatasetError: if the file is damaged, or its arrays have other shapes or are not numeric.
    """
    arrays = read_rows(
        path,
        {"names": (), "pts68": (_COUNT, 2)},
        {"visibility": (_COUNT,), "boxes": (4,)},
        content,
    )
    names = arrays.pop("names").tolist()
    for name, array in arrays.items():
        # Booleans are ambiguous: True could mean visible or labelled.
        if array.dtype.kind not in "fiu":
            raise DatasetError(
                f"Cannot use {path}: {name} has type {array.dtype}; store integers or floats."
            )
    visibility, boxes = arrays.get("visibility"), arrays.get("boxes")
    return Labels(
        tuple(name.decode() if isinstance(name, bytes) else str(name) for name in names),
        arrays["pts68"].astype(np.float32),
        None if visibility is None else _checked_visibility(visibility, path),
        None if boxes is None else boxes.astype(np.float32),
    )


def _checked_visibility(values: np.ndarray, path: pathlib.Path) -> Int[np.ndarray, "N 68"]:
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
        raise DatasetError(f"Cannot read {path}: it is not UTF-8 text.") from error
