"""Checkpoints of a run (Orbax): the training state, the position in the data, and the identity of the weights."""

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

# The validation error that ranks checkpoints, see `Validation.errors`.
_SCORE = "without_landmarks"
_DISK_FULL = "No space left on device"


@dataclasses.dataclass(frozen=True)
class Identity:
    """The network, face model and input that weights belong to.

    Attributes:
      architecture: the network, a key of `ARCHITECTURES`.
      face_model: the digest of the face model.
      whitening: the whitening of the coefficient vectors.
      landmark_map: the style of the landmark map.
    """

    architecture: str
    face_model: str
    whitening: Whitening
    landmark_map: MapStyle


@contextlib.contextmanager
def open_checkpoints(workdir: pathlib.Path, kept: int) -> Iterator[ocp.CheckpointManager]:
    """Opens the checkpoints of a run for reading and writing.

    Args:
      workdir: the folder of the run.
      kept: the number of latest checkpoints that are kept, in addition to the best one on held-out faces.

    Raises:
      OutputError: the disk is full. Earlier checkpoints are intact.
    """
    score = operator.itemgetter(_SCORE)
    best = preservation_policy.BestN(
        get_metric_fn=score, reverse=True, n=1, keep_checkpoints_without_metrics=False
    )
    options = ocp.CheckpointManagerOptions(
        preservation_policy=preservation_policy.AnyPreservationPolicy(
            [preservation_policy.LatestN(kept), best]
        ),
        # Required in addition to the policy: otherwise Orbax does not save the errors, and a resumed run lacks them.
        best_fn=score,
        best_mode="min",
        cleanup_tmp_directories=True,
    )
    folder = (workdir / "checkpoints").absolute()
    try:
        with ocp.CheckpointManager(folder, options=options) as manager:
            yield manager
    except (OSError, ValueError) as error:
        # TensorStore raises ValueError without an error number.
        if _DISK_FULL not in str(error):
            raise
        raise OutputError(
            f"Cannot save to {folder}: no space left. Earlier checkpoints are intact; free some space and repeat "
            "the same command, which resumes from the last one."
        ) from error


def _open_read_only(workdir: pathlib.Path) -> ocp.CheckpointManager:
    options = ocp.CheckpointManagerOptions(
        read_only=True, best_fn=operator.itemgetter(_SCORE), best_mode="min"
    )
    # Registered in advance, because `item_metadata` needs the handlers.
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
    errors: dict[str, float] | None,
) -> None:
    """Saves a checkpoint in the background.

    Args:
      manager: the checkpoints of the run.
      state: the training state after a step.
      batches: the batches, with `get_state`.
      identity: the identity of the weights.
      errors: the errors on held-out faces after this step; None if they were not measured.
    """
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
    manager.save(int(state.step), args=items, metrics=errors)


def restore(
    manager: ocp.CheckpointManager, state: TrainState, batches: Any, identity: Identity
) -> TrainState:
    """Restores the latest checkpoint.

    Args:
      manager: the checkpoints of the run.
      state: the state before the first step.
      batches: the batches, with `set_state`; they move to the position of the checkpoint.
      identity: the identity that the weights must have.

    Returns:
      The saved state, or `state` if there is no checkpoint.

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
    """Returns the identity of the weights of a file or of another run."""
    return Identity(
        weights.architecture, weights.face_model, weights.whitening, weights.landmark_map
    )


def check_identity(found: Identity, expected: Identity, where: str, setting: str) -> None:
    """Checks that weights have the identity that a run requires.

    Args:
      found: the identity of the weights.
      expected: the identity that the run requires.
      where: the path of the weights.
      setting: the setting or flag that names this path.

    Raises:
      WeightsError: the identities differ.
    """
    if (found.architecture, found.face_model) != (expected.architecture, expected.face_model):
        raise WeightsError(
            f"{where} contains a {found.architecture} network for face model {found.face_model}, not a "
            f"{expected.architecture} network for {expected.face_model}: choose another {setting}"
        )
    if found.landmark_map != expected.landmark_map:
        raise WeightsError(
            f"{where} was trained with {found.landmark_map}, not with {expected.landmark_map}: "
            f"choose another {setting}"
        )
    if not (
        np.array_equal(found.whitening.mean, expected.whitening.mean)
        and np.array_equal(found.whitening.std, expected.whitening.std)
    ):
        raise WeightsError(
            f"{where} was trained on other annotations than those of data_dir: choose another {setting}"
        )


def _read_identity(manager: ocp.CheckpointManager, step: int) -> Identity:
    items = ocp.args.Composite(whitening=ocp.args.StandardRestore(), run=ocp.args.JsonRestore())
    restored = manager.restore(step, args=items)
    whitening = Whitening(restored.whitening["mean"], restored.whitening["std"])
    run = restored.run
    style = MapStyle(**run["landmark_map"])
    return Identity(run["architecture"], run["face_model"], whitening, style)


def best_step(workdir: pathlib.Path) -> int:
    """Returns the step of the checkpoint with the smallest error on held-out faces, without input landmarks.

    Raises:
      WeightsError: no checkpoint of the run was validated.
    """
    with _open_read_only(workdir) as manager:
        step = manager.best_step()
    if step is None:
        raise WeightsError(f"{workdir} has no checkpoint that was validated on held-out faces")
    return step


def trained_weights(workdir: pathlib.Path, step: int | None = None) -> Weights:
    """Returns the averaged weights of a checkpoint.

    Args:
      workdir: the folder of the run.
      step: the step of the checkpoint; None for the latest one.

    Raises:
      WeightsError: the run has no such checkpoint.
    """
    if not (workdir / "checkpoints").is_dir():
        raise WeightsError(f"{workdir} has no checkpoints: pass the --workdir of a training run")
    with _open_read_only(workdir) as manager:
        chosen = manager.latest_step() if step is None else step
        if chosen is None:
            raise WeightsError(f"{workdir} has no complete checkpoint yet")
        if chosen not in manager.all_steps():
            available = ", ".join(map(str, manager.all_steps()))
            raise WeightsError(
                f"{workdir} has no checkpoint of step {chosen}: choose one of {available}"
            )
        identity = _read_identity(manager, chosen)
        # Restored as NumPy arrays, because the devices of the saved arrays may not exist in this process.
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
