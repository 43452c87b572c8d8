"""Prepares faces for training: crops, landmarks and coefficients of the face model, in the form that training reads.

  python experiments/prepare_data.py --dataset=pseudo_3d --source_dir=FACES --data_dir=DATA
  python experiments/prepare_data.py --dataset=faces_2d --source_dir=FACES --data_dir=DATA
  python experiments/prepare_data.py --dataset=face300w_lp --source_dir=300W_LP --data_dir=DATA
  python experiments/prepare_data.py --dataset=synthetic_faces --count=20000 --data_dir=DATA

pseudo_3d: in-the-wild faces, to whose landmarks the face model is fitted, to be learned from as annotated ones.
faces_2d: the same with their landmarks alone, for images of which nothing else is to be known (`wild_dir`).
FACES is a folder or zip file of pictures of any size, with 68 landmarks each in one of these forms:

  NAME.pts           beside each picture NAME.jpg, .png, ...; counts pixels from 1, as iBUG's files do
  annotations.npz    names (N,), pts68 (N, 68, 2), nan where a point is missing; and, if known, visibility (N, 68):
                     0 not labelled, 1 hidden, 2 visible; and boxes (N, 4): x0, y0, x1, y1 of the crops
  annotations.csv    name,x0,y0,...,x67,y67 and, if known, v0,...,v67; an empty cell is a missing point

Points and boxes of the last two are in pixels, the first pixel's centre is (0.5, 0.5). Without boxes the crop follows
from the landmarks (3DDFA's rule); --whole_pictures takes 120x120 pictures that are crops already as they are. The
pictures may be in subfolders, or in an archive `images.zip` in the folder. --drop_outliers leaves out points that
are far from where the face model sees them, and faces that it cannot be fitted to.

With --turned=N each face that is fitted well comes N times more, turned to a larger yaw over its fitted depth, picture
and background with it, as 300W-LP was made.

face300w_lp: the extracted 300W-LP, with AFW, HELEN, IBUG and LFPW in it and, if they are there, their _Flip folders.
The face model is fitted to its landmarks; with --own_coefficients, for a --face_model that was imported from Basel's
files (import_face_model.py), the coefficients that it comes with are kept.

aflw: crops of AFLW's faces with its 21 points and with 68; --source_dir holds aflw68/ and aflw21/ (`data/aflw.py`).

synthetic_faces: rendered from the face model, all of it known, the same from the same --seed. --source_dir may name a
folder of skins (pictures in the texture coordinates of the face model), which half of the faces then wear.

The result is a TFDS data set (array_record, readable without TensorFlow) under DATA, for `experiments/train.py`;
DATA/whitening.npz, mean and standard deviation of each coefficient; and DATA/contact_sheet.png: look at it before you
train. An interrupted preparation is started again by the same command.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator
from typing import cast

import tensorflow_datasets as tfds
import tqdm
from absl import flags

from twodasl_jax.commands import entry_points
from twodasl_jax.data.face_crops import CropSource, FaceCrop, prepare_face_crops
from twodasl_jax.errors import ConfigError
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.models.face_model import chosen_face_model
from twodasl_jax.preparation import sources
from twodasl_jax.preparation.annotated_images import (
    AnnotatedCrops,
    crop_faces,
    read_annotated_images,
)
from twodasl_jax.preparation.face_profiling import with_turned_faces
from twodasl_jax.preparation.summary import summarize
from twodasl_jax.preparation.synthetic_crops import SyntheticSeries
from twodasl_jax.synthetic_faces import Conditions

_DATASET = flags.DEFINE_enum(
    "dataset",
    "pseudo_3d",
    ["pseudo_3d", "faces_2d", "face300w_lp", "aflw", "synthetic_faces"],
    "What kind of faces.",
)
_SOURCE = flags.DEFINE_string(
    "source_dir", None, "Folder or zip file that the faces come from, or folder of skins."
)
_DATA = flags.DEFINE_string("data_dir", None, "Folder for the prepared data set.", required=True)
_FACE_MODEL = flags.DEFINE_string("face_model", None, "A face model's .npz, not the embedded one.")
_WHOLE_PICTURES = flags.DEFINE_bool(
    "whole_pictures", False, "pseudo_3d, faces_2d: the pictures are 120x120 crops already."
)
_DROP_WILD_POINTS = flags.DEFINE_bool(
    "drop_outliers", False, "pseudo_3d, faces_2d: leave out landmarks that cannot be right."
)
_TURNED = flags.DEFINE_integer(
    "turned",
    0,
    "pseudo_3d, aflw: so many copies of each face, turned to larger yaw.",
    lower_bound=0,
)
_OWN_COEFFICIENTS = flags.DEFINE_bool(
    "own_coefficients", False, "face300w_lp: keep its coefficients, for the model they belong to."
)
_COUNT = flags.DEFINE_integer("count", 20000, "synthetic_faces: how many.", lower_bound=50)
_SEED = flags.DEFINE_integer(
    "seed",
    0,
    "Of synthetic_faces, of which 2025 is the test set of render_faces.py, and of turns.",
    lower_bound=0,
)
_CONDITIONS = flags.DEFINE_enum(
    "conditions", "usual", ["usual", "harsh"], "synthetic_faces: that the photos are taken in."
)
_LABEL_NOISE = flags.DEFINE_float(
    "label_noise",
    0.0,
    "synthetic_faces: standard deviation of the 2D landmarks, crop pixels; the 3D annotation stays exact.",
    lower_bound=0,
)


def main() -> None:
    model = chosen_face_model(_FACE_MODEL.value)
    data_dir = pathlib.Path(_DATA.value)
    source = _READERS[_DATASET.value](model)
    tfds.disable_progress_bar()
    summarize(prepare_face_crops(with_progress(source), data_dir), data_dir)


def source_dir() -> pathlib.Path:
    """Returns where the faces come from.

    Raises:
      ConfigError: that was not said.
    """
    if not _SOURCE.value:
        raise ConfigError("--source_dir is missing: the folder or zip file of pictures and points.")
    return pathlib.Path(_SOURCE.value)


def crops(model: MorphableModel) -> AnnotatedCrops:
    """Returns the faces of --source_dir, cropped; without wild points if they are not wanted."""
    images = read_annotated_images(source_dir())
    if _DROP_WILD_POINTS.value:
        images = sources.without_outliers(model, images)
    return crop_faces(images, _WHOLE_PICTURES.value)


def pseudo_3d(model: MorphableModel) -> CropSource:
    """Returns in-the-wild faces with the face model fitted to them, and turned copies if they are wanted."""
    return with_copies(sources.pseudo_3d(model, crops(model)), model)


def aflw(model: MorphableModel) -> CropSource:
    """Returns AFLW's faces, and turned copies if they are wanted."""
    return with_copies(sources.aflw(model, source_dir()), model)


