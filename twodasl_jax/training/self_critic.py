"""The self-critic's side of a step: how it judges the regressor, and its own turn (2DASL, section 3.4)."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Int, PyTree

from twodasl_jax import losses
from twodasl_jax.array_types import Array
from twodasl_jax.networks import normalize_image
from twodasl_jax.training.collectives import mean_over_devices, next_examples
from twodasl_jax.training.face_space import FaceSpace
from twodasl_jax.training.method import Examples, annotated_vectors
from twodasl_jax.training.recipe import CriticRecipe, Recipe
from twodasl_jax.training.state import CriticState, Metrics


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Pairs:
    """P pairs of an image and a coefficient vector; the first R belong together.

    Attributes:
      image: (B, 120, 120, 3) RGB, 0 to 255.
      row: (P,) which image is that of a pair; one may stand in several.
      real: (R, C) whitened vectors of the consistent pairs.
      fake: (P - R, C) whitened vectors of the others.
    """

    image: Float[Array, "B 120 120 3"]
    row: Int[Array, " P"]
    real: Float[Array, "R C"]
    fake: Float[Array, "F C"]


def judge_of(
    critic: CriticRecipe, params: PyTree, image: Float[Array, "B 120 120 3"]
) -> Callable[[Float[Array, "B C"]], Float[Array, " B"]]:
    """Returns L_sc as a function of the vectors that the regressor predicts for some images."""
    variables = {"params": params}
    latents = critic.network.apply(variables, normalize_image(image), method="encode")

    def l_sc(vectors: Float[Array, "B C"]) -> Float[Array, " B"]:
        logits = critic.network.apply(variables, latents, vectors, method="score")
        return critic.loss.fooled(jnp.asarray(logits))

    return l_sc


def critic_pairs(
    recipe: Recipe, space: FaceSpace, examples: Examples, predicted: Float[Array, "B C"]
) -> Pairs:
    """Returns what the critic learns from.

    Real are annotated images with their annotation. Fake are images in the wild with what the regressor predicted for
    them and, if the recipe says so, annotated images with the annotation of the next one.

    Args:
      recipe: what the step does.
      space: the face model.
      examples: the images.
      predicted: (B, C) whitened vectors of the first pass.
    """
    count = examples.annotated_count
    real = annotated_vectors(examples, space)
    row, fake = jnp.arange(len(examples.image)), predicted[count:]
    if recipe.critic is not None and recipe.critic.mismatched:
        row = jnp.concatenate([row, jnp.arange(count)])
        fake = jnp.concatenate([fake, next_examples(real, recipe.axis_name)])
    return jax.lax.stop_gradient(Pairs(examples.image, row, real, fake))


def critic_turn(
    critic: CriticRecipe, state: CriticState, pairs: Pairs, axis_name: str | None
) -> tuple[CriticState, Metrics]:
    """Moves the critic, as often as the recipe says; without pairs of both kinds it stays as it was.

    Returns:
      The state, and the metrics of the last update: loss, accuracy, and the norms of gradient and update.
    """
    if not (len(pairs.real) and len(pairs.fake)):
        return state, {}
    metrics: Metrics = {}
    # Not a `lax.scan`: inside a loop XLA runs convolutions on CPUs by its slow path, 30 times slower.
    for _ in range(critic.updates):
        state, metrics = _update(critic, state, pairs, axis_name)
    return state, metrics


def _update(
    critic: CriticRecipe, before: CriticState, pairs: Pairs, axis_name: str | None
) -> tuple[CriticState, Metrics]:
    gradient, report = jax.grad(_objective, argnums=1, has_aux=True)(critic, before.params, pairs)
    gradient, report = mean_over_devices((gradient, report), axis_name)
    updates, optimizer = critic.optimizer.update(gradient, before.optimizer, before.params)
    after = CriticState(optax.apply_updates(before.params, updates), optimizer)
    return after, report | norms("critic", gradient, updates)


def _objective(
    critic: CriticRecipe, params: PyTree, pairs: Pairs
) -> tuple[Float[Array, ""], Metrics]:
    variables, vectors = {"params": params}, jnp.concatenate([pairs.real, pairs.fake])
    images = normalize_image(pairs.image)
    latents = jnp.asarray(critic.network.apply(variables, images, method="encode"))
    logits = critic.network.apply(variables, latents[pairs.row], vectors, method="score")
    real, fake = jnp.split(jnp.asarray(logits), [len(pairs.real)])
    loss = losses.batch_mean(critic.loss.real(real)) + losses.batch_mean(critic.loss.fake(fake))
    right = (jnp.mean(real > critic.loss.boundary) + jnp.mean(fake <= critic.loss.boundary)) / 2
    return loss, {"critic/loss": loss, "critic/accuracy": right}


def norms(player: str, gradient: PyTree, updates: PyTree) -> Metrics:
    """Returns the lengths of a player's gradient and update, by name."""
    return {
        f"{player}/gradient_norm": optax.tree.norm(gradient),
        f"{player}/update_norm": optax.tree.norm(updates),
    }
