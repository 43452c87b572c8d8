"""TFDS data set of in-the-wild crops with 2D landmarks and pseudo 3D coefficients, without TensorFlow."""

import dataclasses
import pathlib
import zipfile
from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow_datasets as tfds

from twodasl_jax.data.annotations import AnnotatedCrops, read_crop
from twodasl_jax.data.pseudo_3d import Pseudo3D
from twodasl_jax.errors import DatasetError
from twodasl_jax.geometry.frames import CROP_SIZE

# One face in this many is held out for validation, in the order of the file.
_VALIDATION_STRIDE = 25


@dataclasses.dataclass(frozen=True)
class Faces2DSource:
    """What the data set is made from.

    Attributes:
      archive: zip file of the crops.
      crops: their names and labels.
      fits: their pseudo 3D annotations.
      face_model: `face_model.digest` of the model that was fitted.
    """

    archive: pathlib.Path
    crops: AnnotatedCrops
    fits: Pseudo3D
    face_model: str


class Faces2D(tfds.core.GeneratorBasedBuilder):
    """Writes the data set; `open_faces_2d` reads it.

    A record holds `image` (120, 120, 3) uint8 RGB; `landmarks` (68, 2) float32, crop frame, nan where missing;
    `visibility` (68,) uint8; `vector` (62,) float32, official layout, not whitened; `yaw` float32, radians;
    `error` float32, misfit of the coefficients relative to the face's size; `name`.
    """

    name = "faces_2d"
    VERSION = tfds.core.Version("1.0.0")

    def __init__(self, source: Faces2DSource, **kwargs: Any):
        self._source = source
        super().__init__(file_format="array_record", **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        # Raw bytes: decoding a PNG or a JPEG costs many times more than reading 43 kB.
        pixels = tfds.features.Tensor(
            shape=(CROP_SIZE, CROP_SIZE, 3), dtype=np.uint8, encoding=tfds.features.Encoding.BYTES
        )
        vector_size = self._source.fits.vectors.shape[1]
        features = {
            "image": pixels,
            "landmarks": tfds.features.Tensor(shape=(68, 2), dtype=np.float32),
            "visibility": tfds.features.Tensor(shape=(68,), dtype=np.uint8),
            "vector": tfds.features.Tensor(shape=(vector_size,), dtype=np.float32),
            "yaw": tfds.features.Scalar(dtype=np.float32),
            "error": tfds.features.Scalar(dtype=np.float32),
            "name": tfds.features.Text(),
        }
        return tfds.core.DatasetInfo(
            builder=self,
            features=tfds.features.FeaturesDict(features),
            metadata=tfds.core.MetadataDict({"face_model": self._source.face_model}),
        )

    def _split_generators(self, dl_manager: tfds.download.DownloadManager) -> dict[str, Any]:
        del dl_manager  # Nothing is downloaded.
        rows = np.arange(len(self._source.crops.names))
        held_out = rows % _VALIDATION_STRIDE == 0
        return {
            "train": self._generate_examples(rows[~held_out]),
            "validation": self._generate_examples(rows[held_out]),
        }

    def _generate_examples(self, rows: np.ndarray) -> Iterator[tuple[str, dict[str, Any]]]:
        crops, fits = self._source.crops, self._source.fits
        with zipfile.ZipFile(self._source.archive) as archive:
            for row in rows:
                name = crops.names[row]
                yield (
                    name,
                    {
                        "image": read_crop(archive, name),
                        "landmarks": crops.landmarks[row],
                        "visibility": crops.visibility[row].astype(np.uint8),
                        "vector": fits.vectors[row],
                        "yaw": fits.yaw[row],
                        "error": fits.error[row],
                        "name": name,
                    },
                )


def open_faces_2d(data_dir: pathlib.Path, face_model: str) -> tfds.core.DatasetBuilder:
    """Opens a prepared data set; `.as_data_source(split)` gives random access to its records.

    Args:
      data_dir: where it was prepared.
      face_model: digest of the face model that its coefficients must belong to.

    Raises:
      DatasetError: nothing was prepared there, or it was prepared for another face model.
    """
    folder = data_dir / Faces2D.name / str(Faces2D.VERSION)
    if not (folder / "dataset_info.json").exists():
        raise DatasetError(
            f"{folder} holds no prepared data set: run experiments/prepare_data.py first"
        )
    builder = tfds.builder_from_directory(str(folder))
    prepared_for = (builder.info.metadata or {}).get("face_model")
    if prepared_for != face_model:
        raise DatasetError(
            f"{folder} was prepared for face model {prepared_for}, not for {face_model}: prepare it again"
        )
    return builder
