"""One pure training step of 2DASL: the regressor's turn, then the self-critic's."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Key

from twodasl_jax import losses
from twodasl_jax.array_types import Array
from twodasl_jax.evaluation.landmark_error import normalized_mean_error
from twodasl_jax.training.collectives import mean_over_devices
from twodasl_jax.training.face_space import FaceSpace, project
from twodasl_jax.training.method import (
    Examples,
    Prediction,
    draw_examples,
    loss_terms,
    two_passes,
)
from twodasl_jax.training.recipe import Recipe
from twodasl_jax.training.self_critic import critic_pairs, critic_turn, judge_of, norms
from twodasl_jax.training.state import Metrics, RegressorState, TrainBatch, TrainState


def train_step(
    recipe: Recipe, space: FaceSpace, state: TrainState, batch: TrainBatch, rng: Key[Array, ""]
) -> tuple[TrainState, Metrics]:
    """Takes one step of both players on a freshly augmented batch.

    Args:
      recipe: what the step does.
      space: the face model.
      state: before the step.
      batch: this device's share.
      rng: the run's key; every step folds its number in.

    Returns:
      The state after it, and the metrics of `regressor_turn` and `critic_turn`.
    """
    examples = draw_examples(recipe, space, batch, jax.random.fold_in(rng, state.step))
    regressor, predicted, metrics = regressor_turn(recipe, space, state, examples)
    critic = state.critic
    if critic is not None and recipe.critic is not None:
        # Both players answer to the opponent of the step before.
        pairs = critic_pairs(recipe, space, examples, predicted)
        critic, report = critic_turn(recipe.critic, critic, pairs, recipe.axis_name)
        metrics |= report
    return TrainState(state.step + 1, regressor, critic), metrics


def regressor_turn(
    recipe: Recipe, space: FaceSpace, state: TrainState, examples: Examples
) -> tuple[RegressorState, Float[Array, "B C"], Metrics]:
    """Moves the regressor; the critic stays as it was.

    Returns:
      The regressor, the whitened vectors that the first pass predicted, and the metrics: each term as `raw/NAME` and
      `weighted/NAME`, their sum `loss`, the norms of gradient and update, and `nme68`: the first pass against the
      annotation's 68 points, or in the wild against the labels that are visible.
    """
    regressor = state.regressor
    scales, judge = _scales(recipe, state), _judge(recipe, state, examples)

    def objective(params):
        variables = {"params": params, "batch_stats": regressor.batch_stats}
        first, second, batch_stats = two_passes(recipe, space, variables, examples)
        terms = loss_terms(recipe, space, first, second, examples) | judge(first)
        raw = {name: losses.batch_mean(values) for name, values in terms.items()}
        weighted = {name: scales[name] * value for name, value in raw.items()}
        loss = sum(weighted.values(), jnp.zeros(()))
        report = {f"raw/{name}": value for name, value in raw.items()}
        report |= {f"weighted/{name}": value for name, value in weighted.items()}
        return loss, (first, batch_stats, report | {"loss": loss})

    gradient, (first, batch_stats, report) = jax.grad(objective, has_aux=True)(regressor.params)
    errors = _landmark_error_parts(space, first, examples)
    gradient, batch_stats, report, (total, count) = mean_over_devices(
        (gradient, batch_stats, report, errors), recipe.axis_name
    )
    updates, optimizer = recipe.optimizer.update(gradient, regressor.optimizer, regressor.params)
    params = optax.apply_updates(regressor.params, updates)
    # A young average forgets its random start quickly.
    decay = jnp.minimum(recipe.average_decay, (1.0 + state.step) / (10.0 + state.step))
    average = optax.incremental_update(params, regressor.average, 1.0 - decay)
    moved = RegressorState(params, batch_stats, optimizer, average)
    report |= {"nme68": total / count}
    report |= norms("regressor", gradient, updates)
    return moved, first.vector, report


def _scales(recipe: Recipe, state: TrainState) -> dict[str, Float[Array, ""] | float]:
    """The weight of each term in this step."""
    scales = dict(vars(recipe.loss_weights))
    if recipe.critic is not None:
        scales["l_sc"] *= recipe.critic.ramp(state.step)
    return scales


def _judge(
    recipe: Recipe, state: TrainState, examples: Examples
) -> Callable[[Prediction], dict[str, Float[Array, " W"]]]:
    """Returns a function from the first prediction to L_sc of the images in the wild.

    Without annotated images the critic would have nothing consistent to learn from, and its view does not count.
    """
    count = examples.annotated_count
    if recipe.critic is None or state.critic is None or not 0 < count < len(examples.image):
        return lambda prediction: {}
    l_sc = judge_of(recipe.critic, state.critic.params, examples.image[count:])
    return lambda prediction: {"l_sc": l_sc(prediction.vector[count:])}


def _landmark_error_parts(
    space: FaceSpace, first: Prediction, examples: Examples
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Returns the sum of the 68-point errors of this device's faces, and over how many it goes."""
    annotated = project(examples.annotation, space.landmarks)[..., :2]
    truth = jnp.concatenate([annotated, examples.landmarks[examples.annotated_count :]])
    visible = jnp.concatenate(
        [jnp.ones(annotated.shape[:-1], bool), examples.visible[examples.annotated_count :]]
    )
    errors, known = normalized_mean_error(first.landmarks[..., :2], truth, visible)
    return jnp.sum(jnp.where(known, errors, 0.0)), jnp.sum(known.astype(jnp.float32))
