"""The stored format of training faces: a TFDS data set of labelled crops, without TensorFlow.

Every data set is described by a `CropSource`. `prepare_face_crops` writes it as array_record, and
`open_face_crops` gives random access to its records, which Grain batches.

The picture of a record is a crop with a margin around it. Augmentation that rotates or moves the
crop takes pixels from the margin. Landmarks and coefficients are in the crop frame.
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
from twodasl_jax.geometry.coefficients import Whitening
from twodasl_jax.geometry.frames import CROP_SIZE

# The margin on each side of the crop and the side of the stored picture, in pixels.
MARGIN = 12
STORED_SIZE = CROP_SIZE + 2 * MARGIN

# The values of `visibility` in a record.
NOT_LABELLED, HIDDEN, VISIBLE = 0, 1, 2

_VALIDATION_STRIDE = 25
# A record has 62 kB.
_RECORDS_PER_FILE = 8192
_RECORDS_AT_ONCE = 256
# Entries with a smaller standard deviation count as constant, for example the depth offset, which
# is always zero.
_SMALLEST_STD = 1e-6


class FaceCrop(TypedDict):
    """One record.

    Keys:
      name: the name of the face, unique in its split.
      image: the (144, 144, 3) RGB picture, a crop with MARGIN pixels on each side.
      landmarks: the (68, 2) labels in the crop frame, nan where missing.
      visibility: (68,) 0 for unlabelled, 1 for hidden and 2 for visible landmarks.
      vector: the (C,) annotation, a coefficient vector in the official layout, not whitened.
      yaw: the yaw in radians, nan if unknown.
      error: the error of the annotation, relative to the size of the face: 0 for exact
        coefficients, `pseudo_3d.fit_error` for fitted ones, and inf without annotation.
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
    """The faces of a data set before they are stored.

    Attributes:
      description: the origin and the settings of the faces. Sources with different faces need
        different descriptions.
      face_model: the `face_model.digest` of the model of the annotations.
      vector_size: the number C of entries in a coefficient vector.
      splits: a function per split, "train" and "validation", that yields its records.
    """

    description: str
    face_model: str
    vector_size: int
    splits: Mapping[str, Callable[[], Iterator[FaceCrop]]]


@dataclasses.dataclass(frozen=True)
class CropIndex:
    """The small fields of all N records of a split, stored beside the records.

    Attributes:
      yaw: the (N,) yaws in radians.
      error: the (N,) errors of the annotations.
      vectors: the (N, C) annotations.
    """

    yaw: Float[np.ndarray, " N"]
    error: Float[np.ndarray, " N"]
    vectors: Float[np.ndarray, "N C"]


def without_margin(
    pictures: UInt8[np.ndarray, "*batch 144 144 3"],
) -> UInt8[np.ndarray, "*batch 120 120 3"]:
    """Returns the crops of stored pictures, without the margin."""
    return pictures[..., MARGIN:-MARGIN, MARGIN:-MARGIN, :]


def split_rows(count: int) -> dict[str, Int[np.ndarray, " M"]]:
    """Returns the rows of the "train" and "validation" splits: every 25th face is held out.

    Args:
      count: the number of faces.
    """
    rows = np.arange(count)
    held_out = rows % _VALIDATION_STRIDE == 0
    return {"train": rows[~held_out], "validation": rows[held_out]}


def whitening_of(vectors: Float[np.ndarray, "N C"]) -> Whitening:
    """Returns the mean and the standard deviation of annotations.

    Constant entries get a standard deviation of one.

    Args:
      vectors: (N, C) coefficient vectors in the official layout, not whitened.
    """
    std = vectors.std(axis=0)
    return Whitening(
        vectors.mean(axis=0).astype(np.float32),
        np.where(std > _SMALLEST_STD, std, 1.0).astype(np.float32),
    )


class FaceCrops(tfds.core.dataset_builder.FileReaderBuilder):
    """The TFDS builder of `FaceCrop` records."""

    name = "face_crops"
    VERSION = tfds.core.Version("2.0.0")

    def __init__(self, source: CropSource, **kwargs: Any):
        self._source = source
        super().__init__(file_format="array_record", **kwargs)

    def _info(self) -> tfds.core.DatasetInfo:
        # Raw bytes, because decoding a PNG or a JPEG takes many times longer than reading 62 kB.
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
        """Writes the records in their order.

        The generator-based builder of TFDS would sort them first, and would need TensorFlow to sort
        more than a gigabyte.
        """
        del dl_manager, download_config  # Nothing is downloaded.
        # TFDS writes to a temporary folder and renames it at the end. `self.info` does not refer to
        # the temporary folder, so the writer gets a new info that does.
        info = self._info()
        writer = tfds.core.SequentialWriter(
            info, _RECORDS_PER_FILE, file_format=self.info.file_format.value
        )
        writer.initialize_splits(list(self._source.splits))
        for name, split in self._source.splits.items():
            records = split()
            while chunk := list(itertools.islice(records, _RECORDS_AT_ONCE)):
                writer.add_examples({name: chunk})
        writer.close_all()
        self.info.set_splits(info.splits)


def prepare_face_crops(source: CropSource, data_dir: pathlib.Path) -> tfds.core.DatasetBuilder:
    """Writes a data set, unless it is already complete.

    The remains of an interrupted preparation are deleted first.

    Args:
      source: the faces.
      data_dir: the folder of the data set.

    Raises:
      DatasetError: if the folder has other faces, or another process prepares it.
    """
    data_dir.mkdir(parents=True, exist_ok=True)
    try:
        with filelock.FileLock(data_dir / ".lock", timeout=0):
            for leftover in (data_dir / FaceCrops.name).glob("incomplete.*"):
                shutil.rmtree(leftover)
            _check_same_faces(source, data_dir)
            builder = FaceCrops(source, data_dir=str(data_dir))
            builder.download_and_prepare()
            _write_index(builder)
    except filelock.Timeout as error:
        raise DatasetError(
            f"{data_dir} is being prepared by another process: wait for it to finish"
        ) from error
    return builder


def _check_same_faces(source: CropSource, data_dir: pathlib.Path) -> None:
    """Raises if the folder has a data set with another description."""
    if not (_folder(data_dir) / "dataset_info.json").exists():
        return
    stored = open_face_crops(data_dir, source.face_model).info.metadata.get("description")
    if stored != source.description:
        raise DatasetError(
            f"{data_dir} contains other faces already ({stored}, not {source.description}): choose another --data_dir, "
            "or delete it"
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
    """Reads the index of a split.

    Args:
      builder: a data set opened by `open_face_crops`.
      split: "train" or "validation".

    Raises:
      DatasetError: if the index is missing or damaged.
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
      data_dir: the folder of the data set.
      face_model: the digest of the face model that the run uses.

    Raises:
      DatasetError: if the folder has no prepared data set, or one for another face model.
    """
    folder = _folder(data_dir)
    if not (folder / "dataset_info.json").exists():
        raise DatasetError(
            f"{folder} contains no prepared data set: run experiments/prepare_data.py first"
        )
    builder = tfds.builder_from_directory(str(folder))
    prepared_for = (builder.info.metadata or {}).get("face_model")
    if prepared_for != face_model:
        raise DatasetError(
            f"{folder} was prepared for face model {prepared_for}, not for {face_model}: prepare it again"
        )
    return builder
