"""The two kinds of images of a step, each from its own prepared data set, in endless, exactly resumable batches."""

import dataclasses
import pathlib
from collections.abc import Sequence
from typing import Any, Self

import jax
import ml_collections
import numpy as np

from twodasl_jax.data import pipeline
from twodasl_jax.data.face_crops import STORED_SIZE, open_face_crops, without_margin
from twodasl_jax.errors import ConfigError
from twodasl_jax.training.state import AnnotatedFaces, TrainBatch, WildFaces


@dataclasses.dataclass(frozen=True)
class Source:
    """The training split of a prepared data set.

    Attributes:
      records: random access.
      yaw: (N,) radians; nan for records that are not drawn.
    """

    records: Any
    yaw: np.ndarray


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """What a run learns from.

    Attributes:
      annotated: faces whose 3D annotation counts.
      wild: faces of which only the landmarks count; None without them.
      vectors: (M, C) coefficient vectors of the annotated faces that are drawn.
      held_out: the annotated validation split.
    """

    annotated: Source
    wild: Source | None
    vectors: np.ndarray
    held_out: AnnotatedFaces


def load_data(config: ml_collections.ConfigDict, model_digest: str) -> TrainingData:
    """Opens the data sets of a run, without the faces that the model could not be fitted to."""
    builder = open_face_crops(pathlib.Path(config.data_dir), model_digest)
    records, validation = (builder.as_data_source(split) for split in ("train", "validation"))
    annotated, vectors = _usable(records, config.largest_fit_error)
    held_out = [
        row for row, record in enumerate(validation) if record["error"] <= config.largest_fit_error
    ]
    return TrainingData(
        annotated=annotated,
        wild=_open_wild(config, model_digest),
        vectors=vectors,
        held_out=_plain_crops(validation, held_out),
    )


def _plain_crops(records: Any, rows: Sequence[int]) -> AnnotatedFaces:
    """Returns some records as the network sees them where nothing is augmented."""
    arrays = pipeline.stacked(records, rows)
    return AnnotatedFaces(**arrays | {"image": without_margin(arrays["image"])})


def _open_wild(config: ml_collections.ConfigDict, model_digest: str) -> Source | None:
    if not config.wild_batch_size:
        return None
    if not config.wild_dir:
        raise ConfigError(
            f"wild_batch_size={config.wild_batch_size}, but wild_dir names no data set: set it, or "
            "wild_batch_size=0"
        )
    builder = open_face_crops(pathlib.Path(config.wild_dir), model_digest)
    return _usable(builder.as_data_source("train"), config.largest_fit_error)[0]


def _usable(records: Any, largest_error: float) -> tuple[Source, np.ndarray]:
    summary = [(record["yaw"], record["error"], record["vector"]) for record in records]
    yaw, error, vectors = (np.array(column) for column in zip(*summary, strict=True))
    usable = error <= largest_error
    return Source(records, np.where(usable, yaw, np.nan)), vectors[usable]


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
        return TrainBatch(AnnotatedFaces(**annotated), WildFaces(**wild))

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

    def iterator(source: Source | None, size: int, seed: int):
        if source is None or not size:
            return None
        return iter(
            pipeline.training_batches(
                source.records, source.yaw, size, config.yaw_shares, seed, process
            )
        )

    return Batches(
        annotated=iterator(data.annotated, config.batch_size, config.seed),
        # Another seed, so that both halves of a batch from the same data set are different faces.
        wild=iterator(data.wild, config.wild_batch_size, config.seed + 1000),
        vector_size=data.vectors.shape[1],
    )
