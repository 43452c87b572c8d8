"""The training loop: steps, metrics, validation, checkpoints, and resumption."""

import contextlib
import pathlib
from collections.abc import Iterator

import jax
import ml_collections
import orbax.checkpoint as ocp
import tqdm
from jaxtyping import PyTree

from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.training.batches import Batches
from twodasl_jax.training.checkpoints import open_checkpoints, restore, save
from twodasl_jax.training.devices import local_copy
from twodasl_jax.training.processes import watchdog
from twodasl_jax.training.run import Run, build_run
from twodasl_jax.training.state import Metrics, TrainState
from twodasl_jax.training.stopping import DivergenceCheck, preemption_signal
from twodasl_jax.training.validation import Validation
from twodasl_jax.training.workdir import (
    MetricWriter,
    check_config,
    locked,
    open_metric_writer,
    write_config,
)

# The number of steps before a profile starts, because the first steps compile and fill the input pipeline.
_UNPROFILED_STEPS = 5


def train(
    config: ml_collections.ConfigDict,
    workdir: pathlib.Path,
    model: MorphableModel,
    profiled_steps: int = 0,
    patience: float = 300.0,
) -> bool:
    """Starts or resumes a run on all devices of all processes.

    After SIGTERM, the run saves a checkpoint and returns early.

    Args:
      config: the settings of the run, see `RunSettings`.
      workdir: the folder of the run, for `checkpoints/`, `metrics.jsonl`, `tensorboard/`, the settings, and
        `validation/` with pictures of held-out faces. A run resumes from the last checkpoint in it.
      model: the face model of the prepared data sets.
      profiled_steps: the number of steps to trace into `profile/`, for TensorBoard or Perfetto.
      patience: the number of seconds without progress after which another process is considered lost.

    Returns:
      Whether the run reached its last step.

    Raises:
      ConfigError, DatasetError, WeightsError: see `build_run`. ConfigError also if a run resumes with other settings.
      DivergenceError: a metric is not finite. The last checkpoint precedes that step.
      ClusterError: another process has ended or hangs.
      OutputError: another run has locked the folder, or the folder is not writable.
    """
    with preemption_signal() as should_stop:
        run = build_run(config, model)
        batches = run.batches()
        with locked(workdir), open_checkpoints(workdir, config.checkpoints_kept) as manager:
            if manager.latest_step() is not None:
                check_config(workdir, config)
            start = restore(manager, run.first_state(), batches, run.identity)
            write_config(workdir, config)
            with (
                open_metric_writer(workdir, int(start.step)) as writer,
                watchdog(patience) as heartbeat,
            ):
                recorder = _Recorder(run, batches, manager, writer)
                steps = _steps(run, batches, start)
                for number, state, metrics in _profiled(steps, profiled_steps, workdir / "profile"):
                    stopping = should_stop(number)
                    recorder.record(number, state, metrics, stopping or number == config.steps)
                    if stopping:
                        tqdm.tqdm.write(
                            f"Stopped after step {number}: the same command resumes the run."
                        )
                        return number == config.steps
                    heartbeat()
    return True


class _Recorder:
    """Writes metrics, validates, and saves checkpoints at the configured intervals."""

    def __init__(
        self, run: Run, batches: Batches, manager: ocp.CheckpointManager, writer: MetricWriter
    ):
        self._run, self._batches = run, batches
        self._manager, self._writer = manager, writer
        self._validation = Validation(run.recipe, run.space, run.data.held_out)
        self._divergence = DivergenceCheck()

    def record(self, number: int, state: TrainState, metrics: Metrics, last: bool) -> None:
        """Records a step. A checkpoint is saved only if the metrics of all steps so far are finite."""
        config, errors = self._run.config, None
        self._divergence.add(number, metrics, self._batches.names)
        if number % config.log_every == 0 or last:
            self._divergence.check()
            self._writer.write_scalars(number, metrics)
        if number % config.evaluate_every == 0 or number == config.steps:
            variables = _averaged(state)
            self._writer.write_picture(number, self._validation.draw(variables))
            errors = self._validation.errors(variables)
            tqdm.tqdm.write(self._writer.write_scalars(number, errors))
        if number % config.checkpoint_every == 0 or last or errors:
            self._divergence.check()
            save(self._manager, state, self._batches, self._run.identity, errors)


def _averaged(state: TrainState) -> dict[str, PyTree]:
    regressor = local_copy(state.regressor)
    return {"params": regressor.average, "batch_stats": regressor.batch_stats}


_Steps = Iterator[tuple[int, TrainState, Metrics]]


def _steps(run: Run, batches: Batches, state: TrainState) -> _Steps:
    """Takes the remaining steps under a progress bar, and yields the number, state and metrics of each."""
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


def _profiled(steps: _Steps, count: int, folder: pathlib.Path) -> _Steps:
    """Yields the same steps and traces `count` of them."""
    with contextlib.ExitStack() as trace:
        for taken, (number, state, metrics) in enumerate(steps, start=1):
            if count and taken == _UNPROFILED_STEPS:
                jax.block_until_ready(state)
                trace.enter_context(jax.profiler.trace(str(folder)))
            if count and taken == _UNPROFILED_STEPS + count:
                jax.block_until_ready(state)
                trace.close()
            yield number, state, metrics
