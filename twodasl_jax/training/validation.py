"""Errors of a network on annotated faces, with and without input landmarks; no augmentation."""

from collections.abc import Iterator

import flax.linen as nn
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, PyTree, UInt8

from twodasl_jax.array_types import Array
from twodasl_jax.data.face_crops import VISIBLE
from twodasl_jax.evaluation.landmark_error import normalized_mean_error
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.decoder import decode, weak_perspective
from twodasl_jax.geometry.landmark_map import MapStyle, draw_landmark_map
from twodasl_jax.networks import regress
from twodasl_jax.rendering.points import compare_points, contact_sheet
from twodasl_jax.training.face_space import FaceSpace
from twodasl_jax.training.recipe import Recipe
from twodasl_jax.training.state import AnnotatedFaces

_SHEET_COLUMNS = 6
_FACES_DRAWN = 12
_CHUNK_SIZE = 128


class Validation:
    """The validation of a run on its held-out faces.

    Args:
      recipe: the components of the training step.
      space: the face model.
      faces: the held-out faces.
    """

    def __init__(self, recipe: Recipe, space: FaceSpace, faces: AnnotatedFaces):
        self._recipe, self._space, self._faces = recipe, space, faces
        self._chunk_errors = jax.jit(self._errors)
        self._chunk_landmarks = jax.jit(self._both_landmarks)

    def errors(self, variables: PyTree) -> dict[str, float]:
        """Returns the mean errors of the 68 landmarks in 2D, in percent of the face size.

        Returns:
          `without_landmarks`, with an empty landmark map, and `with_landmarks`, with a map of the visible labels.
        """
        count = len(self._faces.image)
        total: dict[str, float] = {}
        for chunk in chunks(self._faces, _CHUNK_SIZE):
            for name, value in self._chunk_errors(variables, chunk).items():
                total[name] = total.get(name, 0.0) + float(value) * len(chunk.image) / count
        return total

    def draw(self, variables: PyTree) -> UInt8[np.ndarray, "H W 3"]:
        """Draws the first faces with annotated landmarks as rings and predicted landmarks as discs."""
        faces = next(chunks(self._faces, _FACES_DRAWN))
        truth, predicted = map(np.asarray, self._chunk_landmarks(variables, faces))
        drawings = [
            compare_points(*face)
            for face in zip(np.asarray(faces.image), truth, predicted, strict=True)
        ]
        return contact_sheet(drawings, min(_SHEET_COLUMNS, len(drawings)))[::2, ::2]

    def _errors(self, variables: PyTree, faces: AnnotatedFaces) -> dict[str, Float[Array, ""]]:
        inputs = {
            "without_landmarks": no_landmarks(faces),
            "with_landmarks": visible_labels(faces),
        }
        return {
            name: jnp.mean(
                landmark_errors(self._space, self._predict(variables, faces, landmarks), faces)
            )
            for name, landmarks in inputs.items()
        }

    def _both_landmarks(
        self, variables: PyTree, faces: AnnotatedFaces
    ) -> tuple[Float[Array, "B 68 2"], Float[Array, "B 68 2"]]:
        """Returns the annotated landmarks, and those predicted with an empty landmark map, in the crop frame."""
        predicted = self._predict(variables, faces, no_landmarks(faces))
        annotated = self._space.coefficients(faces.vector)
        return _landmarks(self._space, annotated), _landmarks(self._space, predicted)

    def _predict(self, variables, faces, landmarks) -> Coefficients:
        recipe = self._recipe
        return predict_coefficients(
            recipe.network, variables, self._space, recipe.landmark_map, faces, landmarks
        )


def chunks(faces: AnnotatedFaces, size: int) -> Iterator[AnnotatedFaces]:
    """Yields consecutive parts of at most `size` faces, to bound the memory of a forward pass."""
    for start in range(0, len(faces.image), size):
        yield jax.tree.map(lambda leaf, start=start: leaf[start : start + size], faces)


def no_landmarks(faces: AnnotatedFaces) -> Float[Array, "B 68 2"]:
    """Returns the input landmarks of an empty landmark map."""
    return jnp.full_like(faces.landmarks, jnp.nan)


def visible_labels(faces: AnnotatedFaces) -> Float[Array, "B 68 2"]:
    """Returns the visible labels as input landmarks."""
    visible = (faces.visibility == VISIBLE)[..., None]
    return jnp.where(visible, faces.landmarks, jnp.nan)


def predict_coefficients(
    network: nn.Module,
    variables: PyTree,
    space: FaceSpace,
    style: MapStyle,
    faces: AnnotatedFaces,
    landmarks: Float[Array, "B 68 2"],
) -> Coefficients:
    """Returns the coefficients that a network predicts for crops without a margin.

    Args:
      network: the regressor.
      variables: its parameters and BatchNorm statistics.
      space: the face model.
      style: the style of the landmark map.
      faces: the crops.
      landmarks: (B, 68, 2) the input landmarks in the crop frame; nan for a missing one.
    """
    maps = draw_landmark_map(landmarks, style)
    return space.coefficients(regress(network, variables, space.whitening, faces.image, maps))


def landmark_errors(
    space: FaceSpace, predicted: Coefficients, faces: AnnotatedFaces, dimensions: int = 2
) -> Float[Array, " B"]:
    """Returns the NME of the 68 landmarks of each face against its annotation, in percent.

    Args:
      space: the face model.
      predicted: the predicted coefficients of the faces.
      faces: the annotated faces.
      dimensions: 2 to compare x and y, 3 to compare the depth as well.
    """
    points = _landmarks(space, predicted, dimensions)
    truth = _landmarks(space, space.coefficients(faces.vector), dimensions)
    return normalized_mean_error(points, truth, jnp.ones(truth.shape[:-1], bool))[0]


def _landmarks(
    space: FaceSpace, coefficients: Coefficients, dimensions: int = 2
) -> Float[Array, "B 68 D"]:
    return decode(space.landmarks, weak_perspective(coefficients))[..., :dimensions]
