"""A run, built from its config: what it does and what it learns from, before its first step."""

import dataclasses
import functools
import pathlib

import jax
import ml_collections
from jaxtyping import Array, Key

from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.models import face_model
from twodasl_jax.models.weights import Weights, load_weights
from twodasl_jax.training.batches import Batches, TrainingData, load_data, open_batches
from twodasl_jax.training.checkpoints import Identity, check_identity, identity_of, trained_weights
from twodasl_jax.training.devices import AXIS, MAPS, DataParallel
from twodasl_jax.training.face_space import FaceSpace, build_space, whitening_of
from twodasl_jax.training.recipe import Recipe, build_recipe, choose, create_state, with_weights
from twodasl_jax.training.settings import check_settings
from twodasl_jax.training.state import TrainState
from twodasl_jax.training.step import train_step


@dataclasses.dataclass(frozen=True)
class Run:
    """Everything of a run that does not change while it goes on.

    Attributes:
      config: its settings.
      recipe: what each step does.
      space: the face model.
      data: what it learns from.
      identity: what its weights mean.
      devices: the step on all devices of all processes.
      init_key: of the networks' first weights.
      key: of all that its steps leave to chance.
      earlier: weights that it starts from; None for new ones.
    """

    config: ml_collections.ConfigDict
    recipe: Recipe
    space: FaceSpace
    data: TrainingData
    identity: Identity
    devices: DataParallel
    init_key: Key[Array, ""]
    key: Key[Array, ""]
    earlier: Weights | None

    def first_state(self) -> TrainState:
        """Returns the state before the first step, on every device."""
        # Compiled: a network that is made operation by operation takes ten times as long.
        state = jax.jit(functools.partial(create_state, self.recipe))(self.init_key)
        return self.devices.replicate(with_weights(state, self.earlier) if self.earlier else state)

    def batches(self) -> Batches:
        """Returns this process's part of every batch, from the first."""
        return open_batches(self.config, self.data)


def build_run(config: ml_collections.ConfigDict, model: MorphableModel) -> Run:
    """Opens the data of a run and decides what its steps do.

    Args:
      config: see `configs/`.
      model: the face model that the data sets were prepared for.

    Raises:
      ConfigError: a setting is unknown, missing or of another type, or the batch cannot be split over the devices.
      DatasetError: a data set is missing, or was prepared for another face model.
      WeightsError: `init_from` names weights of another network, face model or landmark map, or none.
    """
    check_settings(config)
    digest = face_model.digest(model)
    data = load_data(config, digest)
    recipe = build_recipe(config, data.vectors.shape[1], jax.device_count(), AXIS)
    earlier = _earlier(pathlib.Path(config.init_from)) if config.init_from else None
    whitening = earlier.whitening if earlier else whitening_of(data.vectors)
    identity = Identity(config.architecture, digest, whitening, recipe.landmark_map)
    if earlier:
        check_identity(identity_of(earlier), identity, config.init_from, "init_from")
    space = build_space(model, whitening, config.vertices)
    init_key, key = jax.random.split(jax.random.key(config.seed))
    by_map = choose("map", config.map, MAPS)
    return Run(
        config=config,
        recipe=recipe,
        space=space,
        data=data,
        identity=identity,
        devices=by_map(functools.partial(train_step, recipe, space), jax.devices()),
        init_key=init_key,
        key=key,
        earlier=earlier,
    )


def _earlier(path: pathlib.Path) -> Weights:
    """Reads the weights that a run starts from: a file of them, or the newest of another run."""
    return load_weights(path) if path.is_file() else trained_weights(path)
