"""The adversarial loss of the regressor and the critic update (2DASL, section 3.4)."""

import dataclasses
from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Float, Int, PyTree

from twodasl_jax import losses
from twodasl_jax.array_types import Array
from twodasl_jax.networks import normalize_image
from twodasl_jax.training.devices import mean_over_devices, next_examples
from twodasl_jax.training.face_space import FaceSpace
from twodasl_jax.training.method import Examples, annotated_vectors
from twodasl_jax.training.recipe import CriticRecipe, Recipe
from twodasl_jax.training.state import CriticState, Metrics


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Pairs:
    """R + F pairs of an image and a coefficient vector: R consistent pairs, then F inconsistent ones.

    Attributes:
      image: (B, 120, 120, 3) RGB, 0 to 255.
      row: (R + F,) the index of the image of each pair. An image may belong to several pairs.
      real: (R, C) whitened vectors of the consistent pairs.
      fake: (F, C) whitened vectors of the inconsistent pairs.
    """

    image: Float[Array, "B 120 120 3"]
    row: Int[Array, " P"]
    real: Float[Array, "R C"]
    fake: Float[Array, "F C"]


def adversarial_loss(
    critic: CriticRecipe, params: PyTree, image: Float[Array, "B 120 120 3"]
) -> Callable[[Float[Array, "B C"]], Float[Array, " B"]]:
    """Returns L_sc of images as a function of the whitened vectors that the regressor predicts for them."""
    variables = {"params": params}
    latents = critic.network.apply(variables, normalize_image(image), method="encode")

    def l_sc(vectors: Float[Array, "B C"]) -> Float[Array, " B"]:
        logits = critic.network.apply(variables, latents, vectors, method="score")
        return critic.loss.regressor(jnp.asarray(logits))

    return l_sc


def critic_pairs(
    recipe: Recipe, space: FaceSpace, examples: Examples, predicted: Float[Array, "B C"]
) -> Pairs:
    """Returns the pairs for the critic update.

    Annotated images with their annotations are real. In-the-wild images with predictions are fake and, if the recipe
    has mismatched pairs, so are annotated images with the annotation of the next image.

    Args:
      recipe: the components of the step.
      space: the face model.
      examples: the images and annotations.
      predicted: (B, C) whitened vectors of the first pass.
    """
    count = examples.annotated_count
    real = annotated_vectors(examples, space)
    row, fake = jnp.arange(len(examples.image)), predicted[count:]
    if recipe.critic is not None and recipe.critic.mismatched:
        row = jnp.concatenate([row, jnp.arange(count)])
        fake = jnp.concatenate([fake, next_examples(real, recipe.axis_name)])
    return jax.lax.stop_gradient(Pairs(examples.image, row, real, fake))


def update_critic(
    critic: CriticRecipe, state: CriticState, pairs: Pairs, axis_name: str | None
) -> tuple[CriticState, Metrics]:
    """Applies the critic updates of one step. Without pairs of both kinds the state does not change.

    Returns:
      The new state and the metrics of the last update: loss, accuracy, and the norms of gradient and update.
    """
    if not (len(pairs.real) and len(pairs.fake)):
        return state, {}
    metrics: Metrics = {}
    # Unrolled, because XLA on CPUs compiles convolutions inside `lax.scan` to code that is 30 times slower.
    for _ in range(critic.updates):
        state, metrics = _update_once(critic, state, pairs, axis_name)
    return state, metrics


def _update_once(
    critic: CriticRecipe, state: CriticState, pairs: Pairs, axis_name: str | None
) -> tuple[CriticState, Metrics]:
    gradient, metrics = jax.grad(_critic_loss, argnums=1, has_aux=True)(critic, state.params, pairs)
    gradient, metrics = mean_over_devices((gradient, metrics), axis_name)
    updates, optimizer = critic.optimizer.update(gradient, state.optimizer, state.params)
    new_state = CriticState(optax.apply_updates(state.params, updates), optimizer)
    return new_state, metrics | norms("critic", gradient, updates)


def _critic_loss(
    critic: CriticRecipe, params: PyTree, pairs: Pairs
) -> tuple[Float[Array, ""], Metrics]:
    variables, vectors = {"params": params}, jnp.concatenate([pairs.real, pairs.fake])
    images = normalize_image(pairs.image)
    latents = jnp.asarray(critic.network.apply(variables, images, method="encode"))
    logits = critic.network.apply(variables, latents[pairs.row], vectors, method="score")
    real, fake = jnp.split(jnp.asarray(logits), [len(pairs.real)])
    loss = losses.batch_mean(critic.loss.real(real)) + losses.batch_mean(critic.loss.fake(fake))
    accuracy = (jnp.mean(real > critic.loss.boundary) + jnp.mean(fake <= critic.loss.boundary)) / 2
    return loss, {"critic/loss": loss, "critic/accuracy": accuracy}


def norms(network: str, gradient: PyTree, updates: PyTree) -> Metrics:
    """Returns the global norms of the gradient and of the update of a network, as metrics with its name."""
    return {
        f"{network}/gradient_norm": optax.tree.norm(gradient),
        f"{network}/update_norm": optax.tree.norm(updates),
    }
