"""The baseline without a network: the face model fitted to known landmarks."""

import numpy as np
import pytest

from tests.helpers import formula_faces as formula
from twodasl_jax.geometry.frames import image_from_crop
from twodasl_jax.protocols.annotated_photos import AnnotatedPhotos
from twodasl_jax.protocols.landmark_fit import fit_predictions

COUNT = 5
BOXES = np.tile(np.float32([[100, 50, 340, 290]]), (COUNT, 1))


@pytest.fixture(scope="module")
def truth(face_model):
    """Returns (COUNT, 68, 3) landmarks in the image frame."""
    return np.asarray(image_from_crop(formula.random_faces(face_model, COUNT, 7)[-1], BOXES))


@pytest.fixture(scope="module")
def photos():
    names = tuple(f"face{row}" for row in range(COUNT))
    return AnnotatedPhotos(names, (), BOXES, "given", {})


@pytest.fixture(scope="module")
def fitted(face_model, photos, truth):
    points = truth[..., :2].copy()
    points[3] = np.nan
    # The fit ignores the jaw.
    points[4, :17] = 0
    return fit_predictions(face_model, photos, points)


def test_fits_inner_landmarks_and_predicts_jaw(fitted, truth):
    errors = np.linalg.norm(fitted.landmarks[..., :2] - truth[..., :2], axis=-1)
    # Pixels of the photos, which are half as large as crop pixels.
    assert (errors[[0, 1, 2, 4], 17:].mean(axis=1) < 4).all()
    assert (errors[[0, 1, 2, 4], :17].mean(axis=1) < 16).all()


def test_face_without_landmarks_has_no_prediction(fitted):
    assert fitted.missing() == [3]
    assert all(np.isnan(values[3]).all() for values in (fitted.pose, fitted.shape, fitted.vertices))


def test_landmarks_lie_on_meshes(fitted, face_model):
    corners = fitted.vertices[:, face_model.landmark_vertices]
    expected = np.einsum("lk,nlkd->nld", face_model.landmark_weights, corners)
    np.testing.assert_allclose(fitted.landmarks, expected, atol=2e-2)
