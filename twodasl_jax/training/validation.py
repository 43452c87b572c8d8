"""How well the network of a running training does on held-out faces of its own data."""

import jax.numpy as jnp
from jaxtyping import Float, PyTree

from twodasl_jax.array_types import Array
from twodasl_jax.evaluation.landmark_error import normalized_mean_error
from twodasl_jax.geometry.coefficients import unwhiten
from twodasl_jax.geometry.landmark_map import draw_landmark_map
from twodasl_jax.networks import network_input
from twodasl_jax.training.face_space import FaceSpace, project
from twodasl_jax.training.recipe import Recipe
from twodasl_jax.training.state import AnnotatedFaces


def validation_errors(
    recipe: Recipe, space: FaceSpace, variables: PyTree, faces: AnnotatedFaces
) -> dict[str, Float[Array, ""]]:
    """Measures x and y of the 68 annotated points of a batch, in percent of the faces' size.

    Returns:
      The mean error `without_landmarks`, the landmark map empty, and `with_landmarks`, the labels in it.
    """
    truth = project(space.coefficients(faces.vector), space.landmarks)[..., :2]
    all_points = jnp.ones(truth.shape[:-1], bool)

    def error(landmarks):
        inputs = network_input(faces.image, draw_landmark_map(landmarks, recipe.landmark_map))
        vector = recipe.network.apply(variables, inputs, train=False)
        predicted = project(space.coefficients(unwhiten(vector, space.whitening)), space.landmarks)
        return jnp.mean(normalized_mean_error(predicted[..., :2], truth, all_points)[0])

    return {
        "without_landmarks": error(jnp.full_like(faces.landmarks, jnp.nan)),
        "with_landmarks": error(faces.landmarks),
    }
