"""How well the network of a running training does on held-out faces of its own data."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Float, PyTree

from twodasl_jax.array_types import Array
from twodasl_jax.geometry.coefficients import unwhiten
from twodasl_jax.geometry.landmark_map import INNER_POINTS, hard_landmark_map
from twodasl_jax.networks import network_input
from twodasl_jax.training.step import FaceSpace, TrainBatch, landmarks_3d


def validation_errors(
    network: nn.Module, space: FaceSpace, variables: PyTree, batch: TrainBatch
) -> dict[str, Float[Array, ""]]:
    """Measures x and y of the 68 fitted points of a batch, in percent of the faces' size.

    Returns:
      The mean error `without_landmarks`, the landmark map empty, and `with_landmarks`, the labels in it.
    """
    truth = landmarks_3d(space.coefficients(batch.vector), space.landmarks)
    extent = jnp.ptp(truth[..., :2], axis=1)
    size = jnp.sqrt(extent[:, 0] * extent[:, 1])

    def error(points):
        inputs = network_input(batch.image, hard_landmark_map(points))
        vector = network.apply(variables, inputs, train=False)
        predicted = landmarks_3d(
            space.coefficients(unwhiten(vector, space.whitening)), space.landmarks
        )
        distance = jnp.linalg.norm((predicted - truth)[..., :2], axis=-1)
        return 100 * jnp.mean(jnp.mean(distance, axis=-1) / size)

    labels = batch.landmarks[:, INNER_POINTS]
    return {
        "without_landmarks": error(jnp.full_like(labels, jnp.nan)),
        "with_landmarks": error(labels),
    }
