"""The components of a training step, built from the settings of a run."""

import dataclasses

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections
import optax
from jaxtyping import Key

from twodasl_jax import losses
from twodasl_jax.array_types import Array
from twodasl_jax.data.augmentation import Augmentation, SimulatedDetector
from twodasl_jax.errors import ConfigError
from twodasl_jax.geometry.frames import CROP_SIZE
from twodasl_jax.geometry.landmark_map import MapStyle
from twodasl_jax.models.weights import Weights
from twodasl_jax.networks import ARCHITECTURES, BatchGroups, SelfCritic
from twodasl_jax.training.optimizers import build_optimizer, delayed_ramp
from twodasl_jax.training.settings import LossWeights, choose
from twodasl_jax.training.state import CriticState, RegressorState, TrainState


@dataclasses.dataclass(frozen=True)
class CriticRecipe:
    """The components of the critic update and of the adversarial loss.

    Attributes:
      network: the self-critic, which scores pairs of image and coefficient vector.
      optimizer: the optimiser of the self-critic.
      loss: the adversarial losses of both networks.
      updates: the number of critic updates per regressor update.
      ramp: the factor of the weight of L_sc as a function of the step.
      mismatched: whether the critic also receives annotated images paired with the annotation of another image.
    """

    network: SelfCritic
    optimizer: optax.GradientTransformation
    loss: losses.AdversarialLoss
    updates: int
    ramp: optax.Schedule
    mismatched: bool


@dataclasses.dataclass(frozen=True)
class Recipe:
    """The components of a training step, constant during a run.

    Attributes:
      network: the regressor.
      optimizer: the optimiser of the regressor.
      average_decay: the decay of the moving average of the weights of the regressor.
      augmentation: the augmentation of images and annotations.
      detection: the simulated detector of the input landmarks of the first pass.
      landmark_map: the style of the landmark map. L_2d_con and L_cyc compare the landmarks that it draws.
      point_norm: the distance between two points.
      loss_weights: the weights of the loss terms.
      critic: the components of the self-critic; None without L_sc.
      axis_name: the name of the axis of devices that share a batch; None for a single device.
    """

    network: nn.Module
    optimizer: optax.GradientTransformation
    average_decay: float
    augmentation: Augmentation
    detection: SimulatedDetector
    landmark_map: MapStyle
    point_norm: losses.PointNorm
    loss_weights: LossWeights
    critic: CriticRecipe | None = None
    axis_name: str | None = None


def build_recipe(
    config: ml_collections.ConfigDict,
    vector_size: int,
    device_count: int = 1,
    axis_name: str | None = None,
) -> Recipe:
    """Builds the components of the training step of a run.

    Args:
      config: the settings of the run.
      vector_size: the number of entries of a coefficient vector.
      device_count: the number of devices that share a batch.
      axis_name: the name of the axis of these devices; None for an unmapped step on a single device.

    Raises:
      ConfigError: a setting names an unknown option, or the batch cannot be divided as configured.
    """
    groups = _batch_groups(config, device_count, axis_name)
    dtype = jnp.dtype(config.dtype)
    loss_weights = LossWeights(**config.loss_weights)
    return Recipe(
        network=choose("architecture", config.architecture, ARCHITECTURES)(
            output_size=vector_size, dtype=dtype, groups=groups
        ),
        optimizer=build_optimizer(config, config),
        average_decay=config.average_decay,
        augmentation=Augmentation(**config.augmentation),
        detection=SimulatedDetector(**config.detection),
        landmark_map=MapStyle(**config.landmark_map),
        point_norm=choose("point_norm", config.point_norm, losses.POINT_NORMS),
        loss_weights=loss_weights,
        critic=_critic_recipe(config, dtype) if loss_weights.l_sc else None,
        axis_name=axis_name,
    )


def _batch_groups(
    config: ml_collections.ConfigDict, device_count: int, axis_name: str | None
) -> BatchGroups:
    """Distributes the BatchNorm groups over devices, so that results do not depend on the device count."""
    count = config.norm_groups
    if count != 1 and count % device_count:
        raise ConfigError(
            f"norm_groups={count} on {device_count} devices: use 1 (synchronised statistics of the whole batch) "
            f"or a multiple of {device_count} (statistics of each group on one device)"
        )
    for name in ("batch_size", "wild_batch_size"):
        if config[name] % device_count or config[name] % count:
            raise ConfigError(
                f"{name}={config[name]} cannot be split over {device_count} devices and norm_groups={count}: "
                "choose a multiple of both"
            )
    if count == 1:
        return BatchGroups(1, axis_name)
    return BatchGroups(count // device_count)


def _critic_recipe(run: ml_collections.ConfigDict, dtype: jnp.dtype) -> CriticRecipe:
    config = run.critic
    return CriticRecipe(
        network=SelfCritic(dtype=dtype, width=config.width),
        optimizer=build_optimizer(run, config),
        loss=choose("critic.loss", config.loss, losses.ADVERSARIAL_LOSSES),
        updates=config.updates,
        ramp=delayed_ramp(config.warmup_steps, config.ramp_steps),
        mismatched=config.mismatched,
    )


def create_state(recipe: Recipe, key: Key[Array, ""]) -> TrainState:
    """Returns the state before the first step, with random weights."""
    regressor_key, critic_key = jax.random.split(key)
    image = jnp.zeros((1, CROP_SIZE, CROP_SIZE, 4))
    variables = recipe.network.init(regressor_key, image, train=False)
    params = variables["params"]
    regressor = RegressorState(
        params=params,
        batch_stats=variables["batch_stats"],
        optimizer=recipe.optimizer.init(params),
        average=jax.tree.map(jnp.copy, params),
    )
    critic = None
    if recipe.critic is not None:
        vector = jnp.zeros((1, recipe.network.output_size))
        critic_params = recipe.critic.network.init(critic_key, image[..., :3], vector)["params"]
        critic = CriticState(critic_params, recipe.critic.optimizer.init(critic_params))
    return TrainState(jnp.zeros((), jnp.int32), regressor, critic)


def with_weights(state: TrainState, weights: Weights) -> TrainState:
    """Returns a copy of an initial state in which the regressor has the given weights."""
    params, batch_stats = (
        jax.tree.map(jnp.asarray, weights.variables[name]) for name in ("params", "batch_stats")
    )
    regressor = dataclasses.replace(
        state.regressor,
        params=params,
        batch_stats=batch_stats,
        average=jax.tree.map(jnp.copy, params),
    )
    return dataclasses.replace(state, regressor=regressor)
