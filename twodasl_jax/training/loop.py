"""The training loop: builds a run from its config, feeds the step, evaluates, saves, and resumes by itself."""

import dataclasses
import functools
import json
import pathlib
import time
from typing import Any

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
import optax
import orbax.checkpoint as ocp
import tqdm

from twodasl_jax import face_model
from twodasl_jax.data import pipeline
from twodasl_jax.data.augmentation import Augmentation, LandmarkInput
from twodasl_jax.data.faces_2d import open_faces_2d
from twodasl_jax.geometry.coefficients import Whitening
from twodasl_jax.geometry.mirroring import coefficient_mirror
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space
from twodasl_jax.training.evaluation import validation_errors
from twodasl_jax.training.step import (
    FaceSpace,
    LossWeights,
    Recipe,
    TrainBatch,
    TrainState,
    create_state,
    train_step,
)
from twodasl_jax.weights import ARCHITECTURES, Weights

# Entries that never vary, such as the depth offset, keep their unit.
_SMALLEST_STD = 1e-6


def build_recipe(config: ml_collections.ConfigDict) -> Recipe:
    """Returns what each step of a run does."""
    schedule = optax.warmup_cosine_decay_schedule(
        0.0, config.learning_rate, config.warmup_steps, config.steps
    )
    optimizer = optax.chain(
        optax.clip_by_global_norm(config.gradient_clip),
        optax.adamw(schedule, weight_decay=config.weight_decay),
    )
    return Recipe(
        network=ARCHITECTURES[config.architecture](),
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
    """A prepared data set: its records, the (N,) yaw of those to draw from, and what is held out."""

    records: Any
    yaw: np.ndarray
    vectors: np.ndarray
    held_out: TrainBatch


def load_data(config: ml_collections.ConfigDict, model_digest: str) -> TrainingData:
    """Opens the data set of a run; faces with a bad fit are marked by a nan yaw."""
    builder = open_faces_2d(pathlib.Path(config.data_dir), model_digest)
    records = builder.as_data_source("train")
    summary = [(record["yaw"], record["error"], record["vector"]) for record in records]
    yaw, error, vectors = (np.array(column) for column in zip(*summary, strict=True))
    usable = error <= config.largest_fit_error
    return TrainingData(
        records=records,
        yaw=np.where(usable, yaw, np.nan),
        vectors=vectors[usable],
        held_out=TrainBatch(**pipeline.stacked(builder.as_data_source("validation"))),
    )


def train(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> None:
    """Runs or resumes a training until its last step.

    Args:
      config: see `configs/`.
      workdir: holds `checkpoints/`, `metrics.jsonl` and the config; a run continues from what is there.
    """
    model = face_model.embedded_face_model()
    data = load_data(config, face_model.digest(model))
    recipe, space = build_recipe(config), build_space(model, data.vectors)
    state = create_state(recipe, jax.random.key(config.seed))
    batches = iter(
        pipeline.training_batches(
            data.records, data.yaw, config.batch_size, config.yaw_shares, config.seed
        )
    )
    workdir.mkdir(parents=True, exist_ok=True)
    (workdir / "config.json").write_text(config.to_json(indent=2))
    with checkpoint_manager(workdir, config.checkpoint_every) as manager:
        state = _restore(manager, state, batches)
        step = jax.jit(functools.partial(train_step, recipe, space), donate_argnums=0)
        with open(workdir / "metrics.jsonl", "a") as log:
            _loop(config, manager, step, state, batches, _Evaluator(recipe, space, data.held_out, log))


def checkpoint_manager(workdir: pathlib.Path, every: int = 1) -> ocp.CheckpointManager:
    """Opens the checkpoints of a run."""
    options = ocp.CheckpointManagerOptions(
        max_to_keep=2, save_interval_steps=every, cleanup_tmp_directories=True
    )
    return ocp.CheckpointManager((workdir / "checkpoints").absolute(), options=options)


def _restore(manager: ocp.CheckpointManager, state: TrainState, batches: Any) -> TrainState:
    """Returns the newest saved state, with the batches moved to where it left off; or the given one."""
    if manager.latest_step() is None:
        return state
    abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, state)
    restored = manager.restore(
        manager.latest_step(),
        args=ocp.args.Composite(state=ocp.args.StandardRestore(abstract), data=ocp.args.JsonRestore()),
    )
    batches.set_state(restored.data)
    return restored.state


def _loop(config, manager, step, state, batches, evaluate) -> None:
    first, started = int(state.step), time.monotonic()
    progress = tqdm.trange(first, config.steps, initial=first, total=config.steps, unit="step")
    for number in progress:
        state, metrics = step(state, TrainBatch(**next(batches)))
        done = number + 1
        last = done == config.steps
        if done % config.log_every == 0 or last:
            rate = config.batch_size * (done - first) / (time.monotonic() - started)
            evaluate.write(done, jax.device_get(metrics) | {"images_per_second": rate})
            progress.set_postfix(loss=float(metrics["loss"]), images_per_second=round(rate))
        if done % config.evaluate_every == 0 or last:
            errors = evaluate(state)
            evaluate.write(done, errors)
            progress.write(f"step {done}: " + ", ".join(f"{k} {v:.2f}" for k, v in errors.items()))
        saved = ocp.args.Composite(
            state=ocp.args.StandardSave(state), data=ocp.args.JsonSave(batches.get_state())
        )
        manager.save(done, args=saved, force=last)


class _Evaluator:
    """Scores the averaged weights on the held-out faces and writes numbers to the log."""

    def __init__(self, recipe: Recipe, space: FaceSpace, held_out: TrainBatch, log):
        self._score = jax.jit(functools.partial(validation_errors, recipe.network, space))
        self._held_out = held_out
        self._log = log

    def __call__(self, state: TrainState) -> dict[str, float]:
        variables = {"params": state.average, "batch_stats": state.batch_stats}
        return {name: float(value) for name, value in self._score(variables, self._held_out).items()}

    def write(self, step: int, values: dict[str, Any]) -> None:
        self._log.write(json.dumps({"step": step} | {k: float(v) for k, v in values.items()}) + "\n")
        self._log.flush()


def trained_weights(config: ml_collections.ConfigDict, workdir: pathlib.Path) -> Weights:
    """Returns the averaged weights of the newest checkpoint of a run."""
    model = face_model.embedded_face_model()
    data = load_data(config, face_model.digest(model))
    recipe, space = build_recipe(config), build_space(model, data.vectors)
    with checkpoint_manager(workdir) as manager:
        abstract = jax.eval_shape(lambda: create_state(recipe, jax.random.key(0)))
        state = manager.restore(
            manager.latest_step(),
            args=ocp.args.Composite(state=ocp.args.StandardRestore(abstract)),
        ).state
    variables = {"params": state.average, "batch_stats": state.batch_stats}
    return Weights(config.architecture, jax.device_get(variables), space.whitening, face_model.digest(model))
