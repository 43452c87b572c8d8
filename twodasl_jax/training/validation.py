"""How well the network of a running training does on held-out faces of its own data."""

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PyTree, UInt8

from twodasl_jax.array_types import Array
from twodasl_jax.data.face_crops import VISIBLE
from twodasl_jax.evaluation.landmark_error import normalized_mean_error
from twodasl_jax.geometry.coefficients import unwhiten
from twodasl_jax.geometry.landmark_map import draw_landmark_map
from twodasl_jax.networks import network_input
from twodasl_jax.rendering.points import compare_points, contact_sheet
from twodasl_jax.training.face_space import FaceSpace, project
from twodasl_jax.training.recipe import Recipe
from twodasl_jax.training.state import AnnotatedFaces

_SHEET_COLUMNS = 6


def validation_errors(
    recipe: Recipe, space: FaceSpace, variables: PyTree, faces: AnnotatedFaces
) -> dict[str, Float[Array, ""]]:
    """Measures x and y of the 68 annotated points of a batch, in percent of the faces' size.

    Returns:
      The mean error `without_landmarks`, the landmark map empty, and `with_landmarks`, the visible labels in it.
    """
    truth = project(space.coefficients(faces.vector), space.landmarks)[..., :2]
    all_points = jnp.ones(truth.shape[:-1], bool)
    visible = faces.visibility == VISIBLE

    def error(landmarks):
        predicted = _predict(recipe, space, variables, faces, landmarks)
        return jnp.mean(normalized_mean_error(predicted, truth, all_points)[0])

    return {
        "without_landmarks": error(jnp.full_like(faces.landmarks, jnp.nan)),
        "with_landmarks": error(jnp.where(visible[..., None], faces.landmarks, jnp.nan)),
    }


def validation_points(
    recipe: Recipe, space: FaceSpace, variables: PyTree, faces: AnnotatedFaces
) -> tuple[Float[Array, "B 68 2"], Float[Array, "B 68 2"]]:
    """Returns the annotated and the predicted points of a few faces, the landmark map empty, crop frame."""
    truth = project(space.coefficients(faces.vector), space.landmarks)[..., :2]
    nothing = jnp.full_like(faces.landmarks, jnp.nan)
    return truth, _predict(recipe, space, variables, faces, nothing)


def draw_validation(
    images: UInt8[np.ndarray, "B 120 120 3"],
    truth: Float[np.ndarray, "B 68 2"],
    predicted: Float[np.ndarray, "B 68 2"],
) -> UInt8[np.ndarray, "H W 3"]:
    """Returns a sheet of the faces with annotated points as rings and predicted ones as discs."""
    drawings = [compare_points(*face) for face in zip(images, truth, predicted, strict=True)]
    return contact_sheet(drawings, min(_SHEET_COLUMNS, len(drawings)))


def _predict(recipe, space, variables, faces, landmarks) -> Float[Array, "B 68 2"]:
    inputs = network_input(faces.image, draw_landmark_map(landmarks, recipe.landmark_map))
    vector = recipe.network.apply(variables, inputs, train=False)
    return project(space.coefficients(unwhiten(vector, space.whitening)), space.landmarks)[..., :2]
