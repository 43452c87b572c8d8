"""Checkpoints of a run (Orbax): everything that is needed to go on, and to use its weights elsewhere."""

import contextlib
import dataclasses
import operator
import pathlib
from collections.abc import Iterator
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import preservation_policy

from twodasl_jax.errors import OutputError, WeightsError
from twodasl_jax.geometry.coefficients import Whitening
from twodasl_jax.geometry.landmark_map import MapStyle
from twodasl_jax.models.weights import Weights
from twodasl_jax.training.state import TrainState

# By which the best checkpoint is chosen, see `validation_errors`.
_SCORE = "without_landmarks"
_FULL = "No space left on device"


@dataclasses.dataclass(frozen=True)
class Identity:
    """What the weights of a run mean.

    Attributes:
      architecture: key of `weights.ARCHITECTURES`.
      face_model: digest of the face model.
      whitening: of the coefficient vectors.
      landmark_map: what the fourth input channel shows.
    """

    architecture: str
    face_model: str
    whitening: Whitening
    landmark_map: MapStyle


@contextlib.contextmanager
def open_checkpoints(workdir: pathlib.Path, kept: int) -> Iterator[ocp.CheckpointManager]:
    """Opens the checkpoints of a run; the last ones are kept, and the one that did best on held-out faces.

    Raises:
      OutputError: there is no space left for one; what was saved before is as it was.
    """
    score = operator.itemgetter(_SCORE)
    best = preservation_policy.BestN(
        get_metric_fn=score, reverse=True, n=1, keep_checkpoints_without_metrics=False
    )
    options = ocp.CheckpointManagerOptions(
        preservation_policy=preservation_policy.AnyPreservationPolicy(
            [preservation_policy.LatestN(kept), best]
        ),
        # Without it the scores would not be written, and be forgotten when the run goes on.
        best_fn=score,
        best_mode="min",
        cleanup_tmp_directories=True,
    )
    folder = (workdir / "checkpoints").absolute()
    try:
        with ocp.CheckpointManager(folder, options=options) as manager:
            yield manager
    except (OSError, ValueError) as error:
        # TensorStore's own errors are plain ones.
        if _FULL not in str(error):
            raise
        raise OutputError(
            f"Cannot save to {folder}: no space left. The checkpoints before are whole; make room, and the same "
            "command goes on from the last."
        ) from error


def _read_checkpoints(workdir: pathlib.Path) -> ocp.CheckpointManager:
    options = ocp.CheckpointManagerOptions(
        read_only=True, best_fn=operator.itemgetter(_SCORE), best_mode="min"
    )
    # Named beforehand, so that what was saved can be asked for its shapes.
    handlers = {
        "state": ocp.StandardCheckpointHandler(),
        "whitening": ocp.StandardCheckpointHandler(),
        "run": ocp.JsonCheckpointHandler(),
    }
    folder = (workdir / "checkpoints").absolute()
    return ocp.CheckpointManager(folder, options=options, item_handlers=handlers)


def save(
    manager: ocp.CheckpointManager,
    state: TrainState,
    batches: Any,
    identity: Identity,
    scores: dict[str, float] | None,
) -> None:
    """Saves a run after a step, in the background, with its errors on held-out faces if they were measured."""
    whitening = {"mean": identity.whitening.mean, "std": identity.whitening.std}
    run = {
        "architecture": identity.architecture,
        "face_model": identity.face_model,
        "landmark_map": dataclasses.asdict(identity.landmark_map),
        "batches": batches.get_state(),
    }
    items = ocp.args.Composite(
        state=ocp.args.StandardSave(state),
        whitening=ocp.args.StandardSave(whitening),
        run=ocp.args.JsonSave(run),
    )
    manager.save(int(state.step), args=items, metrics=scores)


