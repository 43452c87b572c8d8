"""Pseudo 3D annotations: the jaw repair by hand, and faces that are known."""

import jax
import numpy as np

from tests.data import faces
from twodasl_jax.data.pseudo_3d import drop_far_jaw, fit_pseudo_3d, label_weights
from twodasl_jax.geometry.coefficients import coefficients_from_official
from twodasl_jax.geometry.morphable_model import landmark_space, synthesize
from twodasl_jax.geometry.projection import picture_from_model_affine


def test_the_jaw_is_dropped_on_the_side_that_the_nose_points_to():
    landmarks = np.zeros((3, 68, 2), np.float32)
    kept = ~np.isnan(drop_far_jaw(landmarks, np.radians([30.0, -30.0, 5.0]))).any(-1)
    assert kept[0].nonzero()[0].tolist() == list(range(8, 68))
    assert kept[1].nonzero()[0].tolist() == [*range(9), *range(17, 68)]
    assert kept[2].all()
    assert not np.isnan(landmarks).any()


def test_hidden_points_count_nothing_and_the_jaw_counts_less():
    visibility = np.full((1, 68), 2)
    visibility[0, [3, 40]] = 1, 0
    weights = label_weights(visibility)[0]
    assert weights[3] == weights[40] == 0
    assert 0 < weights[0] < weights[20] == 1


def test_known_faces_are_found(face_model, pseudo_3d):
    camera, _, _, points = faces.random_faces(face_model)
    found = coefficients_from_official(pseudo_3d.vectors)
    fitted = picture_from_model_affine(
        found.affine, synthesize(landmark_space(face_model), found.shape, found.expression)
    )
    visible = np.ones((faces.COUNT, 68), bool)
    visible[::5, 17:22] = False
    distance = np.linalg.norm(np.asarray(fitted) - points, axis=-1)[..., 17:][visible[:, 17:]]
    assert np.median(distance) < 1.0
    yaw = np.degrees(np.arcsin(-camera.rotation[:, 0, 2]))
    assert np.median(np.abs(np.degrees(pseudo_3d.yaw) - yaw)) < 3
    assert np.percentile(pseudo_3d.error, 90) < 0.02


def test_results_are_finite_and_one_each(pseudo_3d):
    assert pseudo_3d.vectors.shape == (faces.COUNT, 62)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(vars(pseudo_3d)))


def test_a_face_without_enough_points_is_marked(face_model):
    points = faces.random_faces(face_model, 3)[-1][..., :2]
    visibility = np.full((3, 68), 2)
    visibility[1] = 1
    visibility[2, 5:] = 1
    fits = fit_pseudo_3d(face_model, points, visibility)
    assert np.isfinite(fits.error).tolist() == [True, False, False]
    assert np.isfinite(fits.vectors).all()
