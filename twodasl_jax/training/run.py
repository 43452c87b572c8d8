"""A run before its first step, built from its settings."""

import dataclasses
import functools
import pathlib

import jax
import ml_collections
from jaxtyping import Array, Key

from twodasl_jax.data.face_crops import whitening_of
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.models import face_model
from twodasl_jax.models.weights import Weights, load_weights
from twodasl_jax.training.batches import Batches, TrainingData, load_data, open_batches
from twodasl_jax.training.checkpoints import Identity, check_identity, identity_of, trained_weights
from twodasl_jax.training.devices import AXIS, MAPS, DataParallel
from twodasl_jax.training.face_space import FaceSpace, build_space
from twodasl_jax.training.recipe import Recipe, build_recipe, create_state, with_weights
from twodasl_jax.training.settings import check_settings, choose
from twodasl_jax.training.state import TrainState
from twodasl_jax.training.step import train_step


@dataclasses.dataclass(frozen=True)
class Run:
    """The constant parts of a run.

    Attributes:
      config: the settings.
      recipe: the components of a training step.
      space: the face model.
      data: the data sets.
      identity: the network, face model and input that the weights belong to.
      devices: the step on all devices of all processes.
      init_key: the random key of the initial weights.
      key: the random key of the steps.
      initial_weights: the weights that the run starts from; None for random ones.
    """

    config: ml_collections.ConfigDict
    recipe: Recipe
    space: FaceSpace
    data: TrainingData
    identity: Identity
    devices: DataParallel
    init_key: Key[Array, ""]
    key: Key[Array, ""]
    initial_weights: Weights | None

    def first_state(self) -> TrainState:
        """Returns the state before the first step, on every device."""
        # Compiled, because operation by operation the initialisation takes ten times as long.
        state = jax.jit(functools.partial(create_state, self.recipe))(self.init_key)
        if self.initial_weights:
            state = with_weights(state, self.initial_weights)
        return self.devices.replicate(state)

    def batches(self) -> Batches:
        """Returns this process's share of every batch, starting from the first."""
        return open_batches(self.config, self.data)


def build_run(config: ml_collections.ConfigDict, model: MorphableModel) -> Run:
    """Opens the data sets of a run and builds its training step.

    Args:
      config: the settings of the run.
      model: the face model of the prepared data sets.

    Raises:
      ConfigError: a setting is invalid, or the batch cannot be divided over the devices.
      DatasetError: a data set is missing, or was prepared for another face model.
      WeightsError: `init_from` contains no weights, or weights of another network, face model or landmark map.
    """
    check_settings(config)
    digest = face_model.digest(model)
    data = load_data(config, digest)
    recipe = build_recipe(config, data.vectors.shape[1], jax.device_count(), AXIS)
    initial = _initial_weights(pathlib.Path(config.init_from)) if config.init_from else None
    whitening = initial.whitening if initial else whitening_of(data.vectors)
    identity = Identity(config.architecture, digest, whitening, recipe.landmark_map)
    if initial:
        check_identity(identity_of(initial), identity, config.init_from, "init_from")
    space = build_space(model, whitening, config.vertices)
    init_key, key = jax.random.split(jax.random.key(config.seed))
    map_over_devices = choose("map", config.map, MAPS)
    return Run(
        config=config,
        recipe=recipe,
        space=space,
        data=data,
        identity=identity,
        devices=map_over_devices(functools.partial(train_step, recipe, space), jax.devices()),
        init_key=init_key,
        key=key,
        initial_weights=initial,
    )


def _initial_weights(path: pathlib.Path) -> Weights:
    """Reads a weights file, or the latest weights of another run."""
    return load_weights(path) if path.is_file() else trained_weights(path)
