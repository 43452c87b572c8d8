"""Output files of a video: the video with an overlay on every frame, and a table.

The table is a CSV file with one row per person and frame, sorted by frame and then by person:

    frame, time                  number of the frame from 0, and seconds since the first frame
    person                       number of the person from 0, the same in every frame
    score                        detector score at the position of the face, from 0 to 1
    x0, y0, x1, y1               edges of the crop
    yaw, pitch, roll             degrees
    x_1, y_1, z_1 .. z_68        the 68 landmarks
    pose_1 .. pose_12            3x4 matrix from the model frame to the image frame, row by row
    shape_1 .., expression_1 ..  shape and expression coefficients
    further columns              activations of the expression units, from 0 to 1

The conventions are those of `faces.json`, with the upright frame in place of the photo.
"""

import contextlib
import csv
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from twodasl_jax.files import atomic_files
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.models.expression_units import ExpressionUnits
from twodasl_jax.outputs import pictures
from twodasl_jax.outputs.records import coefficient_columns, face_record, position_columns
from twodasl_jax.outputs.scene import Scene
from twodasl_jax.videos.files import writing_video
from twodasl_jax.videos.following import PeopleInFrame


@contextlib.contextmanager
def writing_clip(
    target: Path, rate: Fraction, model: MorphableModel, units: ExpressionUnits | None = None
) -> Iterator[Callable[[PeopleInFrame], None]]:
    """Opens both files of a video for writing. An error in the body discards them.

    Args:
      target: the folder and the common prefix of the file names, to which "_overlay.mp4" and
        "_faces.csv" are appended. The folder must exist.
      rate: the mean number of frames per second.
      model: the face model of the faces.
      units: the expression units of the face model, if it has any.

    Yields:
      A function that appends a frame and its people.

    Raises:
      VideoError: the package for videos is missing.
      OSError: the files cannot be written.
    """
    table, video = (
        target.with_name(target.name + ending) for ending in ("_faces.csv", "_overlay.mp4")
    )
    with _writing_rows(table) as write_row, writing_video(video, rate) as write_frame:

        def write(moment: PeopleInFrame) -> None:
            frame, people = moment
            scene = Scene(frame.image, tuple(person.face for person in people), model, units)
            write_frame(frame._replace(image=pictures.draw_overlay(scene)))
            for person, view in zip(people, scene.face_views, strict=True):
                key = {"frame": frame.number, "time": round(frame.time, 6), "person": person.number}
                write_row({**key, **_columns(face_record(view))})

        yield write


@contextlib.contextmanager
def _writing_rows(path: Path) -> Iterator[Callable[[dict[str, Any]], None]]:
    """Opens a CSV file for writing row by row. The first row defines the columns."""
    with (
        atomic_files.replacing(path) as temporary,
        open(temporary, "w", encoding="utf-8", newline="") as file,
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
    names = (f"{axis}_{landmark}" for landmark in range(1, 69) for axis in "xyz")
    landmarks = np.ravel(record["landmarks"]).tolist()
    return {
        **position_columns(record),
        **dict(zip(names, landmarks, strict=True)),
        **coefficient_columns(record),
    }
