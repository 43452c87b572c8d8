"""The one form in which faces are stored for training: a TFDS data set of annotated crops, without TensorFlow.

Every kind of faces (in-the-wild folders, rendered ones) is turned into a `CropSource`; `prepare_face_crops` writes it
as array_record, and `open_face_crops` gives random access to the records, which Grain batches.

A record's picture is the crop with a margin around it, so that a face that augmentation turns or moves is followed by
what lies beside it. Landmarks and coefficients stay in the frame of the crop.
"""

import dataclasses
import itertools
import pathlib
import shutil
from collections.abc import Callable, Iterator, Mapping
from typing import Any, TypedDict

import filelock
import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Float, Int, UInt8

from twodasl_jax.errors import DatasetError
from twodasl_jax.files.array_files import read_rows
from twodasl_jax.files.atomic_files import replacing
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.frames import CROP_SIZE
from twodasl_jax.imaging.crops import crop_photo

# Pixels on each side of the crop, and the side of what is stored.
MARGIN = 12
STORED_SIZE = CROP_SIZE + 2 * MARGIN

# What a record's `visibility` says of a label.
NOT_LABELLED, HIDDEN, VISIBLE = 0, 1, 2

_VALIDATION_STRIDE = 25
# Of 62 kB each.
_RECORDS_PER_FILE = 8192
_RECORDS_AT_ONCE = 256


class FaceCrop(TypedDict):
    """One record.

    Keys:
      name: of the face, unique in its split.
      image: RGB, the crop and MARGIN pixels around it.
      landmarks: 2D labels, crop frame, nan where missing.
      visibility: 0 not labelled, 1 hidden, 2 visible.
      vector: coefficients in the official layout, not whitened.
      yaw: radians; nan where it is not known.
      error: of the coefficients, relative to the face's size: 0 where they are the truth, `pseudo_3d.fit_error` where
        they were fitted, inf where there are none.
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
      description: of what, and how; a folder holds the faces of one description.
      face_model: `face_model.digest` of the model that the coefficients belong to.
      vector_size: numbers in a coefficient vector.
      splits: the records of "train" and "validation".
    """

    description: str
    face_model: str
    vector_size: int
    splits: Mapping[str, Callable[[], Iterator[FaceCrop]]]


@dataclasses.dataclass(frozen=True)
class CropIndex:
    """What a run must know of all N faces before it draws the first: it stands beside the records.

    Attributes:
      yaw: (N,) radians.
      error: (N,) as in the records.
      vectors: (N, C) as in the records.
    """

    yaw: Float[np.ndarray, " N"]
    error: Float[np.ndarray, " N"]
    vectors: Float[np.ndarray, "N C"]


def stored_picture(
    photo: UInt8[np.ndarray, "H W 3"], box: Float[np.ndarray, "4"]
) -> UInt8[np.ndarray, "144 144 3"]:
    """Returns the crop of a box of a photo with the margin that is stored; outside of the photo is black.

    Raises:
      BoxError: the box cannot be cropped (`crops.check_box`).
    """
    margin = (box[2:] - box[:2]) * (MARGIN / CROP_SIZE)
    return crop_photo(photo, np.concatenate([box[:2] - margin, box[2:] + margin]), STORED_SIZE)


def coefficients_in_crop(coefficients: Coefficients, box: Float[np.ndarray, "4"]) -> Coefficients:
    """Moves the coefficients of a face from the frame of a picture to that of the crop of a square box of it."""
    scale = CROP_SIZE / (box[2] - box[0])
    affine = scale * np.asarray(coefficients.affine)
    affine[:2, 3] -= scale * box[:2]
    return dataclasses.replace(coefficients, affine=affine.astype(np.float32))


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


