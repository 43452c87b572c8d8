"""Prepares annotated face crops for training: fits the face model to their landmarks and stores everything.

  python experiments/prepare_data.py --source_dir=FOLDER --data_dir=DATA

FOLDER holds `images.zip` (120x120 face crops) and `annotations.npz` with `names` (N,), `pts68` (N, 68, 2) in crop
pixels, nan where a point is missing, and `visibility` (N, 68): 0 not labelled, 1 hidden, 2 visible. The result is a
TFDS data set (array_record, readable without TensorFlow) under DATA, for `experiments/train.py`.
"""

import pathlib
import zipfile

import numpy as np
import tqdm
from absl import flags

from twodasl_jax import face_model, programs
from twodasl_jax.data.annotations import read_annotations
from twodasl_jax.data.faces_2d import Faces2D, Faces2DSource
from twodasl_jax.data.pseudo_3d import fit_pseudo_3d
from twodasl_jax.errors import DatasetError

_SOURCE = flags.DEFINE_string(
    "source_dir", None, "Folder of images.zip and annotations.npz.", required=True
)
_DATA = flags.DEFINE_string("data_dir", None, "Folder for the prepared data set.", required=True)


def prepare(source_dir: pathlib.Path, data_dir: pathlib.Path) -> None:
    """Reads, fits and stores one data set; says what came out."""
    model = face_model.embedded_face_model()
    crops, archive = read_annotations(source_dir), source_dir / "images.zip"
    if not zipfile.is_zipfile(archive):
        raise DatasetError(f"{archive} is missing, or no zip file: it must hold the face crops.")
    data_dir.mkdir(parents=True, exist_ok=True)
    progress = lambda chunks: tqdm.tqdm(chunks, desc="Fitting the face model", unit="chunk")  # noqa: E731
    fits = fit_pseudo_3d(model, crops.landmarks, crops.visibility, progress)
    fitted = np.isfinite(fits.error)
    if not fitted.any():
        raise DatasetError(f"No face in {source_dir} shows enough points to fit the face model to.")
    source = Faces2DSource(archive, crops, fits, face_model.digest(model))
    Faces2D(source, data_dir=str(data_dir)).download_and_prepare()
    quartiles = np.percentile(100 * fits.error[fitted], [25, 50, 75, 95])
    turned = np.degrees(np.abs(fits.yaw[fitted]))
    print(
        f"{len(crops.names)} faces in {data_dir}; {(~fitted).sum()} show too few points for a fit"
    )
    print(
        "misfit, % of the face: quartiles {:.2f} {:.2f} {:.2f}, 95th percentile {:.2f}".format(
            *quartiles
        )
    )
    print(
        "|yaw| up to 30, 60, 90 degrees: {} {} {}".format(
            *np.histogram(turned, [0, 30, 60, 181])[0]
        )
    )


def main() -> None:
    prepare(pathlib.Path(_SOURCE.value), pathlib.Path(_DATA.value))


if __name__ == "__main__":
    programs.run(main)
