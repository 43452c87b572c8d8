"""The training loop: builds a run from its config, feeds the step, evaluates, saves, and resumes by itself."""

import contextlib
import functools
import json
import os
import pathlib
from collections.abc import Callable, Iterator
from typing import Any, TextIO

import filelock
import imageio.v3 as imageio
import jax
import ml_collections
import numpy as np
import tqdm
from jaxtyping import PyTree

from twodasl_jax import face_model
from twodasl_jax.atomic_files import replacing
from twodasl_jax.errors import OutputError
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.training.batches import load_data, open_batches
from twodasl_jax.training.checkpoints import (
    Identity,
    check_identity,
    identity_of,
    open_checkpoints,
    restore,
    save,
    trained_weights,
)
from twodasl_jax.training.devices import AXIS, MAPS, local_copy
from twodasl_jax.training.face_space import FaceSpace, build_space, whitening_of
from twodasl_jax.training.recipe import Recipe, build_recipe, choose, create_state, start_from
from twodasl_jax.training.settings import check_settings
from twodasl_jax.training.state import AnnotatedFaces, TrainState
from twodasl_jax.training.step import Metrics, train_step
from twodasl_jax.training.stopping import asked_to_stop
from twodasl_jax.training.validation import draw_validation, validation_errors, validation_points
from twodasl_jax.training.watch import Watch

# Held-out faces that are drawn at each evaluation.
_FACES_SHOWN = 12
# And that are measured together.
_FACES_SCORED = 128


def train(config: ml_collections.ConfigDict, workdir: pathlib.Path, model: MorphableModel) -> None:
    """Runs or resumes a training until its last step, on all devices of all processes.

    Args:
      config: see `configs/`.
      workdir: holds `checkpoints/`, `metrics.jsonl`, the config, and `validation/` with pictures of held-out faces; a
        run continues from what is there. After SIGTERM it saves and returns early.
      model: the face model that the data set was prepared for.

    Raises:
      ConfigError: a setting is unknown, missing or of another type, or the batch cannot be split over the devices.
      WeightsError: the run was started with other settings, or `start_from` names a run of other ones.
      DivergenceError: numbers ceased to be finite; the last checkpoint is from before.
      OutputError: another run holds the folder.
    """
    check_settings(config)
    digest = face_model.digest(model)
    data = load_data(config, digest)
    recipe = build_recipe(config, data.vectors.shape[1], jax.device_count(), AXIS)
    earlier = trained_weights(pathlib.Path(config.start_from)) if config.start_from else None
    whitening = earlier.whitening if earlier else whitening_of(data.vectors)
    space = build_space(model, whitening, config.vertices)
    batches = open_batches(config, data)
    by_map = choose("map", config.map, MAPS)
    devices = by_map(functools.partial(train_step, recipe, space), jax.devices())
    identity = Identity(config.architecture, digest, whitening, recipe.landmark_map)
    if earlier:
        check_identity(identity_of(earlier), identity, config.start_from, "start_from")
    evaluate = _evaluation(recipe, space, data.held_out, workdir / "validation")
    init_key, run_key = jax.random.split(jax.random.key(config.seed))
    workdir.mkdir(parents=True, exist_ok=True)
    watch = Watch()
    with (
        _held(workdir),
        open_checkpoints(workdir) as manager,
        _open_log(workdir) as log,
        asked_to_stop() as stops,
    ):
        first = create_state(recipe, init_key)
        start = devices.replicate(start_from(first, earlier) if earlier else first)
        start = restore(manager, start, batches, identity)
        if jax.process_index() == 0:
            (workdir / "config.json").write_text(config.to_json(indent=2))

        def step(state: TrainState) -> tuple[TrainState, Metrics]:
            return devices.step(state, devices.split(next(batches)), run_key)

        for number, state, metrics in _steps(config, step, start):
            watch.add(number, metrics, batches.names)
            stopped = stops(number)
            last = stopped or number == config.steps
            if number % config.log_every == 0 or last:
                watch.look()
                _write(log, number, metrics)
            if number % config.evaluate_every == 0 or number == config.steps:
                tqdm.tqdm.write(_write(log, number, evaluate(number, state)))
            if number % config.checkpoint_every == 0 or last:
                watch.look()
                save(manager, state, batches, identity)
            if stopped:
                tqdm.tqdm.write(
                    f"Stopped after step {number}: the same command goes on from there."
                )
                break


