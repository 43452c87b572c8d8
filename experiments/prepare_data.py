"""Prepares faces for training: crops, landmarks and coefficients of the face model, in the form that training reads.

  python experiments/prepare_data.py --dataset=pseudo_3d --source_dir=FACES --data_dir=DATA
  python experiments/prepare_data.py --dataset=faces_2d --source_dir=FACES --data_dir=DATA
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
pictures may be in subfolders, or in an archive `images.zip` in the folder. --drop_wild_points leaves out points that
are far from where the face model sees them, and faces that it cannot be fitted to.

synthetic_faces: rendered from the face model, all of it known, the same from the same --seed. --source_dir may name a
folder of skins (pictures in the texture coordinates of the face model), which half of the faces then wear.

The result is a TFDS data set (array_record, readable without TensorFlow) under DATA, for `experiments/train.py`;
DATA/whitening.npz, mean and standard deviation of each coefficient; and DATA/contact_sheet.png: look at it before you
train. An interrupted preparation is started again by the same command.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import cast

import imageio.v3 as imageio
import numpy as np
import tensorflow_datasets as tfds
import tqdm
from absl import flags
from jaxtyping import UInt8
from PIL import Image

from twodasl_jax import face_model, programs
from twodasl_jax.atomic_files import replacing
from twodasl_jax.data.annotations import (
    AnnotatedCrops,
    AnnotatedImages,
    crop_faces,
    read_annotations,
)
from twodasl_jax.data.face_crops import MARGIN, CropSource, FaceCrop, prepare_face_crops, read_index
from twodasl_jax.data.faces_2d import faces_2d_source, pseudo_3d_source
from twodasl_jax.data.pseudo_3d import estimate_yaw, fit_pseudo_3d, fitted_landmarks
from twodasl_jax.data.synthetic_crops import SyntheticSeries, synthetic_source
from twodasl_jax.data.wild_points import drop_wild_points
from twodasl_jax.errors import ConfigError, DatasetError
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.photos import find_photos, read_photo
from twodasl_jax.rendering import points
from twodasl_jax.synthetic_faces import Conditions
from twodasl_jax.training.face_space import whitening_of

_DATASET = flags.DEFINE_enum(
    "dataset", "pseudo_3d", ["pseudo_3d", "faces_2d", "synthetic_faces"], "What kind of faces."
)
_SOURCE = flags.DEFINE_string(
    "source_dir", None, "Folder or zip file that the faces come from, or folder of skins."
)
_WHOLE_PICTURES = flags.DEFINE_bool(
    "whole_pictures", False, "pseudo_3d, faces_2d: the pictures are 120x120 crops already."
)
_DROP_WILD_POINTS = flags.DEFINE_bool(
    "drop_wild_points", False, "pseudo_3d, faces_2d: leave out landmarks that cannot be right."
)
_DATA = flags.DEFINE_string("data_dir", None, "Folder for the prepared data set.", required=True)
_COUNT = flags.DEFINE_integer("count", 20000, "synthetic_faces: how many.", lower_bound=50)
_SEED = flags.DEFINE_integer(
    "seed", 0, "synthetic_faces: which; 2025 is the test set of render_faces.py.", lower_bound=0
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

_SHEET = (5, 8)  # rows and columns
_VISIBLE_COLOUR, _HIDDEN_COLOUR = points.TRUE_COLOUR, points.PREDICTED_COLOUR
# Texels a side: the pictures show a face with far fewer.
_SKIN_SIDE = 1024


def read_crops(model: MorphableModel) -> AnnotatedCrops:
    """Returns the faces of --source_dir, cropped; without wild points if they are not wanted."""
    if not _SOURCE.value:
        raise ConfigError("--source_dir is missing: the folder or zip file of pictures and points.")
    images = read_annotations(pathlib.Path(_SOURCE.value))
    if _DROP_WILD_POINTS.value:
        images = without_wild_points(model, images)
    return crop_faces(images, _WHOLE_PICTURES.value)


def without_wild_points(model: MorphableModel, images: AnnotatedImages) -> AnnotatedImages:
    """Drops wild points and says how many there were."""
    fits = fit_pseudo_3d(
        model, images.landmarks, images.visibility, chunk_progress("Looking for wild points")
    )
    cleaned, report = drop_wild_points(images, fitted_landmarks(model, fits.vectors), fits.yaw)
    if not cleaned.names:
        raise DatasetError(f"The face model fits no face in {images.source}: check its landmarks.")
    points = ", ".join(f"{count} {part}" for part, count in report.points.items())
    print(
        f"Wild points dropped: {sum(report.points.values())} of {report.judged} ({points}); faces dropped: "
        f"{report.faces} of {len(images.names)}; the worst: {', '.join(report.worst) or 'none'}"
    )
    return cleaned


def chunk_progress(title: str) -> Callable[[Sequence[int]], Iterable[int]]:
    """Returns a progress bar for fits."""
    return lambda chunks: tqdm.tqdm(chunks, desc=title, unit="chunk")


def read_pseudo_3d(model: MorphableModel) -> CropSource:
    """Returns the faces of --source_dir with the face model fitted to them."""
    crops = read_crops(model)
    progress = chunk_progress("Fitting the face model")
    fits = fit_pseudo_3d(model, crops.landmarks, crops.visibility, progress)
    fitted = np.isfinite(fits.error)
    if not fitted.any():
        raise DatasetError(
            f"No face in {crops.source} shows enough points to fit the face model to."
        )
    quartiles = np.percentile(100 * fits.error[fitted], [25, 50, 75, 95])
    print(
        f"{len(fitted)} faces, of which {(~fitted).sum()} show too few points for a fit; error, % of the "
        "face: quartiles {:.2f} {:.2f} {:.2f}, 95th percentile {:.2f}".format(*quartiles)
    )
    return pseudo_3d_source(crops, fits, model)


def read_faces_2d(model: MorphableModel) -> CropSource:
    """Returns the faces of --source_dir with their landmarks alone."""
    crops = read_crops(model)
    yaw = estimate_yaw(
        model, crops.landmarks, crops.visibility, chunk_progress("Estimating the yaw")
    )
    if np.isnan(yaw).all():
        raise DatasetError(f"No face in {crops.source} shows enough points to tell its yaw.")
    return faces_2d_source(crops, yaw, model)


def draw_synthetic_faces(model: MorphableModel) -> CropSource:
    """Returns rendered faces, with the skins of --source_dir if it is given."""
    skins = []
    if _SOURCE.value:
        skins = [read_skin(path) for path in find_photos(_SOURCE.value)]
        if not skins:
            raise DatasetError(f"{_SOURCE.value} holds no pictures of skins.")
    series = SyntheticSeries(
        _COUNT.value, _SEED.value, cast(Conditions, _CONDITIONS.value), _LABEL_NOISE.value
    )
    return synthetic_source(model, series, skins)


def read_skin(path: pathlib.Path) -> UInt8[np.ndarray, "H W 3"]:
    """Reads a texture, not larger than it can be seen."""
    picture = Image.fromarray(read_photo(path))
    picture.thumbnail((_SKIN_SIDE, _SKIN_SIDE))
    return np.asarray(picture)


_READERS: dict[str, Callable[[MorphableModel], CropSource]] = {
    "pseudo_3d": read_pseudo_3d,
    "faces_2d": read_faces_2d,
    "synthetic_faces": draw_synthetic_faces,
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


def summarize(builder: tfds.core.DatasetBuilder, data_dir: pathlib.Path) -> None:
    """Says what was prepared, and draws some of it."""
    records = builder.as_data_source("train")
    rows, columns = _SHEET
    chosen = np.linspace(0, len(records) - 1, rows * columns).astype(int)
    drawings = []
    for row in sorted(set(chosen.tolist())):
        record = records[row]
        drawing = points.enlarge(record["image"])
        for seen, colour in ((2, _VISIBLE_COLOUR), (1, _HIDDEN_COLOUR)):
            shown = np.where(record["visibility"][:, None] == seen, record["landmarks"], np.nan)
            drawing = points.add_points(drawing, shown + MARGIN, colour, filled=False)
        drawings.append(drawing)
    with replacing(data_dir / "contact_sheet.png") as beside:
        imageio.imwrite(beside, points.contact_sheet(drawings, columns)[::2, ::2])
    index = read_index(builder, "train")
    yaw = np.degrees(np.abs(index.yaw))
    annotated = index.vectors[np.isfinite(index.error)]
    if len(annotated):
        whitening = whitening_of(annotated)
        with replacing(data_dir / "whitening.npz") as beside:
            np.savez(beside, mean=whitening.mean, std=whitening.std)
    counts = {name: builder.info.splits[name].num_examples for name in builder.info.splits}
    print(f"{data_dir}: " + ", ".join(f"{count} {name}" for name, count in counts.items()))
    print(
        "|yaw| up to 30, 60, 90 degrees: {} {} {}".format(*np.histogram(yaw, [0, 30, 60, 181])[0])
    )
    print(
        f"Look at {data_dir / 'contact_sheet.png'}: green landmarks are visible, red ones hidden."
    )


def main() -> None:
    model = face_model.embedded_face_model()
    source = _READERS[_DATASET.value](model)
    data_dir = pathlib.Path(_DATA.value)
    tfds.disable_progress_bar()
    summarize(prepare_face_crops(with_progress(source), data_dir), data_dir)


if __name__ == "__main__":
    programs.run(main)