def restore(
    manager: ocp.CheckpointManager, state: TrainState, batches: Any, identity: Identity
) -> TrainState:
    """Returns the newest saved state, with `batches` moved to where it left off; else the given state.

    Raises:
      WeightsError: the run was started with another network, face model or data set.
    """
    step = manager.latest_step()
    if step is None:
        return state
    abstract = jax.tree.map(ocp.utils.to_shape_dtype_struct, state)
    check_identity(_read_identity(manager, step), identity, str(manager.directory), "--workdir")
    items = ocp.args.Composite(state=ocp.args.StandardRestore(abstract), run=ocp.args.JsonRestore())
    restored = manager.restore(step, args=items)
    batches.set_state(restored.run["batches"])
    return restored.state


def identity_of(weights: Weights) -> Identity:
    """Returns what the weights of a finished run mean."""
    return Identity(
        weights.architecture, weights.face_model, weights.whitening, weights.landmark_map
    )


def check_identity(found: Identity, wanted: Identity, where: str, setting: str) -> None:
    """Checks that the weights found somewhere mean what a run needs; `setting` is what named the place.

    Raises:
      WeightsError: they do not; it says what differs.
    """
    if (found.architecture, found.face_model) != (wanted.architecture, wanted.face_model):
        raise WeightsError(
            f"{where} holds a {found.architecture} network for face model {found.face_model}, not a "
            f"{wanted.architecture} network for {wanted.face_model}: choose another {setting}"
        )
    if found.landmark_map != wanted.landmark_map:
        raise WeightsError(
            f"{where} was started with {found.landmark_map}, not with {wanted.landmark_map}: "
            f"choose another {setting}"
        )
    if not all(
        np.array_equal(*values)
        for values in (
            (found.whitening.mean, wanted.whitening.mean),
            (found.whitening.std, wanted.whitening.std),
        )
    ):
        raise WeightsError(
            f"{where} was trained on other data than is prepared now: choose another {setting}"
        )


def _read_identity(manager: ocp.CheckpointManager, step: int) -> Identity:
    items = ocp.args.Composite(whitening=ocp.args.StandardRestore(), run=ocp.args.JsonRestore())
    restored = manager.restore(step, args=items)
    whitening = Whitening(restored.whitening["mean"], restored.whitening["std"])
    run = restored.run
    style = MapStyle(**run["landmark_map"])
    return Identity(run["architecture"], run["face_model"], whitening, style)


def best_step(workdir: pathlib.Path) -> int:
    """Returns the step of the checkpoint of a run that did best on held-out faces, without landmarks.

    Raises:
      WeightsError: no checkpoint of the run was measured.
    """
    with _read_checkpoints(workdir) as manager:
        step = manager.best_step()
    if step is None:
        raise WeightsError(f"{workdir} has no checkpoint that was measured on held-out faces")
    return step


def trained_weights(workdir: pathlib.Path, step: int | None = None) -> Weights:
    """Returns the averaged weights of a checkpoint of a run, the newest unless a step is given.

    Raises:
      WeightsError: the run has no such checkpoint.
    """
    if not (workdir / "checkpoints").is_dir():
        raise WeightsError(f"{workdir} holds no checkpoints: pass the --workdir of a training run")
    with _read_checkpoints(workdir) as manager:
        chosen = manager.latest_step() if step is None else step
        if chosen is None:
            raise WeightsError(f"{workdir} has no finished checkpoint yet")
        if chosen not in manager.all_steps():
            kept = ", ".join(map(str, manager.all_steps()))
            raise WeightsError(f"{workdir} keeps no checkpoint of step {chosen}, only {kept}")
        identity = _read_identity(manager, chosen)
        # As NumPy arrays: the devices that they were saved from may be those of another process.
        saved = manager.item_metadata(chosen)["state"]
        arrays = jax.tree.map(lambda leaf: np.empty(leaf.shape, leaf.dtype), saved)
        items = ocp.args.Composite(state=ocp.args.StandardRestore(arrays))
        state = manager.restore(chosen, args=items).state
    variables = {
        "params": state["regressor"]["average"],
        "batch_stats": state["regressor"]["batch_stats"],
    }
    return Weights(
        architecture=identity.architecture,
        variables=variables,
        whitening=identity.whitening,
        face_model=identity.face_model,
        landmark_map=identity.landmark_map,
    )
