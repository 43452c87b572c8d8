"""The data sets and batches of a run.

Annotated and in-the-wild images come from prepared data sets of their own. Batches are endless, and a run resumes at
the exact example.
"""

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

# The largest number of faces for the validation; more would cost time and hardly change the errors.
_MOST_HELD_OUT = 1000
# Added to the seed of in-the-wild images, so that both parts of a batch differ if they share a data set.
_WILD_SEED_OFFSET = 1000


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """The data sets of a run.

    Attributes:
      annotated: the annotated faces.
      wild: the in-the-wild faces.
      vectors: (M, C) annotations of the faces in `annotated`.
      held_out: annotated faces of the validation splits.
    """

    annotated: Sequence[Pool]
    wild: Sequence[Pool]
    vectors: Float[np.ndarray, "M C"]
    held_out: AnnotatedFaces


@dataclasses.dataclass(frozen=True)
class _DataSet:
    """A prepared data set with annotations, its weight, its index, and a mask of the faces that count as annotated."""

    builder: tfds.core.DatasetBuilder
    weight: float
    index: CropIndex
    annotated: Bool[np.ndarray, " N"]

    def pool(self, chosen: Bool[np.ndarray, " N"]) -> Pool:
        yaw = np.where(chosen, self.index.yaw, np.nan)
        return Pool(self.builder.as_data_source("train"), yaw, self.weight)


def load_data(config: ml_collections.ConfigDict, model_digest: str) -> TrainingData:
    """Opens the data sets of a run.

    Faces with an annotation error above `largest_fit_error` count as not annotated. If only a share of the annotations
    counts (`annotated_share`), all faces that do not count as annotated join the in-the-wild faces.

    Args:
      config: the settings of the run.
      model_digest: the digest of the face model.

    Raises:
      DatasetError: a data set is missing, was prepared for another face model, or contains no annotation.
      ConfigError: no face is left for one part of a batch.
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
            f"wild_batch_size={config.wild_batch_size}, but wild_dir is empty and "
            f"annotated_share={config.annotated_share:g} leaves no in-the-wild faces: set one of them, or "
            "wild_batch_size=0"
        )
    return TrainingData(
        annotated=[data_set.pool(data_set.annotated) for data_set in data_sets],
        wild=wild,
        vectors=np.concatenate([each.index.vectors[each.annotated] for each in data_sets]),
        held_out=_held_out(data_sets, config.largest_fit_error),
    )


def parse_data_sets(text: str) -> list[tuple[pathlib.Path, float]]:
    """Parses "FOLDER" or "FOLDER:WEIGHT,FOLDER:WEIGHT" into folders and sampling weights.

    Raises:
      ConfigError: a folder is empty or a weight is not positive.
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
            f"invalid data sets {text!r}: write FOLDER, or FOLDER:WEIGHT,FOLDER:WEIGHT"
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
            f"{path} has no face with a 3D annotation within largest_fit_error={config.largest_fit_error:g}: "
            "prepare it with --dataset=pseudo_3d, or use it as wild_dir"
        )
    # A fixed order, so that all runs choose the same faces and smaller shares are subsets of larger ones.
    shuffled = np.random.default_rng(0).permutation(usable)
    annotated = np.zeros(len(index.error), bool)
    annotated[shuffled[: max(1, round(config.annotated_share * len(shuffled)))]] = True
    return _DataSet(builder, weight, index, annotated)


def _held_out(data_sets: Sequence[_DataSet], largest_error: float) -> AnnotatedFaces:
    """Returns at most `_MOST_HELD_OUT` annotated faces, evenly spaced over all validation splits."""
    candidates = []
    for data_set in data_sets:
        records = data_set.builder.as_data_source("validation")
        usable = np.flatnonzero(read_index(data_set.builder, "validation").error <= largest_error)
        candidates += [(records, int(row)) for row in usable]
    if not candidates:
        raise DatasetError("No validation split contains an annotated face: prepare more faces")
    count = min(len(candidates), _MOST_HELD_OUT)
    spread = np.linspace(0, len(candidates) - 1, count).round().astype(int)
    return load_faces([candidates[place] for place in spread])


def load_faces(places: Sequence[tuple[Records, int]]) -> AnnotatedFaces:
    """Returns records as crops without a margin and without augmentation.

    Args:
      places: the data set and the row of each record.
    """
    arrays = pipeline.stack_records(places)
    return AnnotatedFaces(**arrays | {"image": without_margin(arrays["image"])})


class Batches:
    """An iterator over this process's share of every batch.

    Attributes:
      names: the names of the faces in the last batch.

    Args:
      annotated: a Grain iterator over batches of annotated records; None for an empty part.
      wild: likewise for in-the-wild records.
      vector_size: the number of entries of an annotation.
    """

    def __init__(self, annotated: Any, wild: Any, vector_size: int):
        self._parts = {"annotated": annotated, "wild": wild}
        self.names: list[str] = []
        self._empty_part = {
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
            dict(self._empty_part if part is None else next(part)) for part in self._parts.values()
        ]
        self.names = [name.decode(errors="replace") for part in parts for name in part.pop("name")]
        annotated, wild = parts
        del wild["vector"]
        return TrainBatch(AnnotatedFaces(**annotated), LabelledFaces(**wild))

    def get_state(self) -> dict[str, Any]:
        """Returns the position of each part as JSON values."""
        return {name: part.get_state() for name, part in self._parts.items() if part is not None}

    def set_state(self, state: dict[str, Any]) -> None:
        """Moves each part to a position of `get_state`."""
        for name, position in state.items():
            self._parts[name].set_state(position)


def open_batches(config: ml_collections.ConfigDict, data: TrainingData) -> Batches:
    """Returns this process's share of every batch, starting from the first."""
    process = (jax.process_index(), jax.process_count())

    def iterator(pools: Sequence[Pool], size: int, seed: int):
        if not size:
            return None
        return iter(pipeline.training_batches(pools, size, config.yaw_shares, seed, process))

    return Batches(
        annotated=iterator(data.annotated, config.batch_size, config.seed),
        wild=iterator(data.wild, config.wild_batch_size, config.seed + _WILD_SEED_OFFSET),
        vector_size=data.vectors.shape[1],
    )
