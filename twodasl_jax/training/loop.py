"""The training loop: feeds the step, evaluates, saves, and resumes by itself."""

import contextlib
import functools
import pathlib
from collections.abc import Callable, Iterator

import jax
import ml_collections
import numpy as np
import orbax.checkpoint as ocp
import tqdm
from jaxtyping import PyTree

from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.training.batches import Batches
from twodasl_jax.training.checkpoints import open_checkpoints, restore, save
from twodasl_jax.training.devices import local_copy
from twodasl_jax.training.journal import Journal, open_journal
from twodasl_jax.training.processes import company
from twodasl_jax.training.run import Run, build_run
from twodasl_jax.training.state import AnnotatedFaces, Metrics, TrainState
from twodasl_jax.training.stopping import preemption_signal
from twodasl_jax.training.validation import draw_validation, validation_errors, validation_points
from twodasl_jax.training.watch import Watch
from twodasl_jax.training.workdir import check_config, held, write_config

# Held-out faces that are drawn at each evaluation.
_FACES_SHOWN = 12
# And that are measured together.
_FACES_SCORED = 128
# Steps before the first that is profiled: by then all is compiled, and the batches flow.
_UNPROFILED_STEPS = 5


def train(
    config: ml_collections.ConfigDict,
    workdir: pathlib.Path,
    model: MorphableModel,
    profiled_steps: int = 0,
    patience: float = 300.0,
) -> bool:
    """Runs or resumes a training until its last step, on all devices of all processes.

    Args:
      config: see `configs/`.
      workdir: holds `checkpoints/`, `metrics.jsonl`, `tensorboard/`, the config, and `validation/` with pictures of
        held-out faces; a run continues from what is there. After SIGTERM it saves and returns early.
      model: the face model that the data sets were prepared for.
      profiled_steps: so many steps, soon after the start, are traced into `profile/`, for TensorBoard or Perfetto.
      patience: seconds without progress after which another of several processes is taken for lost.

    Returns:
      Whether it reached its last step; after SIGTERM it did not.

    Raises:
      ConfigError, DatasetError, WeightsError: see `build_run`; or the run was started with other settings.
      DivergenceError: numbers ceased to be finite; the last checkpoint is from before.
      ClusterError: another of several processes has ended or hangs.
      OutputError: another run holds the folder, or it cannot be written.
    """
    with preemption_signal() as stops:
        run = build_run(config, model)
        batches = run.batches()
        with held(workdir), open_checkpoints(workdir, config.checkpoints_kept) as manager:
            if manager.latest_step() is not None:
                check_config(workdir, config)
            start = restore(manager, run.first_state(), batches, run.identity)
            write_config(workdir, config)
            with open_journal(workdir, int(start.step)) as journal, company(patience) as get_on:
                report = _Report(run, batches, manager, journal)
                steps = _steps(run, batches, start)
                for number, state, metrics in _profiled(steps, profiled_steps, workdir / "profile"):
                    stopped = stops(number)
                    report.add(number, state, metrics, last=stopped or number == config.steps)
                    if stopped:
                        tqdm.tqdm.write(
                            f"Stopped after step {number}: the same command goes on from there."
                        )
                        return number == config.steps
                    get_on()
    return True


class _Report:
    """Logs, evaluates and saves as often as the config says."""

    def __init__(
        self, run: Run, batches: Batches, manager: ocp.CheckpointManager, journal: Journal
    ):
        self._run, self._batches = run, batches
        self._manager, self._journal = manager, journal
        self._evaluate = _evaluation(run, journal)
        self._watch = Watch()

    def add(self, number: int, state: TrainState, metrics: Metrics, last: bool) -> None:
        """Takes note of a step; nothing is saved before all steps up to it were seen to be sound."""
        config, scores = self._run.config, None
        self._watch.add(number, metrics, self._batches.names)
        if number % config.log_every == 0 or last:
            self._watch.look()
            self._journal.write(number, metrics)
        if number % config.evaluate_every == 0 or number == config.steps:
            scores = self._evaluate(number, state)
            tqdm.tqdm.write(self._journal.write(number, scores))
        if number % config.checkpoint_every == 0 or last or scores:
            self._watch.look()
            save(self._manager, state, self._batches, self._run.identity, scores)


def _evaluation(run: Run, journal: Journal) -> Callable[[int, TrainState], dict[str, float]]:
    """Returns a function that measures a state on held-out faces, and draws some of them into the journal."""
    score = jax.jit(functools.partial(validation_errors, run.recipe, run.space))
    point = jax.jit(functools.partial(validation_points, run.recipe, run.space))
    held_out = run.data.held_out
    shown = jax.tree.map(lambda values: values[:_FACES_SHOWN], held_out)

    def evaluate(step: int, state: TrainState) -> dict[str, float]:
        variables = _averaged(state)
        truth, predicted = map(np.asarray, point(variables, shown))
        journal.show(step, draw_validation(np.asarray(shown.image), truth, predicted)[::2, ::2])
        return _mean_over_chunks(functools.partial(score, variables), held_out)

    return evaluate


def _mean_over_chunks(
    score: Callable[[AnnotatedFaces], Metrics], faces: AnnotatedFaces
) -> dict[str, float]:
    """Returns the mean of a score over faces, of which not too many are in memory as the network sees them."""
    count = len(faces.image)
    total: dict[str, float] = {}
    for start in range(0, count, _FACES_SCORED):
        chunk = jax.tree.map(lambda values, at=start: values[at : at + _FACES_SCORED], faces)
        for name, value in score(chunk).items():
            total[name] = total.get(name, 0.0) + float(value) * len(chunk.image) / count
    return total


_Progress = Iterator[tuple[int, TrainState, Metrics]]


def _steps(run: Run, batches: Batches, state: TrainState) -> _Progress:
    """Yields number, state and metrics after each step that is left of a run, under a progress bar."""
    config, first = run.config, int(state.step)
    images = config.batch_size + config.wild_batch_size
    progress = tqdm.trange(
        first,
        config.steps,
        initial=first,
        total=config.steps,
        unit="step",
        disable=jax.process_index() > 0,
    )
    for number in (before + 1 for before in progress):
        state, metrics = run.devices.step(state, run.devices.split(next(batches)), run.key)
        if number % config.log_every == 0:
            rate = images * (progress.format_dict["rate"] or 0.0)
            progress.set_postfix(loss=float(metrics["loss"]), images_per_second=round(rate))
        yield number, state, metrics


def _profiled(steps: _Progress, count: int, folder: pathlib.Path) -> _Progress:
    """Yields the same steps, of which so many are traced."""
    with contextlib.ExitStack() as trace:
        for taken, (number, state, metrics) in enumerate(steps, start=1):
            if count and taken == _UNPROFILED_STEPS:
                jax.block_until_ready(state)
                trace.enter_context(jax.profiler.trace(str(folder)))
            if count and taken == _UNPROFILED_STEPS + count:
                jax.block_until_ready(state)
                trace.close()
            yield number, state, metrics


def _averaged(state: TrainState) -> dict[str, PyTree]:
    regressor = local_copy(state.regressor)
    return {"params": regressor.average, "batch_stats": regressor.batch_stats}
