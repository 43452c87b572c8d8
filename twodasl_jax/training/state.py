"""The inputs and outputs of a training step: batches, training state and metrics."""

import dataclasses

import jax
import optax
from jaxtyping import Float, Int, PyTree, UInt8

from twodasl_jax.array_types import Array

Metrics = dict[str, Float[Array, ""]]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class LabelledFaces:
    """Face crops with 2D labels.

    Attributes:
      image: (B, M, M, 3) RGB crops with a margin.
      landmarks: (B, 68, 2) labels in the crop frame; nan for a missing one.
      visibility: (B, 68) 0 for unlabelled, 1 for hidden, 2 for visible landmarks.
    """

    image: UInt8[Array, "B M M 3"]
    landmarks: Float[Array, "B 68 2"]
    visibility: UInt8[Array, "B 68"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class AnnotatedFaces(LabelledFaces):
    """Face crops with 2D labels and 3D annotations.

    Attributes (in addition to those of `LabelledFaces`):
      vector: (B, C) annotations in the official layout, not whitened.
    """

    vector: Float[Array, "B C"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainBatch:
    """The annotated and in-the-wild images of one step; either part may be empty."""

    annotated: AnnotatedFaces
    wild: LabelledFaces


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class RegressorState:
    """The state of the regressor.

    Attributes:
      params: the parameters of the network.
      batch_stats: the running statistics of BatchNorm.
      optimizer: the state of the optimiser.
      average: the exponential moving average of `params`, used for inference.
    """

    params: PyTree
    batch_stats: PyTree
    optimizer: optax.OptState
    average: PyTree


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class CriticState:
    """The parameters of the self-critic and the state of its optimiser."""

    params: PyTree
    optimizer: optax.OptState


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """The state of a training run.

    Attributes:
      step: the number of completed steps.
      regressor: the state of the regressor.
      critic: the state of the self-critic; None if the recipe has none.
    """

    step: Int[Array, ""]
    regressor: RegressorState
    critic: CriticState | None
