"""What the faces of a video leave in the output folder: the video with everyone drawn over it, and a table.

The table is a CSV file with a row for each person in each frame, by frames and then by persons:

    frame, time                  of the frame: counted from 0, and in seconds from the first one
    person                       the same number in every frame, from 0
    score                        of the detector for the place of the face, from 0 to 1
    x0, y0, x1, y1               edges of the crop that the network saw
    yaw, pitch, roll             degrees
    x_1, y_1, z_1 .. z_68        the 68 iBUG points
    pose_1 .. pose_12            3x4 matrix from the face model to the frame, row by row
    shape_1 .., expression_1 ..  the other coefficients
    further ones                 how far the face uses each of its model's expression units, from 0 to 1

Numbers mean what they mean in `faces.json`, where the upright frame takes the place of the photo.
"""

import contextlib
import csv
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from twodasl_jax.expression_units import ExpressionUnits
from twodasl_jax.files import atomic_files
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.outputs import pictures
from twodasl_jax.outputs.records import face_record
from twodasl_jax.outputs.scene import Scene
from twodasl_jax.videos.files import writing_video
from twodasl_jax.videos.following import PeopleInFrame

Write = Callable[[PeopleInFrame], None]


@contextlib.contextmanager
def writing_clip(
    target: Path, rate: Fraction, model: MorphableModel, units: ExpressionUnits | None = None
) -> Iterator[Write]:
    """Lets the caller write both files of a video, each in one piece or not at all.

    Args:
      target: folder and first part of the names, to which "_overlay.mp4" and "_faces.csv" are added; the folder must
        exist.
      rate: frames a second, on average.
      model: face model of the faces.
      units: its named expression units, if it has any.

    Yields:
      A function that appends a frame with its people.

    Raises:
      VideoError: the library for videos is missing.
      OSError: the files cannot be written.
    """
    table, video = (
        target.with_name(target.name + ending) for ending in ("_faces.csv", "_overlay.mp4")
    )
    with _writing_rows(table) as write_row, writing_video(video, rate) as film:

        def write(moment: PeopleInFrame) -> None:
            frame, people = moment
            scene = Scene(frame.image, tuple(person.face for person in people), model, units)
            film(frame._replace(image=pictures.draw_overlay(scene)))
            for person, portrait in zip(people, scene.portraits, strict=True):
                about = {"frame": frame.number, "time": round(frame.time, 6)}
                write_row({**about, "person": person.number, **_columns(face_record(portrait))})

        yield write


@contextlib.contextmanager
def _writing_rows(path: Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Lets the caller write a table row by row; the first one names the columns."""
    with (
        atomic_files.replacing(path) as beside,
        open(beside, "w", encoding="utf-8", newline="") as file,
    ):
        table = csv.writer(file)
        columns: list[str] = []

        def write(row: dict[str, Any]) -> None:
            if not columns:
                columns.extend(row)
                table.writerow(columns)
            table.writerow(row.values())

        yield write


def _columns(record: dict[str, Any]) -> dict[str, Any]:
    landmarks = np.ravel(record["landmarks"]).tolist()
    names = (f"{axis}_{point}" for point in range(1, 69) for axis in "xyz")
    return {
        "score": record["score"],
        **dict(zip(("x0", "y0", "x1", "y1"), record["box"], strict=True)),
        **record["euler_angles"],
        **dict(zip(names, landmarks, strict=True)),
        **_numbered("pose", np.ravel(record["pose"]).tolist()),
        **_numbered("shape", record["shape"]),
        **_numbered("expression", record["expression"]),
        **record.get("expression_units", {}),
    }


def _numbered(name: str, values: list[float]) -> dict[str, float]:
    return {f"{name}_{number}": value for number, value in enumerate(values, start=1)}
