"""Prepares a data set of crops, labels and annotations for `experiments/train.py`.

  python experiments/prepare_data.py --dataset=pseudo_3d --source_dir=FACES --data_dir=DATA
  python experiments/prepare_data.py --dataset=faces_2d --source_dir=FACES --data_dir=DATA
  python experiments/prepare_data.py --dataset=face300w_lp --source_dir=300W_LP --data_dir=DATA
  python experiments/prepare_data.py --dataset=synthetic_faces --count=20000 --data_dir=DATA

pseudo_3d: in-the-wild images with pseudo annotations. The face model is fitted to their labels.
faces_2d: in-the-wild images with labels only, for `wild_dir` of a run.
FACES is a folder or zip file of pictures of any size, with 68 landmarks each in one of these forms:

  NAME.pts           a file beside each picture NAME.jpg, .png, ...
                     It counts pixels from 1, as iBUG's files do.
  annotations.npz    names (N,), pts68 (N, 68, 2), nan for missing landmarks
                     optionally visibility (N, 68): 0 not labelled, 1 hidden, 2 visible
                     optionally boxes (N, 4): x0, y0, x1, y1 of the crops
  annotations.csv    name,x0,y0,...,x67,y67, optionally v0,...,v67
                     An empty cell is a missing landmark.

Landmarks and boxes of the last two are in pixels, and the centre of the first pixel is (0.5, 0.5).
Without boxes, the crop follows from the landmarks by 3DDFA's rule. With --whole_pictures, the
pictures are 120x120 crops already. The pictures may be in subfolders, or in an archive `images.zip`
in the folder. --drop_outliers removes landmarks that are far from a fit of the face model, and
faces that the face model does not fit.

--profiled=N adds N copies of each well-fitted face, each rotated to a larger yaw. The picture and
its background rotate with the face over its fitted depth, as in 300W-LP.

face300w_lp: the extracted 300W-LP with AFW, HELEN, IBUG and LFPW, and optionally their _Flip
folders. The face model is fitted to its labels. --own_coefficients keeps the published coefficients
instead, for a --face_model that was imported from Basel's files (import_face_model.py).

aflw: crops of AFLW with its own 21 and with iBUG's 68 landmarks. --source_dir contains aflw68/ and
aflw21/ (`preparation/aflw.py`).

synthetic_faces: faces rendered from the face model, with exact annotations. The same --seed gives
the same faces. --source_dir may name a folder of skin textures (pictures in the texture coordinates
of the face model), which half of the faces use.

The result is a TFDS data set (array_record, readable without TensorFlow) under DATA.
DATA/whitening.npz has the mean and the standard deviation of each coefficient.
DATA/contact_sheet.png shows some of the faces; check it before you train. The same command restarts
an interrupted preparation.
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
from twodasl_jax.preparation.face_profiling import with_profiled_faces
from twodasl_jax.preparation.labelled_images import (
    LabelledCrops,
    crop_faces,
    read_labelled_images,
)
from twodasl_jax.preparation.summary import summarize
from twodasl_jax.preparation.synthetic_crops import SyntheticSeries
from twodasl_jax.synthetic_faces import Conditions

_DATASET = flags.DEFINE_enum(
    "dataset",
    "pseudo_3d",
    ["pseudo_3d", "faces_2d", "face300w_lp", "aflw", "synthetic_faces"],
    "The kind of data set.",
)
_SOURCE = flags.DEFINE_string(
    "source_dir", None, "The folder or zip file of the faces, or the folder of skin textures."
)
_DATA = flags.DEFINE_string("data_dir", None, "The folder of the prepared data set.", required=True)
_FACE_MODEL = flags.DEFINE_string(
    "face_model", None, "The .npz file of a face model. The default is the embedded model."
)
_WHOLE_PICTURES = flags.DEFINE_bool(
    "whole_pictures", False, "pseudo_3d, faces_2d: the pictures are 120x120 crops already."
)
_DROP_OUTLIERS = flags.DEFINE_bool(
    "drop_outliers", False, "pseudo_3d, faces_2d: drop landmarks that are far from a fit."
)
_PROFILED = flags.DEFINE_integer(
    "profiled",
    0,
    "pseudo_3d, aflw: the number of copies of each face at larger yaw.",
    lower_bound=0,
)
_OWN_COEFFICIENTS = flags.DEFINE_bool(
    "own_coefficients",
    False,
    "face300w_lp: keep the published coefficients. They need the face model that they belong to.",
)
_COUNT = flags.DEFINE_integer(
    "count", 20000, "synthetic_faces: the number of faces.", lower_bound=50
)
_SEED = flags.DEFINE_integer(
    "seed",
    0,
    "The seed of synthetic_faces and of --profiled. 2025 gives the test set of render_test_set.py.",
    lower_bound=0,
)
_CONDITIONS = flags.DEFINE_enum(
    "conditions", "usual", ["usual", "harsh"], "synthetic_faces: the conditions of the photos."
)
_LABEL_NOISE = flags.DEFINE_float(
    "label_noise",
    0.0,
    "synthetic_faces: the standard deviation of the labels in crop pixels. Annotations stay exact.",
    lower_bound=0,
)


def main() -> None:
    model = chosen_face_model(_FACE_MODEL.value)
    data_dir = pathlib.Path(_DATA.value)
    source = _SOURCES[_DATASET.value](model)
    tfds.disable_progress_bar()
    summarize(prepare_face_crops(with_progress(source), data_dir), data_dir)


def source_dir() -> pathlib.Path:
    """Returns --source_dir.

    Raises:
      ConfigError: if the flag is missing.
    """
    if not _SOURCE.value:
        raise ConfigError(
            "--source_dir is missing: give the folder or zip file of pictures and landmarks."
        )
    return pathlib.Path(_SOURCE.value)


def crops(model: MorphableModel) -> LabelledCrops:
    """Returns the crops of --source_dir, without outliers if --drop_outliers is set."""
    images = read_labelled_images(source_dir())
    if _DROP_OUTLIERS.value:
        images = sources.without_outliers(model, images)
    return crop_faces(images, _WHOLE_PICTURES.value)


def with_copies(source: CropSource, model: MorphableModel) -> CropSource:
    """Adds the profiled copies that --profiled requests."""
    if not _PROFILED.value:
        return source
    return with_profiled_faces(source, model, _PROFILED.value, _SEED.value)


def synthetic_faces(model: MorphableModel) -> CropSource:
    """Returns rendered faces with the settings of the flags."""
    conditions = cast(Conditions, _CONDITIONS.value)
    series = SyntheticSeries(_COUNT.value, _SEED.value, conditions, _LABEL_NOISE.value)
    return sources.synthetic(model, series, source_dir() if _SOURCE.value else None)


_SOURCES: dict[str, Callable[[MorphableModel], CropSource]] = {
    "pseudo_3d": lambda model: with_copies(sources.pseudo_3d(model, crops(model)), model),
    "faces_2d": lambda model: sources.faces_2d(model, crops(model)),
    "face300w_lp": lambda model: sources.face300w_lp(model, source_dir(), _OWN_COEFFICIENTS.value),
    "aflw": lambda model: with_copies(sources.aflw(model, source_dir()), model),
    "synthetic_faces": synthetic_faces,
}


def with_progress(source: CropSource) -> CropSource:
    """Adds a progress bar to the splits of a source."""

    def with_bar(name: str, split: Callable[[], Iterator[FaceCrop]]) -> Iterator[FaceCrop]:
        yield from tqdm.tqdm(split(), desc=name, unit="face", disable=None)

    splits = {
        name: lambda name=name, split=split: with_bar(name, split)
        for name, split in source.splits.items()
    }
    return dataclasses.replace(source, splits=splits)


if __name__ == "__main__":
    entry_points.run(main)
