"""What the faces of a video leave in the output folder: the video with everyone drawn over it, and a table.

The table is a CSV file with a line for each person in each frame, by frames and then by persons:

    frame, time             of the frame: counted from 0, and in seconds from the first one
    person                  the same number in every frame, from 0
    score                   of the detector for the place of the face, from 0 to 1
    x0, y0, x1, y1          edges of the crop to which the coefficients belong, pixels of the upright frame
    yaw, pitch, roll        degrees, signed as in faces.json
    x_0, y_0, z_0 .. z_67   the 68 iBUG points, pixels of the upright frame: x right, y down, z toward the camera
    c_0 .. c_61             coefficients in the official layout of 2DASL, crop frame, not whitened
"""

import contextlib
import csv
from collections.abc import Callable, Iterator
from fractions import Fraction
from pathlib import Path

import numpy as np

from twodasl_jax import atomic_files, videos
from twodasl_jax.geometry.coefficients import POSE_COUNT
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.motion import PeopleInFrame, Person
from twodasl_jax.outputs import pictures
from twodasl_jax.outputs.scene import Scene

Write = Callable[[PeopleInFrame], None]


@contextlib.contextmanager
def writing_clip(target: Path, rate: Fraction, model: MorphableModel) -> Iterator[Write]:
    """Lets the caller write both files of a video, each in one piece or not at all.

    Args:
      target: folder and first part of the names, to which "_overlay.mp4" and "_faces.csv" are added; the folder must
        exist.
      rate: frames a second, on average.
      model: face model of the faces.

    Yields:
      A function that appends a frame with its people.

    Raises:
      VideoError: the library for videos is missing.
      OSError: the files cannot be written.
    """
    table, video = (
        target.with_name(target.name + ending) for ending in ("_faces.csv", "_overlay.mp4")
    )
    with writing_table(table, model) as tabulate, videos.writing_video(video, rate) as film:

        def write(moment: PeopleInFrame) -> None:
            faces = tuple(person.face for person in moment.people)
            drawn = pictures.draw_overlay(Scene(moment.frame.image, faces, model))
            film(moment.frame._replace(image=drawn))
            tabulate(moment)

        yield write


@contextlib.contextmanager
def writing_table(path: Path, model: MorphableModel) -> Iterator[Write]:
    """Lets the caller write the table line by line; see `writing_clip`."""
    with (
        atomic_files.replacing(path) as beside,
        open(beside, "w", encoding="ascii", newline="") as file,
    ):
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(_columns(model))
        yield lambda moment: writer.writerows(
            [moment.frame.number, f"{moment.frame.time:.6f}", *_numbers(person)]
            for person in moment.people
        )


def _columns(model: MorphableModel) -> list[str]:
    count = POSE_COUNT + len(model.shape_std) + len(model.expression_std)
    return [
        *("frame", "time", "person", "score", "x0", "y0", "x1", "y1", "yaw", "pitch", "roll"),
        *(f"{axis}_{point}" for point in range(68) for axis in "xyz"),
        *(f"c_{index}" for index in range(count)),
    ]


def _numbers(person: Person) -> list[str]:
    face = person.face
    return [
        str(person.number),
        f"{face.score:.3f}",
        *(f"{value:.2f}" for value in (*face.box, *face.euler_angles, *np.ravel(face.landmarks))),
        *(f"{value:.6f}" for value in face.coefficients),
    ]