class FaceCrops(tfds.core.dataset_builder.FileReaderBuilder):
    """The TFDS builder of `FaceCrop` records."""

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
            metadata=tfds.core.MetadataDict(
                {
                    "face_model": self._source.face_model,
                    "description": self._source.description,
                }
            ),
        )

    def _download_and_prepare(self, dl_manager: Any, download_config: Any) -> None:
        """Writes one record after the other.

        A generator builder of TFDS would sort them first, and of more than a gigabyte it does so by TensorFlow.
        """
        del dl_manager, download_config  # Nothing is downloaded.
        # TFDS lets the builder, but not its info, believe in the folder that is renamed when all is written.
        info = self._info()
        writer = tfds.core.SequentialWriter(
            info, _RECORDS_PER_FILE, file_format=self.info.file_format.value
        )
        writer.initialize_splits(list(self._source.splits))
        for name, split in self._source.splits.items():
            records = split()
            while some := list(itertools.islice(records, _RECORDS_AT_ONCE)):
                writer.add_examples({name: some})
        writer.close_all()
        self.info.set_splits(info.splits)


def prepare_face_crops(source: CropSource, data_dir: pathlib.Path) -> tfds.core.DatasetBuilder:
    """Writes a data set, or finds that it is written already; one that was interrupted starts clean.

    Args:
      source: of the faces.
      data_dir: folder for them.

    Raises:
      DatasetError: the folder holds other faces, or another process prepares it.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(data_dir / ".lock", timeout=0):
            for leftover in (data_dir / FaceCrops.name).glob("incomplete.*"):
                shutil.rmtree(leftover)
            _refuse_other_faces(source, data_dir)
            builder = FaceCrops(source, data_dir=str(data_dir))
            builder.download_and_prepare()
            _write_index(builder)
    except filelock.Timeout as error:
        raise DatasetError(
            f"{data_dir} is being prepared by another process: wait for it"
        ) from error
    return builder


def _refuse_other_faces(source: CropSource, data_dir: pathlib.Path) -> None:
    if not (_folder(data_dir) / "dataset_info.json").exists():
        return
    held = open_face_crops(data_dir, source.face_model).info.metadata.get("description")
    if held != source.description:
        raise DatasetError(
            f"{data_dir} holds other faces already ({held}, not {source.description}): choose another --data_dir, or "
            "remove it"
        )


def _write_index(builder: tfds.core.DatasetBuilder) -> None:
    for split in builder.info.splits:
        path = _index_path(builder, split)
        if path.exists():
            continue
        records = builder.as_data_source(split)
        rows = [(record["yaw"], record["error"], record["vector"]) for record in records]
        yaw, error, vectors = map(np.array, zip(*rows, strict=True))
        with replacing(path) as beside, open(beside, "wb") as file:
            np.savez(file, yaw=yaw, error=error, vectors=vectors)


def read_index(builder: tfds.core.DatasetBuilder, split: str) -> CropIndex:
    """Returns the index of a split of a data set that `open_face_crops` opened.

    Raises:
      DatasetError: the index is missing or damaged.
    """
    path = _index_path(builder, split)
    arrays = read_rows(path, {"yaw": (), "error": (), "vectors": (-1,)})
    return CropIndex(arrays["yaw"], arrays["error"], arrays["vectors"])


def _index_path(builder: tfds.core.DatasetBuilder, split: str) -> pathlib.Path:
    return pathlib.Path(builder.data_dir) / f"{split}_index.npz"


def _folder(data_dir: pathlib.Path) -> pathlib.Path:
    return data_dir / FaceCrops.name / str(FaceCrops.VERSION)


def open_face_crops(data_dir: pathlib.Path, face_model: str) -> tfds.core.DatasetBuilder:
    """Opens a prepared data set; `.as_data_source(split)` gives random access to its records.

    Args:
      data_dir: where it was prepared.
      face_model: digest of the face model that its coefficients must belong to.

    Raises:
      DatasetError: nothing was prepared there, or it was prepared for another face model.
    """
    folder = _folder(data_dir)
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