def _evaluation(
    recipe: Recipe, space: FaceSpace, held_out: AnnotatedFaces, folder: pathlib.Path
) -> Callable[[int, TrainState], Metrics]:
    """Returns a function that measures a state on held-out faces, and draws some of them into the folder."""
    score = jax.jit(functools.partial(validation_errors, recipe, space))
    point = jax.jit(functools.partial(validation_points, recipe, space))
    shown = jax.tree.map(lambda values: values[:_FACES_SHOWN], held_out)

    def evaluate(step: int, state: TrainState) -> Metrics:
        variables = _averaged(state)
        if jax.process_index() == 0:
            folder.mkdir(exist_ok=True)
            points = map(np.asarray, point(variables, shown))
            with replacing(folder / f"step_{step:08d}.png") as beside:
                imageio.imwrite(beside, draw_validation(np.asarray(shown.image), *points)[::2, ::2])
        return _mean_over_chunks(functools.partial(score, variables), held_out)

    return evaluate


def _mean_over_chunks(score: Callable[[AnnotatedFaces], Metrics], faces: AnnotatedFaces) -> Metrics:
    """Returns the mean of a score over faces, of which not too many are in memory as the network sees them."""
    count = len(faces.image)
    total: dict[str, Any] = {}
    for start in range(0, count, _FACES_SCORED):
        chunk = jax.tree.map(lambda values, at=start: values[at : at + _FACES_SCORED], faces)
        for name, value in score(chunk).items():
            total[name] = total.get(name, 0.0) + value * len(chunk.image) / count
    return total


@contextlib.contextmanager
def _held(workdir: pathlib.Path) -> Iterator[None]:
    """Keeps other runs out of a folder; the first of several processes holds it for all."""
    if jax.process_index() > 0:
        yield
        return
    try:
        # The system takes the lock back however a process ends.
        with filelock.FileLock(workdir / ".lock", timeout=0):
            yield
    except filelock.Timeout as error:
        raise OutputError(
            f"{workdir} is in use by another run: wait for it, or choose another --workdir"
        ) from error


def _open_log(workdir: pathlib.Path) -> contextlib.AbstractContextManager[TextIO]:
    """Opens the log for appending; only the first of several processes writes one."""
    path = workdir / "metrics.jsonl" if jax.process_index() == 0 else pathlib.Path(os.devnull)
    return open(path, "a")


def _steps(
    config: ml_collections.ConfigDict,
    step: Callable[[TrainState], tuple[TrainState, Metrics]],
    state: TrainState,
) -> Iterator[tuple[int, TrainState, Metrics]]:
    """Yields number, state and metrics after each step that is left of a run, under a progress bar."""
    first = int(state.step)
    progress = tqdm.trange(
        first,
        config.steps,
        initial=first,
        total=config.steps,
        unit="step",
        disable=jax.process_index() > 0,
    )
    for number in (before + 1 for before in progress):
        state, metrics = step(state)
        if number % config.log_every == 0:
            images = config.batch_size + config.wild_batch_size
            rate = images * (progress.format_dict["rate"] or 0.0)
            progress.set_postfix(loss=float(metrics["loss"]), images_per_second=round(rate))
        yield number, state, metrics


def _averaged(state: TrainState) -> dict[str, PyTree]:
    regressor = local_copy(state.regressor)
    return {"params": regressor.average, "batch_stats": regressor.batch_stats}


def _write(log: TextIO, step: int, values: Metrics) -> str:
    """Appends one line of JSON to the log; returns it."""
    line = json.dumps(
        {"step": step} | {name: round(float(value), 6) for name, value in values.items()}
    )
    log.write(line + "\n")
    log.flush()
    return line
