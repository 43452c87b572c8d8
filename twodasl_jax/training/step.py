"""One pure training step of the regressor: state and batch in, state and metrics out."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Int, Key, PyTree, UInt8

from twodasl_jax import losses
from twodasl_jax.array_types import Array
from twodasl_jax.data.augmentation import (
    Augmentation,
    Faces,
    LandmarkInput,
    augment,
    random_landmark_map,
)
from twodasl_jax.geometry.coefficients import (
    Coefficients,
    Whitening,
    coefficients_from_official,
    unwhiten,
)
from twodasl_jax.geometry.landmark_map import INNER_POINTS
from twodasl_jax.geometry.mirroring import CoefficientMirror
from twodasl_jax.geometry.morphable_model import ShapeSpace, synthesize
from twodasl_jax.geometry.projection import camera_from_affine, picture_from_model
from twodasl_jax.networks import network_input


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainState:
    """Everything that changes while training.

    Attributes:
      step: how many steps were taken.
      params: of the network.
      batch_stats: BatchNorm's running statistics.
      optimizer: Optax state.
      average: exponential moving average of `params`: the weights to use.
      key: the run's random key; each step folds its number in.
    """

    step: Int[Array, ""]
    params: PyTree
    batch_stats: PyTree
    optimizer: optax.OptState
    average: PyTree
    key: Key[Array, ""]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class TrainBatch:
    """Records of `faces_2d`.

    Attributes:
      image: (B, 120, 120, 3).
      landmarks: (B, 68, 2) crop frame, nan where missing.
      visibility: (B, 68) 0 not labelled, 1 hidden, 2 visible.
      vector: (B, 62) official layout, not whitened.
    """

    image: UInt8[Array, "B 120 120 3"]
    landmarks: Float[Array, "B 68 2"]
    visibility: UInt8[Array, "B 68"]
    vector: Float[Array, "B C"]


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class FaceSpace:
    """The parts of the face model that training needs.

    Attributes:
      landmarks: rows of the 68 landmarks.
      mirror: what mirroring does to coefficients.
      whitening: of the coefficient vectors.
    """

    landmarks: ShapeSpace
    mirror: CoefficientMirror
    whitening: Whitening

    def coefficients(self, vectors: Float[Array, "B C"]) -> Coefficients:
        """Reads official vectors (not whitened) with as many coefficients as the model has."""
        return coefficients_from_official(vectors, len(self.landmarks.shape_std))


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """How much each term counts.

    Attributes:
      landmarks_3d: predicted against fitted 3D landmarks.
      landmarks_2d: predicted against labelled visible inner points.
      coefficients: predicted against fitted shape and expression.
      prior: Gaussian prior of the coefficients.
    """

    landmarks_3d: float = 1.0
    landmarks_2d: float = 0.5
    coefficients: float = 0.0
    prior: float = 0.0


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a step does, fixed for a run."""

    network: nn.Module
    optimizer: optax.GradientTransformation
    augmentation: Augmentation
    landmark_input: LandmarkInput
    loss_weights: LossWeights
    average_decay: float


def create_state(recipe: Recipe, key: Key[Array, ""]) -> TrainState:
    """Returns the state before the first step."""
    init_key, run_key = jax.random.split(key)
    variables = recipe.network.init(init_key, jnp.zeros((1, 120, 120, 4)), train=False)
    params = variables["params"]
    return TrainState(
        step=jnp.zeros((), jnp.int32),
        params=params,
        batch_stats=variables["batch_stats"],
        optimizer=recipe.optimizer.init(params),
        average=jax.tree.map(jnp.copy, params),
        key=run_key,
    )


def train_step(
    recipe: Recipe, space: FaceSpace, state: TrainState, batch: TrainBatch
) -> tuple[TrainState, dict[str, Float[Array, ""]]]:
    """Takes one optimiser step on a freshly augmented batch.

    Returns:
      The next state, and the mean of each loss term (raw), the weighted sum as `loss`, and the gradient norm.
    """
    augment_key, map_key = jax.random.split(jax.random.fold_in(state.key, state.step))
    faces = augment(augment_key, _faces(batch, space), space.mirror, recipe.augmentation)
    maps = random_landmark_map(map_key, faces.landmarks, recipe.landmark_input)
    inputs = network_input(faces.image, maps)

    def objective(params):
        variables = {"params": params, "batch_stats": state.batch_stats}
        vector, updated = recipe.network.apply(
            variables, inputs, train=True, mutable=["batch_stats"]
        )
        terms = _loss_terms(vector, faces, space)
        loss = sum(
            getattr(recipe.loss_weights, name) * losses.batch_mean(term)
            for name, term in terms.items()
        )
        return loss, (terms, updated["batch_stats"])

    (loss, (terms, batch_stats)), gradient = jax.value_and_grad(objective, has_aux=True)(
        state.params
    )
    updates, optimizer = recipe.optimizer.update(gradient, state.optimizer, state.params)
    params = optax.apply_updates(state.params, updates)
    # A young average forgets its random start quickly.
    decay = jnp.minimum(recipe.average_decay, (1.0 + state.step) / (10.0 + state.step))
    average = optax.incremental_update(params, state.average, 1.0 - decay)
    metrics = {name: losses.batch_mean(term) for name, term in terms.items()}
    metrics |= {"loss": loss, "gradient_norm": optax.tree.norm(gradient)}
    return TrainState(state.step + 1, params, batch_stats, optimizer, average, state.key), metrics


def _faces(batch: TrainBatch, space: FaceSpace) -> Faces:
    return Faces(
        image=batch.image.astype(jnp.float32),
        landmarks=batch.landmarks,
        visible=batch.visibility == 2,
        coefficients=space.coefficients(batch.vector),
    )


def _loss_terms(
    vector: Float[Array, "B C"], faces: Faces, space: FaceSpace
) -> dict[str, Float[Array, " B"]]:
    predicted = space.coefficients(unwhiten(vector, space.whitening))
    points = landmarks_3d(predicted, space.landmarks)
    target = landmarks_3d(faces.coefficients, space.landmarks)
    inner = faces.visible[:, INNER_POINTS]
    return {
        "landmarks_3d": losses.landmark_distance(points, target, jnp.ones(points.shape[:-1])),
        "landmarks_2d": losses.landmark_distance(
            points[:, INNER_POINTS, :2],
            faces.landmarks[:, INNER_POINTS],
            inner.astype(jnp.float32),
        ),
        "coefficients": losses.coefficient_distance(predicted, faces.coefficients),
        "prior": losses.coefficient_prior(predicted),
    }


def landmarks_3d(coefficients: Coefficients, space: ShapeSpace) -> Float[Array, "B 68 3"]:
    """Returns the 68 points of a batch of coefficients in the crop frame, by weak perspective."""
    camera = camera_from_affine(coefficients.affine)
    return picture_from_model(
        camera, synthesize(space, coefficients.shape, coefficients.expression)
    )