def with_copies(source: CropSource, model: MorphableModel) -> CropSource:
    """Returns the faces with so many turned copies as are wanted."""
    if not _TURNED.value:
        return source
    return with_turned_faces(source, model, _TURNED.value, _SEED.value)


def synthetic_faces(model: MorphableModel) -> CropSource:
    """Returns rendered faces."""
    conditions = cast(Conditions, _CONDITIONS.value)
    series = SyntheticSeries(_COUNT.value, _SEED.value, conditions, _LABEL_NOISE.value)
    return sources.synthetic(model, series, source_dir() if _SOURCE.value else None)


_READERS: dict[str, Callable[[MorphableModel], CropSource]] = {
    "pseudo_3d": pseudo_3d,
    "faces_2d": lambda model: sources.faces_2d(model, crops(model)),
    "face300w_lp": lambda model: sources.face300w_lp(model, source_dir(), _OWN_COEFFICIENTS.value),
    "aflw": aflw,
    "synthetic_faces": synthetic_faces,
}


def with_progress(source: CropSource) -> CropSource:
    """Returns the same source; a bar goes on as its records are taken."""

    def shown(name: str, split: Callable[[], Iterator[FaceCrop]]) -> Iterator[FaceCrop]:
        yield from tqdm.tqdm(split(), desc=name, unit="face", disable=None)

    splits = {
        name: lambda name=name, split=split: shown(name, split)
        for name, split in source.splits.items()
    }
    return dataclasses.replace(source, splits=splits)


if __name__ == "__main__":
    entry_points.run(main)
