"""A test set together with the scores that its protocol defines."""

import pathlib
from collections.abc import Callable
from typing import NamedTuple

from twodasl_jax.geometry.morphable_model import LandmarkRows, MorphableModel
from twodasl_jax.models.mark_ups import embedded_mark_up, load_mark_up
from twodasl_jax.protocols.annotated_photos import AnnotatedPhotos
from twodasl_jax.protocols.predictions import Predictions
from twodasl_jax.protocols.scoring import FaceErrors, landmark_scores, pose_scores

# The scored points: the landmarks of the face model itself, or those of AFLW2000-3D on the embedded face model.
MODEL_LANDMARKS, AFLW2000_LANDMARKS = "model", "300w_lp"


class TestSet(NamedTuple):
    """A test set and its protocol.

    Attributes:
      photos: the annotated photos.
      points: the points that are scored on the embedded face model by default; see `scored_rows`.
      score_meshes: the function that scores meshes; None if the protocol scores no meshes.
    """

    photos: AnnotatedPhotos
    points: str = MODEL_LANDMARKS
    score_meshes: Callable[[AnnotatedPhotos, Predictions], list[FaceErrors]] | None = None

    def scores(self, predictions: Predictions) -> list[FaceErrors]:
        """Returns the landmark, pose and mesh errors of predictions on the photos."""
        scores = landmark_scores(self.photos, predictions) + pose_scores(self.photos, predictions)
        if self.score_meshes is not None:
            scores += self.score_meshes(self.photos, predictions)
        return scores


def scored_rows(points: str, model: MorphableModel) -> LandmarkRows | None:
    """Returns the positions on the mesh of the points that are scored.

    Args:
      points: `MODEL_LANDMARKS`, `AFLW2000_LANDMARKS` or the path of a mark-up file.
      model: the face model.

    Returns:
      The rows, or None for the model's own landmarks.

    Raises:
      DatasetError: the file is missing or damaged, or it belongs to another face model.
    """
    if points == MODEL_LANDMARKS:
        return None
    if points == AFLW2000_LANDMARKS:
        return embedded_mark_up(points, model)
    return load_mark_up(pathlib.Path(points), model)
