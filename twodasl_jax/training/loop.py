"""The training loop: builds a run from its config, feeds the step, evaluates, saves, and resumes by itself."""

import dataclasses
import functools
import json
import pathlib
from collections.abc import Callable, Iterator
from typing import Any, TextIO

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
import tqdm
from jaxtyping import PyTree

from twodasl_jax import face_model
from twodasl_jax.data import pipeline
from twodasl_jax.data.augmentation import Augmentation, LandmarkInput
from twodasl_jax.data.faces_2d import open_faces_2d
from twodasl_jax.geometry.coefficients import Whitening
from twodasl_jax.geometry.mirroring import coefficient_mirror
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space
from twodasl_jax.training.checkpoints import Identity, open_checkpoints, restore, save
from twodasl_jax.training.step import (
    FaceSpace,
    LossWeights,
    Recipe,
    TrainBatch,
    TrainState,
    create_state,
    train_step,
)
from twodasl_jax.training.validation import validation_errors
from twodasl_jax.weights import ARCHITECTURES

# Entries that never vary, such as the depth offset, keep their unit.
_SMALLEST_STD = 1e-6


def build_recipe(config: ml_collections.ConfigDict, vector_size: int) -> Recipe:
    """Returns what each step of a run does; the network predicts `vector_size` numbers."""
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, config.learning_rate, config.warmup_steps, config.steps
    )
    optimizer = optax.chain(
        optax.clip_by_global_norm(config.gradient_clip),
        optax.adamw(schedule, weight_decay=config.weight_decay),
    )
    return Recipe(
        network=ARCHITECTURES[config.architecture](
            output_size=vector_size, dtype=jnp.dtype(config.dtype)
        ),
        optimizer=optimizer,
        augmentation=Augmentation(**config.augmentation),
        landmark_input=LandmarkInput(**config.landmark_input),
        loss_weights=LossWeights(**config.loss_weights),
        average_decay=config.average_decay,
    )


def build_space(model: MorphableModel, vectors: np.ndarray) -> FaceSpace:
    """Returns the face model as training sees it, whitened by the (N, C) vectors of the training set."""
    std = vectors.std(axis=0)
    whitening = Whitening(
        vectors.mean(axis=0).astype(np.float32),
        np.where(std > _SMALLEST_STD, std, 1.0).astype(np.float32),
    )
    return FaceSpace(
        jax.tree.map(jnp.asarray, landmark_space(model)), coefficient_mirror(model), whitening
    )


@dataclasses.dataclass(frozen=True)
class TrainingData:
    """A prepared data set.

    Attributes:
      records: random access to the training split.
      yaw: (N,) radians; nan for records that are not drawn.
      vectors: (M, C) coefficient vectors of those that are.
      held_out: the validation split.
    """

    records: Any
    yaw: np.ndarray
    vectors: np.ndarray
    held_out: TrainBatch


def load_data(config: ml_collections.ConfigDict, model_digest: str) -> TrainingData:
    """Opens the data set of a run, without the faces that the model could not be fitted to."""
    builder = open_faces_2d(pathlib.Path(config.data_dir), model_digest)
    records, validation = (builder.as_data_source(split) for split in ("train", "validation"))
    summary = [(record["yaw"], record["error"], record["vector"]) for record in records]
    yaw, error, vectors = (np.array(column) for column in zip(*summary, strict=True))
    usable = error <= config.largest_fit_error
    held_out = [
        row for row, record in enumerate(validation) if record["error"] <= config.largest_fit_error
    ]
    return TrainingData(
        records=records,
        yaw=np.where(usable, yaw, np.nan),
        vectors=vectors[usable],
        held_out=TrainBatch(**pipeline.stacked(validation, held_out)),
    )


def train(config: ml_collections.ConfigDict, workdir: pathlib.Path, model: MorphableModel) -> None:
    """Runs or resumes a training until its last step.

    Args:
      config: see `configs/`.
      workdir: holds `checkpoints/`, `metrics.jsonl` and the config; a run continues from what is there.
      model: the face model that the data set was prepared for.
    """
    digest = face_model.digest(model)
    data = load_data(config, digest)
    recipe = build_recipe(config, data.vectors.shape[1])
    space = build_space(model, data.vectors)
    batches = iter(
        pipeline.training_batches(
            data.records, data.yaw, config.batch_size, config.yaw_shares, config.seed
        )
    )
    workdir.mkdir(parents=True, exist_ok=True)
    identity = Identity(config.architecture, digest, space.whitening)
    with open_checkpoints(workdir) as manager:
        start = create_state(recipe, jax.random.key(config.seed))
        start = restore(manager, start, batches, identity)
        (workdir / "config.json").write_text(config.to_json(indent=2))
        step = jax.jit(functools.partial(train_step, recipe, space), donate_argnums=0)
        score = jax.jit(functools.partial(validation_errors, recipe.network, space))
        with open(workdir / "metrics.jsonl", "a") as log:
            for number, state, batch_metrics in _steps(config, step, start, batches):
                last = number == config.steps
                if number % config.log_every == 0 or last:
                    _write(log, number, batch_metrics)
                if number % config.evaluate_every == 0 or last:
                    errors = score(_averaged(state), data.held_out)
                    tqdm.tqdm.write(_write(log, number, errors))
                if number % config.checkpoint_every == 0 or last:
                    save(manager, state, batches, identity)


def _steps(
    config: ml_collections.ConfigDict, step: Callable, state: TrainState, batches: Iterator
) -> Iterator[tuple[int, TrainState, dict[str, jax.Array]]]:
    """Yields number, state and metrics after each step that is left of a run, under a progress bar."""
    first = int(state.step)
    progress = tqdm.trange(first, config.steps, initial=first, total=config.steps, unit="step")
    for number in (before + 1 for before in progress):
        state, metrics = step(state, TrainBatch(**next(batches)))
        if number % config.log_every == 0:
            rate = config.batch_size * (progress.format_dict["rate"] or 0.0)
            progress.set_postfix(loss=float(metrics["loss"]), images_per_second=round(rate))
        yield number, state, metrics


def _averaged(state: TrainState) -> dict[str, PyTree]:
    return {"params": state.average, "batch_stats": state.batch_stats}


def _write(log: TextIO, step: int, values: dict[str, jax.Array]) -> str:
    """Appends one line of JSON to the log; returns it."""
    line = json.dumps(
        {"step": step} | {name: round(float(value), 6) for name, value in values.items()}
    )
    log.write(line + "\n")
    log.flush()
    return line
