"""AFLW-LFPA, also known as AFLW-PIFA: 34 landmarks with visibility on 1,299 faces of AFLW.

    BoundingBox.mat   bboxesT (N, 4): x, y, width and height of the faces
    Landmark.mat      phisT (N, 102): x of the 34 landmarks, then y, then visibility
    TestImages/       1.jpg, 2.jpg, ... in the order of the rows

Errors are divided by sqrt(width * height) of the published box. Only visible landmarks count. The set does not define
the 34 landmarks on a face model: a method provides its own 34 landmarks, or their rows on its mesh.

References:
  Jourabloo, Liu, Pose-Invariant 3D Face Alignment, ICCV 2015.
"""

import pathlib

import numpy as np

from twodasl_jax.errors import DatasetError
from twodasl_jax.files.array_files import read_mat
from twodasl_jax.geometry.frames import box_from_landmarks
from twodasl_jax.protocols.annotated_photos import AnnotatedPhotos, Annotation

POINT_COUNT = 34


def read_aflw_lfpa(folder: pathlib.Path) -> AnnotatedPhotos:
    """Reads the test split.

    Raises:
      DatasetError: a file or a field is missing or has another shape.
    """
    boxes = read_mat(folder / "BoundingBox.mat", {"bboxesT": (-1, 4)})["bboxesT"].astype("f")
    rows = read_mat(folder / "Landmark.mat", {"phisT": (-1, 3 * POINT_COUNT)})["phisT"].astype("f")
    if len(boxes) != len(rows):
        raise DatasetError(f"{folder} has {len(boxes)} boxes but {len(rows)} rows of landmarks.")
    x, y, visibility = np.split(rows, 3, axis=1)
    visible = visibility > 0
    points = np.where(visible[..., None], np.stack([x, y], axis=-1), np.nan)
    names = tuple(str(number) for number in range(1, len(rows) + 1))
    corners = np.stack([boxes[:, :2], boxes[:, :2] + boxes[:, 2:]], axis=1)
    return AnnotatedPhotos(
        names=names,
        photos=tuple(folder / "TestImages" / f"{name}.jpg" for name in names),
        boxes=np.asarray(box_from_landmarks(corners)),
        crop="3DDFA's rule around the published box",
        annotations={"original": Annotation(points, visible)},
        sizes=np.sqrt(np.prod(boxes[:, 2:], axis=1)),
    )
