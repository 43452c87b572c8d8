"""The one form in which faces are stored for training: a TFDS data set of annotated crops, without TensorFlow.

Every kind of faces (in-the-wild folders, rendered ones) is turned into a `CropSource`; `FaceCrops` writes it as
array_record, and `open_face_crops` gives random access to the records, which Grain batches.

A record's picture is the crop with a margin around it, so that a face that augmentation turns or moves is followed by
what lies beside it. Landmarks and coefficients stay in the frame of the crop.
"""

import dataclasses
import pathlib
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypedDict

import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Float, Int, UInt8

from twodasl_jax.crops import crop_photo
from twodasl_jax.errors import DatasetError
from twodasl_jax.geometry.frames import CROP_SIZE

# Pixels on each side of the crop, and the side of what is stored.
MARGIN = 12
STORED_SIZE = CROP_SIZE + 2 * MARGIN

_VALIDATION_STRIDE = 25


class FaceCrop(TypedDict):
    """One record.

    Keys:
      name: of the face, unique in its split.
      image: RGB, the crop and MARGIN pixels around it.
      landmarks: 2D labels, crop frame, nan where missing.
      visibility: 0 not labelled, 1 hidden, 2 visible.
      vector: coefficients in the official layout, not whitened.
      yaw: radians.
      error: misfit of the coefficients to the labels, relative to the face's size; 0 where they are the truth.
    """

    name: str
    image: UInt8[np.ndarray, "144 144 3"]
    landmarks: Float[np.ndarray, "68 2"]
    visibility: UInt8[np.ndarray, "68"]
    vector: Float[np.ndarray, " C"]
    yaw: float
    error: float


@dataclasses.dataclass(frozen=True)
class CropSource:
    """What a data set is made from.

    Attributes:
      face_model: `face_model.digest` of the model that the coefficients belong to.
      vector_size: numbers in a coefficient vector.
      splits: the records of "train" and "validation".
    """

    face_model: str
    vector_size: int
    splits: Mapping[str, Callable[[], Iterator[FaceCrop]]]


def stored_picture(
    photo: UInt8[np.ndarray, "H W 3"], box: Float[np.ndarray, "4"]
) -> UInt8[np.ndarray, "144 144 3"]:
    """Returns the crop of a box of a photo with the margin that is stored; outside of the photo is black.

    Raises:
      BoxError: the box cannot be cropped (`crops.check_box`).
    """
    margin = (box[2:] - box[:2]) * (MARGIN / CROP_SIZE)
    return crop_photo(photo, np.concatenate([box[:2] - margin, box[2:] + margin]), STORED_SIZE)


def without_margin(
    pictures: UInt8[np.ndarray, "*batch 144 144 3"],
) -> UInt8[np.ndarray, "*batch 120 120 3"]:
    """Returns the crops in the middle of stored pictures."""
    return pictures[..., MARGIN:-MARGIN, MARGIN:-MARGIN, :]


def split_rows(count: int) -> dict[str, Int[np.ndarray, " M"]]:
    """Returns which of so many faces belong to "train" and "validation": one in 25 is held out, in their order."""
    rows = np.arange(count)
    held_out = rows % _VALIDATION_STRIDE == 0
    return {"train": rows[~held_out], "validation": rows[held_out]}


class FaceCrops(tfds.core.GeneratorBasedBuilder):
    """Writes a data set of `FaceCrop` records; `open_face_crops` reads it."""

    name = "face_crops"
    VERSION = tfds.core.Version("2.0.0")

    def __init__(self, source: CropSource, **kwargs: Any):
        self._source = source
        super().__init__(file_format="array_record", **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        # Raw bytes: decoding a PNG or a JPEG costs many times more than reading 62 kB.
        pixels = tfds.features.Tensor(
            shape=(STORED_SIZE, STORED_SIZE, 3),
            dtype=np.uint8,
            encoding=tfds.features.Encoding.BYTES,
        )
        vector_size = self._source.vector_size
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
        return {
            name: self._generate_examples(split()) for name, split in self._source.splits.items()
        }

    def _generate_examples(self, records: Iterator[FaceCrop]) -> Iterator[tuple[str, FaceCrop]]:
        for record in records:
            yield record["name"], record


def open_face_crops(data_dir: pathlib.Path, face_model: str) -> tfds.core.DatasetBuilder:
    """Opens a prepared data set; `.as_data_source(split)` gives random access to its records.

    Args:
      data_dir: where it was prepared.
      face_model: digest of the face model that its coefficients must belong to.

    Raises:
      DatasetError: nothing was prepared there, or it was prepared for another face model.
    """
    folder = data_dir / FaceCrops.name / str(FaceCrops.VERSION)
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
