"""What goes into a step and what comes out: batches and the state that changes."""

import dataclasses

import jax
import optax
from jaxtyping import Float, Int, PyTree, UInt8

from twodasl_jax.array_types import Array

Metrics = dict[str, Float[Array, ""]]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class LabelledFaces:
    """Face crops with noisy 2D landmarks.

    Attributes:
      image: (B, M, M, 3) RGB, the crop with a margin around it.
      landmarks: (B, 68, 2) crop frame, nan where missing.
      visibility: (B, 68) 0 not labelled, 1 hidden, 2 visible.
    """

    image: UInt8[Array, "B M M 3"]
    landmarks: Float[Array, "B 68 2"]
    visibility: UInt8[Array, "B 68"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class AnnotatedFaces(LabelledFaces):
    """Face crops with a (pseudo) 3D annotation beside their landmarks.

    Attributes (beside those of `LabelledFaces`):
      vector: (B, C) official layout, not whitened.
    """

    vector: Float[Array, "B C"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainBatch:
    """The two kinds of images of one step of 2DASL; either may be empty (no examples)."""

    annotated: AnnotatedFaces
    wild: LabelledFaces


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class RegressorState:
    """Everything of the regressor that changes.

    Attributes:
      params: of the network.
      batch_stats: BatchNorm's running statistics.
      optimizer: Optax state.
      average: exponential moving average of `params`: the weights to use.
    """

    params: PyTree
    batch_stats: PyTree
    optimizer: optax.OptState
    average: PyTree


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class CriticState:
    """Everything of the self-critic that changes: parameters and Optax state."""

    params: PyTree
    optimizer: optax.OptState


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """Everything that changes while training.

    Attributes:
      step: how many steps were taken.
      regressor: the network that is trained.
      critic: its opponent; None where the recipe has none.
    """

    step: Int[Array, ""]
    regressor: RegressorState
    critic: CriticState | None
