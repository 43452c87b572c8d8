"""What the steps of a run do, fixed for the run, and how a config says it."""

import dataclasses
from collections.abc import Mapping
from typing import TypeVar

import flax.linen as nn
import jax
import jax.numpy as jnp
import ml_collections
import optax
from jaxtyping import Key

from twodasl_jax import losses
from twodasl_jax.array_types import Array
from twodasl_jax.data.augmentation import Augmentation, Detection
from twodasl_jax.errors import ConfigError
from twodasl_jax.geometry.frames import CROP_SIZE
from twodasl_jax.geometry.landmark_map import MapStyle
from twodasl_jax.models.weights import Weights
from twodasl_jax.networks import BatchGroups, SelfCritic
from twodasl_jax.networks.architectures import ARCHITECTURES
from twodasl_jax.training.state import CriticState, RegressorState, TrainState

_Option = TypeVar("_Option")


@dataclasses.dataclass(frozen=True)
class LossWeights:
    """How much each term counts; the terms are those of `twodasl_jax.losses`. Zero removes a term and its cost.

    Attributes:
      wpdc: L_3d, weighted parameter distance of the annotated images.
      pdc: the same without weights.
      vdc: vertex distance of the annotated images.
      coefficients: distance of their shape and expression.
      prior: Gaussian prior of all predicted shapes and expressions.
      l_2d_con: projected against input landmarks, all images.
      l_3d_con: 3D landmarks of the second against those of the first pass, all images.
      l_cyc: landmarks of the second pass, projected, against the input landmarks, all images.
      l_sc: the self-critic's view of in-the-wild images.
    """

    wpdc: float = 0.0
    pdc: float = 0.0
    vdc: float = 0.0
    coefficients: float = 0.0
    prior: float = 0.0
    l_2d_con: float = 0.0
    l_3d_con: float = 0.0
    l_cyc: float = 0.0
    l_sc: float = 0.0

    @property
    def needs_second_pass(self) -> bool:
        """Whether a term compares the prediction from the network's own landmarks."""
        return bool(self.l_3d_con or self.l_cyc)


@dataclasses.dataclass(frozen=True)
class CriticRecipe:
    """The critic's side of the game.

    Attributes:
      network: scores pairs of image and coefficients.
      optimizer: of the critic.
      loss: what the two players minimise.
      updates: of the critic for each of the regressor.
      ramp: factor of L_sc's weight by step: zero while the critic warms up.
      mismatched: whether the critic also sees annotated images with the coefficients of another.
    """

    network: SelfCritic
    optimizer: optax.GradientTransformation
    loss: losses.AdversarialLoss
    updates: int
    ramp: optax.Schedule
    mismatched: bool


@dataclasses.dataclass(frozen=True)
class Recipe:
    """What a step does, fixed for a run.

    Attributes:
      network: the regressor.
      optimizer: of the regressor.
      average_decay: of the moving average of its weights.
      augmentation: of images and annotations.
      detection: what is known of the landmarks that the first pass is shown.
      landmark_map: which landmarks it is shown, and how; L_2d_con and L_cyc compare the same ones.
      point_norm: distance of two points.
      loss_weights: of the terms.
      critic: the opponent; None without L_sc.
      axis_name: of the devices that share a batch; None for one device.
    """

    network: nn.Module
    optimizer: optax.GradientTransformation
    average_decay: float
    augmentation: Augmentation
    detection: Detection
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
    """Returns what each step of a run does.

    Args:
      config: see `configs/`.
      vector_size: how many numbers the network predicts.
      device_count: how many devices share a batch.
      axis_name: of these devices; None for one device, and a step that is not mapped.

    Raises:
      ConfigError: a setting names something that does not exist, or the batch cannot be split as it says.
    """
    groups = _batch_groups(config, device_count, axis_name)
    dtype = jnp.dtype(config.dtype)
    loss_weights = LossWeights(**config.loss_weights)
    return Recipe(
        network=choose("architecture", config.architecture, ARCHITECTURES)(
            output_size=vector_size, dtype=dtype, groups=groups
        ),
        optimizer=_optimizer(config, config),
        average_decay=config.average_decay,
        augmentation=Augmentation(**config.augmentation),
        detection=Detection(**config.detection),
        landmark_map=MapStyle(**config.landmark_map),
        point_norm=choose("point_norm", config.point_norm, losses.POINT_NORMS),
        loss_weights=loss_weights,
        critic=_critic_recipe(config, dtype) if loss_weights.l_sc else None,
        axis_name=axis_name,
    )


def _batch_groups(
    config: ml_collections.ConfigDict, device_count: int, axis_name: str | None
) -> BatchGroups:
    """Splits the groups of the whole batch over devices, so that the numbers do not depend on them."""
    count = config.norm_groups
    if count != 1 and count % device_count:
        raise ConfigError(
            f"norm_groups={count} on {device_count} devices: use 1 (statistics of the whole batch, "
            f"synchronised) or a multiple of {device_count} (no device waits for another)"
        )
    for name in ("batch_size", "wild_batch_size"):
        if config[name] % device_count or config[name] % count:
            raise ConfigError(
                f"{name}={config[name]} cannot be split over {device_count} devices and "
                f"norm_groups={count}: choose a multiple of both"
            )
    if count == 1:
        return BatchGroups(1, axis_name)
    return BatchGroups(count // device_count)


def choose(setting: str, name: str, options: Mapping[str, _Option]) -> _Option:
    """Returns the option that a setting names.

    Raises:
      ConfigError: there is none of this name.
    """
    if name not in options:
        raise ConfigError(f"config.{setting}={name!r}: use one of {', '.join(options)}")
    return options[name]


def _optimizer(
    run: ml_collections.ConfigDict, player: ml_collections.ConfigDict
) -> optax.GradientTransformation:
    """Adam on clipped gradients: the run's warm-up and cosine to zero, the player's own height of it."""
    schedule = optax.join_schedules(
        [
            optax.linear_schedule(0.0, player.learning_rate, run.warmup_steps),
            optax.cosine_decay_schedule(player.learning_rate, max(1, run.steps - run.warmup_steps)),
        ],
        boundaries=[run.warmup_steps],
    )
    return optax.chain(
        optax.clip_by_global_norm(player.gradient_clip),
        optax.adamw(schedule, weight_decay=player.weight_decay),
    )


def _critic_recipe(run: ml_collections.ConfigDict, dtype: jnp.dtype) -> CriticRecipe:
    config = run.critic
    ramp = optax.join_schedules(
        [
            optax.constant_schedule(0.0),
            optax.linear_schedule(0.0, 1.0, max(1, config.ramp_steps)),
        ],
        boundaries=[config.warmup_steps],
    )
    return CriticRecipe(
        network=SelfCritic(dtype=dtype, width=config.width),
        optimizer=_optimizer(run, config),
        loss=choose("critic.loss", config.loss, losses.ADVERSARIAL_LOSSES),
        updates=config.updates,
        ramp=ramp,
        mismatched=config.mismatched,
    )


def with_weights(state: TrainState, weights: Weights) -> TrainState:
    """Returns a first state whose regressor has the weights of another run; all else is as new."""
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


def create_state(recipe: Recipe, key: Key[Array, ""]) -> TrainState:
    """Returns the state before the first step."""
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
