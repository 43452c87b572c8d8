"""The two kinds of images of a step, each from its own prepared data set, in endless, exactly resumable batches."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any, Self

import jax
import ml_collections
import numpy as np
import tensorflow_datasets as tfds
from jaxtyping import Bool, Float

from twodasl_jax.data import pipeline
from twodasl_jax.data.face_crops import (
    STORED_SIZE,
    CropIndex,
    open_face_crops,
    read_index,
    without_margin,
)
from twodasl_jax.data.pipeline import Pool, Records
from twodasl_jax.errors import ConfigError, DatasetError
from twodasl_jax.training.state import AnnotatedFaces, LabelledFaces, TrainBatch

# Of the faces that a run measures itself on; more would take long, and tell little more.
_MOST_HELD_OUT = 1000


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """What a run learns from.

    Attributes:
      annotated: faces whose 3D annotation counts.
      wild: faces of which only the landmarks count.
      vectors: (M, C) coefficient vectors of the annotated faces that are drawn.
      held_out: annotated faces of the validation splits.
    """

    annotated: Sequence[Pool]
    wild: Sequence[Pool]
    vectors: Float[np.ndarray, "M C"]
    held_out: AnnotatedFaces


@dataclasses.dataclass(frozen=True)
class _DataSet:
    """A prepared data set whose faces have 3D annotations, its weight, and which of its faces are drawn as what."""

    builder: tfds.core.DatasetBuilder
    weight: float
    index: CropIndex
    annotated: Bool[np.ndarray, " N"]

    def pool(self, chosen: Bool[np.ndarray, " N"]) -> Pool:
        yaw = np.where(chosen, self.index.yaw, np.nan)
        return Pool(self.builder.as_data_source("train"), yaw, self.weight)


def load_data(config: ml_collections.ConfigDict, model_digest: str) -> TrainingData:
    """Opens the data sets of a run.

    Faces that the model could not be fitted to have no annotation. Where only a share of the annotations is to count
    (`annotated_share`), the other faces join those in the wild.

    Raises:
      DatasetError: a data set is missing, was prepared for another face model, or holds no annotation.
      ConfigError: there is no face for one half of a batch.
    """
    data_sets = [
        _open_annotated(path, weight, config, model_digest)
        for path, weight in parse_data_sets(config.data_dir)
    ]
    wild = []
    for path, weight in parse_data_sets(config.wild_dir) if config.wild_dir else []:
        builder = open_face_crops(path, model_digest)
        records, yaw = builder.as_data_source("train"), read_index(builder, "train").yaw
        wild.append(Pool(records, yaw, weight))
    if config.annotated_share < 1:
        rest = [data_set for data_set in data_sets if not data_set.annotated.all()]
        wild += [data_set.pool(~data_set.annotated) for data_set in rest]
    if config.wild_batch_size and not wild:
        raise ConfigError(
            f"wild_batch_size={config.wild_batch_size}, but wild_dir names no data set, and "
            f"annotated_share={config.annotated_share:g} leaves no face over: set one of them, or wild_batch_size=0"
        )
    return TrainingData(
        annotated=[data_set.pool(data_set.annotated) for data_set in data_sets],
        wild=wild,
        vectors=np.concatenate([each.index.vectors[each.annotated] for each in data_sets]),
        held_out=_held_out(data_sets, config.largest_fit_error),
    )


def parse_data_sets(text: str) -> list[tuple[pathlib.Path, float]]:
    """Reads "FOLDER" or "FOLDER:WEIGHT,FOLDER:WEIGHT": folders of prepared data, and how often each is drawn from.

    Raises:
      ConfigError: a weight is not positive, or a folder has no name.
    """
    parsed = []
    for part in text.split(","):
        folder, _, weight = part.strip().rpartition(":")
        try:
            parsed.append((folder, float(weight)))
        except ValueError:
            parsed.append((part.strip(), 1.0))
    if any(not folder or not weight > 0 for folder, weight in parsed):
        raise ConfigError(
            f"{text!r} names no data sets: write FOLDER, or FOLDER:WEIGHT,FOLDER:WEIGHT"
        )
    return [(pathlib.Path(folder), weight) for folder, weight in parsed]


def _open_annotated(
    path: pathlib.Path, weight: float, config: ml_collections.ConfigDict, model_digest: str
) -> _DataSet:
    builder = open_face_crops(path, model_digest)
    index = read_index(builder, "train")
    usable = np.flatnonzero(index.error <= config.largest_fit_error)
    if not len(usable):
        raise DatasetError(
            f"{path} holds no face with a 3D annotation within largest_fit_error={config.largest_fit_error:g}: "
            "prepare it with --dataset=pseudo_3d, or name it as wild_dir"
        )
    # The same faces in every run, and those of a smaller share among those of a larger one.
    kept = np.random.default_rng(0).permutation(usable)
    annotated = np.zeros(len(index.error), bool)
    annotated[kept[: max(1, round(config.annotated_share * len(kept)))]] = True
    return _DataSet(builder, weight, index, annotated)


def _held_out(data_sets: Sequence[_DataSet], largest_error: float) -> AnnotatedFaces:
    """Returns annotated faces of all validation splits, not too many."""
    candidates = []
    for data_set in data_sets:
        records = data_set.builder.as_data_source("validation")
        usable = np.flatnonzero(read_index(data_set.builder, "validation").error <= largest_error)
        candidates += [(records, int(row)) for row in usable]
    if not candidates:
        raise DatasetError("No validation split holds an annotated face: prepare more faces")
    count = min(len(candidates), _MOST_HELD_OUT)
    spread = np.linspace(0, len(candidates) - 1, count).round().astype(int)
    return plain_faces([candidates[place] for place in spread])


def plain_faces(places: Sequence[tuple[Records, int]]) -> AnnotatedFaces:
    """Returns some records, given by their data set and row, as the network sees them without augmentation."""
    arrays = pipeline.stacked(places)
    return AnnotatedFaces(**arrays | {"image": without_margin(arrays["image"])})


class Batches:
    """Iterates over the batches of this process.

    Attributes:
      names: of the faces of the last batch.

    Args:
      annotated: Grain iterator over records with 3D annotation; None without such images.
      wild: the same for images in the wild.
      vector_size: numbers in an annotation.
    """

    def __init__(self, annotated: Any, wild: Any, vector_size: int):
        self._parts = {"annotated": annotated, "wild": wild}
        self.names: list[str] = []
        self._nothing = {
            "image": np.zeros((0, STORED_SIZE, STORED_SIZE, 3), np.uint8),
            "landmarks": np.zeros((0, 68, 2), np.float32),
            "visibility": np.zeros((0, 68), np.uint8),
            "vector": np.zeros((0, vector_size), np.float32),
            "name": np.zeros(0, "S1"),
        }

    def __iter__(self) -> Self:
        return self

    def __next__(self) -> TrainBatch:
        parts = [
            dict(self._nothing if part is None else next(part)) for part in self._parts.values()
        ]
        self.names = [name.decode(errors="replace") for part in parts for name in part.pop("name")]
        annotated, wild = parts
        del wild["vector"]
        return TrainBatch(AnnotatedFaces(**annotated), LabelledFaces(**wild))

    def get_state(self) -> dict[str, Any]:
        """Returns where each part is, for JSON."""
        return {name: part.get_state() for name, part in self._parts.items() if part is not None}

    def set_state(self, state: dict[str, Any]) -> None:
        """Moves each part to where it was."""
        for name, position in state.items():
            self._parts[name].set_state(position)


def open_batches(config: ml_collections.ConfigDict, data: TrainingData) -> Batches:
    """Returns this process's part of every batch, from the first."""
    process = (jax.process_index(), jax.process_count())

    def iterator(pools: Sequence[Pool], size: int, seed: int):
        if not size:
            return None
        return iter(pipeline.training_batches(pools, size, config.yaw_shares, seed, process))

    return Batches(
        annotated=iterator(data.annotated, config.batch_size, config.seed),
        # Another seed, so that both halves of a batch from the same data set are different faces.
        wild=iterator(data.wild, config.wild_batch_size, config.seed + 1000),
        vector_size=data.vectors.shape[1],
    )
