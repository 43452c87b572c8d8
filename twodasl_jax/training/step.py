"""The training step of 2DASL, a pure function: a regressor update and a critic update."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Key

from twodasl_jax import losses
from twodasl_jax.array_types import Array
from twodasl_jax.evaluation.landmark_error import normalized_mean_error
from twodasl_jax.geometry.decoder import decode, weak_perspective
from twodasl_jax.training.devices import mean_over_devices
from twodasl_jax.training.face_space import FaceSpace
from twodasl_jax.training.method import (
    Examples,
    Prediction,
    draw_examples,
    loss_terms,
    two_passes,
)
from twodasl_jax.training.recipe import Recipe
from twodasl_jax.training.self_critic import adversarial_loss, critic_pairs, norms, update_critic
from twodasl_jax.training.state import Metrics, RegressorState, TrainBatch, TrainState


def train_step(
    recipe: Recipe, space: FaceSpace, state: TrainState, batch: TrainBatch, rng: Key[Array, ""]
) -> tuple[TrainState, Metrics]:
    """Updates both networks on an augmented batch. Each update uses the other network as it was before the step.

    Args:
      recipe: the components of the step.
      space: the face model.
      state: the state before the step.
      batch: this device's share of the batch.
      rng: the random key of the run; the step number is folded in.

    Returns:
      The state after the step, and the metrics of `update_regressor` and `update_critic`.
    """
    examples = draw_examples(recipe, space, batch, jax.random.fold_in(rng, state.step))
    regressor, predicted, metrics = update_regressor(recipe, space, state, examples)
    critic = state.critic
    if critic is not None and recipe.critic is not None:
        pairs = critic_pairs(recipe, space, examples, predicted)
        critic, critic_metrics = update_critic(recipe.critic, critic, pairs, recipe.axis_name)
        metrics |= critic_metrics
    return TrainState(state.step + 1, regressor, critic), metrics


def update_regressor(
    recipe: Recipe, space: FaceSpace, state: TrainState, examples: Examples
) -> tuple[RegressorState, Float[Array, "B C"], Metrics]:
    """Applies one update of the regressor.

    Returns:
      The new state of the regressor, the whitened vectors of the first pass, and the metrics: `raw/NAME` and
      `weighted/NAME` for each term, the total `loss`, the norms of gradient and update, and `nme68`. The latter is the
      error of the first pass against the annotation or, for in-the-wild images, against the visible labels.
    """
    regressor = state.regressor
    weights, l_sc_term = _term_weights(recipe, state), _l_sc_term(recipe, state, examples)

    def objective(params):
        variables = {"params": params, "batch_stats": regressor.batch_stats}
        first, second, batch_stats = two_passes(recipe, space, variables, examples)
        terms = loss_terms(recipe, space, first, second, examples) | l_sc_term(first)
        raw = {name: losses.batch_mean(values) for name, values in terms.items()}
        weighted = {name: weights[name] * value for name, value in raw.items()}
        loss = sum(weighted.values(), jnp.zeros(()))
        metrics = {f"raw/{name}": value for name, value in raw.items()}
        metrics |= {f"weighted/{name}": value for name, value in weighted.items()}
        return loss, (first, batch_stats, metrics | {"loss": loss})

    gradient, (first, batch_stats, metrics) = jax.grad(objective, has_aux=True)(regressor.params)
    errors = _landmark_error_parts(space, first, examples)
    gradient, batch_stats, metrics, (total, count) = mean_over_devices(
        (gradient, batch_stats, metrics, errors), recipe.axis_name
    )
    updates, optimizer = recipe.optimizer.update(gradient, regressor.optimizer, regressor.params)
    params = optax.apply_updates(regressor.params, updates)
    # A smaller decay in the first steps, so that the average forgets the random initial weights.
    decay = jnp.minimum(recipe.average_decay, (1.0 + state.step) / (10.0 + state.step))
    average = optax.incremental_update(params, regressor.average, 1.0 - decay)
    metrics |= {"nme68": total / count}
    metrics |= norms("regressor", gradient, updates)
    return RegressorState(params, batch_stats, optimizer, average), first.vector, metrics


def _term_weights(recipe: Recipe, state: TrainState) -> dict[str, Float[Array, ""] | float]:
    """Returns the weight of each term in this step."""
    weights = dict(vars(recipe.loss_weights))
    if recipe.critic is not None:
        weights["l_sc"] *= recipe.critic.ramp(state.step)
    return weights


def _l_sc_term(
    recipe: Recipe, state: TrainState, examples: Examples
) -> Callable[[Prediction], dict[str, Float[Array, " W"]]]:
    """Returns a function from the first prediction to the term L_sc of the in-the-wild images.

    Without annotated images the critic does not learn in this step, and the term is left out.
    """
    count = examples.annotated_count
    if recipe.critic is None or state.critic is None or not 0 < count < len(examples.image):
        return lambda prediction: {}
    l_sc = adversarial_loss(recipe.critic, state.critic.params, examples.image[count:])
    return lambda prediction: {"l_sc": l_sc(prediction.vector[count:])}


def _landmark_error_parts(
    space: FaceSpace, first: Prediction, examples: Examples
) -> tuple[Float[Array, ""], Float[Array, ""]]:
    """Returns the sum of the 68-point errors over the images of this device, and the number of summands."""
    annotated = decode(space.landmarks, weak_perspective(examples.annotation))[..., :2]
    truth = jnp.concatenate([annotated, examples.landmarks[examples.annotated_count :]])
    visible = jnp.concatenate(
        [jnp.ones(annotated.shape[:-1], bool), examples.visible[examples.annotated_count :]]
    )
    errors, known = normalized_mean_error(first.landmarks[..., :2], truth, visible)
    return jnp.sum(jnp.where(known, errors, 0.0)), jnp.sum(known.astype(jnp.float32))
