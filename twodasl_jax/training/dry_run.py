"""What a run would be, before it takes a step: sizes, data, arithmetic and memory."""

from collections.abc import Sequence

import jax
import numpy as np
from jaxtyping import PyTree

from twodasl_jax.data.pipeline import Pool
from twodasl_jax.training.batches import TrainingData
from twodasl_jax.training.compiled import Cost, cost_of
from twodasl_jax.training.run import Run

_MEGABYTE, _GIGAFLOP = 1e6, 1e9


def describe(run: Run) -> str:
    """Builds everything of a run, compiles its step, and returns what there is to know of it as text."""
    state = run.first_state()
    batch = run.devices.split(next(run.batches()))
    cost = cost_of(run.devices.step.lower(state, batch, run.key).compile())
    rows = [
        ("network", f"{run.config.architecture}, {_parameters(state.regressor.params)} parameters"),
        *_critic(state.critic),
        ("devices", f"{jax.device_count()}, {run.config.map}, {jax.process_count()} processes"),
        *_faces(run.data),
        *_shapes(batch),
        *_costs(cost),
        ("steps", f"{run.config.steps:,}"),
    ]
    return "\n".join(f"{name:28}{value}" for name, value in rows)


def _parameters(params: PyTree) -> str:
    return f"{sum(leaf.size for leaf in jax.tree.leaves(params)):,}"


def _critic(critic: PyTree) -> list[tuple[str, str]]:
    return [] if critic is None else [("self-critic", f"{_parameters(critic.params)} parameters")]


def _faces(data: TrainingData) -> list[tuple[str, str]]:
    def drawn(pools: Sequence[Pool]) -> str:
        return f"{sum(int(np.isfinite(pool.yaw).sum()) for pool in pools):,} faces"

    return [
        ("annotated", drawn(data.annotated)),
        ("in the wild", drawn(data.wild)),
        ("held out", f"{len(data.held_out.image):,} faces"),
    ]


def _shapes(batch: PyTree) -> list[tuple[str, str]]:
    return [
        (f"batch{jax.tree_util.keystr(path)}", f"{leaf.dtype} {leaf.shape}")
        for path, leaf in jax.tree_util.tree_leaves_with_path(batch)
    ]


def _costs(cost: Cost) -> list[tuple[str, str]]:
    return [
        ("arithmetic", f"{cost.flops / _GIGAFLOP:,.1f} GFLOP a step and device"),
        ("memory, state and batch", f"{cost.arguments / _MEGABYTE:,.0f} MB a device"),
        ("memory, in between", f"{cost.temporaries / _MEGABYTE:,.0f} MB a device"),
    ]
