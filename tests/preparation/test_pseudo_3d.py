"""Tests of pseudo annotations: the treatment of the jaw, and fits to known faces."""

import hypothesis
import hypothesis.strategies as st
import jax
import numpy as np

from tests.helpers import formula_faces
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.preparation.pseudo_3d import (
    Pseudo3D,
    drop_far_jaw,
    estimate_yaw,
    fit_error,
    fit_pseudo_3d,
    fitted_landmarks,
    label_weights,
)


def test_jaw_is_dropped_on_far_side():
    landmarks = np.zeros((3, 68, 2), np.float32)
    kept = ~np.isnan(drop_far_jaw(landmarks, np.radians([30.0, -30.0, 5.0]))).any(-1)
    assert kept[0].nonzero()[0].tolist() == list(range(8, 68))
    assert kept[1].nonzero()[0].tolist() == [*range(9), *range(17, 68)]
    assert kept[2].all()
    assert not np.isnan(landmarks).any()


def test_hidden_landmarks_have_zero_weight_and_jaw_has_lower_weight():
    visibility = np.full((1, 68), 2)
    visibility[0, [3, 40]] = 1, 0
    weights = label_weights(visibility)[0]
    assert weights[3] == weights[40] == 0
    assert 0 < weights[0] < weights[20] == 1


def test_fit_recovers_known_faces(face_model, pseudo_3d):
    camera, _, _, points = formula_faces.random_faces(face_model)
    fitted = fitted_landmarks(face_model, pseudo_3d.vectors)
    visible = np.ones((formula_faces.COUNT, 68), bool)
    visible[::5, 17:22] = False
    distance = np.linalg.norm(fitted - points[..., :2], axis=-1)[..., 17:][visible[:, 17:]]
    assert np.median(distance) < 1.0
    yaw = np.degrees(np.arcsin(-camera.rotation[:, 0, 2]))
    assert np.median(np.abs(np.degrees(pseudo_3d.yaw) - yaw)) < 3
    assert np.percentile(pseudo_3d.error, 90) < 0.02


def test_results_are_finite(pseudo_3d):
    assert pseudo_3d.vectors.shape == (formula_faces.COUNT, 62)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(vars(pseudo_3d)))


def test_faces_with_too_few_landmarks_are_marked(face_model, crops):
    visibility = crops.visibility.copy()
    visibility[1] = 1
    visibility[2, 5:] = 1
    fits = fit_pseudo_3d(landmark_space(face_model), crops.landmarks, label_weights(visibility))
    assert np.flatnonzero(np.isinf(fits.error)).tolist() == [1, 2]
    assert np.flatnonzero(np.isnan(fits.yaw)).tolist() == [1, 2]
    assert np.flatnonzero(fits.confidence == 0).tolist() == [1, 2]
    assert np.isfinite(fits.vectors).all()
    yaw = estimate_yaw(face_model, crops.landmarks, visibility)
    assert np.flatnonzero(np.isnan(yaw)).tolist() == [1, 2]


def test_yaw_estimate_matches_full_fit(face_model, crops, pseudo_3d):
    yaw = estimate_yaw(face_model, crops.landmarks, crops.visibility)
    assert np.percentile(np.abs(np.degrees(yaw - pseudo_3d.yaw)), 90) < 6


def test_fit_is_independent_of_frame(face_model, crops, pseudo_3d):
    """Fits the same landmarks at eight times the size, far from the origin."""
    moved = 8 * crops.landmarks + np.float32([1500, 900])
    fits = fit_pseudo_3d(landmark_space(face_model), moved, label_weights(crops.visibility))
    np.testing.assert_allclose(fits.error, pseudo_3d.error, atol=2e-3)
    back = (fitted_landmarks(face_model, fits.vectors) - [1500, 900]) / 8
    same = fitted_landmarks(face_model, pseudo_3d.vectors)
    assert np.median(np.abs(back - same)) < 0.05


def confidence(error):
    return Pseudo3D(np.zeros((len(error), 62)), np.zeros(len(error)), error).confidence


def test_error_and_confidence_match_manual_calculation():
    misfit, points = np.float32([0, 0.03, 0, 0.04, np.inf]), np.array([68, 68, 17, 34, 1])
    error = np.asarray(fit_error(misfit, points))
    expected = [0, 0.03, 0.03 * np.sqrt(np.log(4)), np.sqrt(0.0016 + 0.0009 * np.log(2)), np.inf]
    np.testing.assert_allclose(error, expected, rtol=1e-6)
    np.testing.assert_allclose(
        confidence(error), [1, np.exp(-1), 0.25, np.exp(-16 / 9) / 2, 0], rtol=1e-5
    )


@hypothesis.given(
    misfits=st.tuples(st.floats(0, 0.25, width=32), st.floats(0, 0.25, width=32)),
    counts=st.tuples(st.integers(6, 68), st.integers(6, 68)),
)
def test_worse_fit_to_fewer_landmarks_has_lower_confidence(misfits, counts):
    misfit = np.sort(np.float32(misfits))
    error = np.asarray(fit_error(misfit, np.sort(counts)[::-1]))
    assert error[0] <= error[1]
    assert (error >= misfit * (1 - 1e-6)).all()
    trust = confidence(error)
    assert 0 <= trust[1] <= trust[0] <= 1
