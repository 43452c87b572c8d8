"""Tests of outlier removal: planted outliers are found, and correct labels are kept."""

import dataclasses
import pathlib

import numpy as np
import pytest

from tests.helpers import formula_faces
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.models import face_model as face_model_files
from twodasl_jax.preparation.labelled_images import (
    LabelledImages,
    keep_faces,
    read_labelled_images,
)
from twodasl_jax.preparation.outliers import OutlierLimits, drop_outliers
from twodasl_jax.preparation.pseudo_3d import fit_pseudo_3d, fitted_landmarks, label_weights

COUNT = 40
# Landmarks outside the jaw: nose tip, brow, eye, mouth.
PLANTED = [30, 19, 41, 57]


@pytest.fixture(scope="module")
def truth(face_model):
    """The cameras of formula faces, and their (COUNT, 68, 2) landmarks."""
    camera, _, _, points = formula_faces.random_faces(face_model, COUNT, seed=3)
    return camera, points[..., :2]


@pytest.fixture(scope="module")
def sound(truth):
    """Faces with the noise of manual labels."""
    noise = np.random.default_rng(1).normal(scale=0.8, size=(COUNT, 68, 2)).astype(np.float32)
    return LabelledImages(
        source=pathlib.Path("faces"),
        names=tuple(formula_faces.names(COUNT)),
        landmarks=truth[1] + noise,
        visibility=np.full((COUNT, 68), 2, np.int8),
        boxes=None,
    )


def moved(images, landmarks):
    return dataclasses.replace(images, landmarks=landmarks.astype(np.float32))


def clean(model, images):
    fits = fit_pseudo_3d(landmark_space(model), images.landmarks, label_weights(images.visibility))
    return drop_outliers(images, fitted_landmarks(model, fits.vectors), fits.yaw)


def test_correct_faces_do_not_change(face_model, sound):
    cleaned, report = clean(face_model, sound)
    assert cleaned.names == sound.names
    np.testing.assert_array_equal(cleaned.landmarks, sound.landmarks)
    assert sum(report.points.values()) == report.faces == 0
    assert report.worst == ()
    assert report.compared > 50 * COUNT


def test_only_planted_outliers_are_dropped(face_model, sound):
    landmarks = sound.landmarks.copy()
    random = np.random.default_rng(2)
    angles = random.uniform(0, 2 * np.pi, (COUNT, len(PLANTED)))
    shift = 35 * np.stack([np.cos(angles), np.sin(angles)], -1)
    landmarks[::2, PLANTED] += shift[::2].astype(np.float32)
    cleaned, report = clean(face_model, moved(sound, landmarks))
    expected = np.zeros((COUNT, 68), bool)
    expected[::2, PLANTED] = True
    assert cleaned.names == sound.names
    found = np.isnan(cleaned.landmarks).any(-1)
    assert found[expected].mean() > 0.95
    assert not found[~expected].any()
    np.testing.assert_array_equal(cleaned.visibility, np.where(found, 0, 2))
    assert report.points["jaw"] == 0
    assert set(report.worst) <= set(sound.names[::2])


def test_outline_of_far_cheek_is_kept(face_model, truth, sound):
    """Moves far jaw labels towards the nose by a fifth of the face size, like manual labels."""
    yaw = np.arcsin(-truth[0].rotation[:, 0, 2])
    landmarks = sound.landmarks.copy()
    inwards = 12 * np.sign(yaw)[:, None]
    for row, far in enumerate(np.where(yaw > 0, 0, 9)):
        if abs(yaw[row]) > np.radians(15):
            landmarks[row, far : far + 8, 0] += inwards[row]
    cleaned, report = clean(face_model, moved(sound, landmarks))
    assert report.points["jaw"] == report.faces == 0
    np.testing.assert_array_equal(cleaned.landmarks, landmarks)


def test_hidden_landmarks_are_not_compared(face_model, sound):
    landmarks, visibility = sound.landmarks.copy(), sound.visibility.copy()
    landmarks[0, 30] += 40
    visibility[0, 30] = 1
    hidden = dataclasses.replace(sound, landmarks=landmarks, visibility=visibility)
    cleaned, report = clean(face_model, hidden)
    np.testing.assert_array_equal(cleaned.landmarks, landmarks)
    assert sum(report.points.values()) == 0


def test_unusable_faces_are_dropped_and_reported(face_model, sound):
    landmarks, visibility = sound.landmarks.copy(), sound.visibility.copy()
    landmarks[4] = np.random.default_rng(0).uniform(10, 110, (68, 2))
    visibility[7, 10:] = 0
    visibility[9] = 0
    bad = dataclasses.replace(sound, landmarks=landmarks, visibility=visibility)
    cleaned, report = clean(face_model, bad)
    assert report.faces == 3
    assert [name for name in sound.names if name not in cleaned.names] == [
        sound.names[row] for row in (4, 7, 9)
    ]
    assert report.worst[0] == sound.names[4]


def test_limits_match_manual_calculation():
    """Tests a face of 100 pixels, with two landmarks far off and the others off by a pixel."""
    corners = np.array([[0.0, 0.0], [100.0, 100.0]])
    fitted = np.concatenate([corners, np.full((66, 2), 50.0)])[None].astype(np.float32)
    landmarks = fitted + np.float32([1, 0])
    landmarks[0, 30], landmarks[0, 40] = [50, 59], [50, 70]
    images = LabelledImages(
        pathlib.Path("faces"), ("a",), landmarks, np.full((1, 68), 2, np.int8), None
    )
    yaw = np.zeros(1)

    def dropped(**limits):
        cleaned, _ = drop_outliers(images, fitted, yaw, OutlierLimits(**limits))
        return np.flatnonzero(np.isnan(cleaned.landmarks).any(-1)).tolist()

    # The robust standard deviation is 1 / 1.177 pixels, 0.85 % of the face size.
    assert dropped(sigmas=4, floor=0.08) == [30, 40]
    assert dropped(sigmas=4, floor=0.1) == [40]
    assert dropped(sigmas=12, floor=0.01) == [40]
    assert dropped(sigmas=30, floor=0.01) == []
    assert drop_outliers(images, fitted, yaw, OutlierLimits(misfit=0.01))[1].faces == 1
    assert drop_outliers(images, fitted, yaw, OutlierLimits(fewest_points=68))[1].faces == 1
    assert drop_outliers(images, fitted, np.full(1, np.nan))[1].faces == 1


@pytest.mark.slow
def test_manual_labels_have_few_outliers(shared_data):
    images = read_labelled_images(shared_data / "aflw68")
    some = keep_faces(images, np.arange(len(images.names)) % 25 == 0)
    cleaned, report = clean(face_model_files.embedded_face_model(), some)
    assert 0 < sum(report.points.values()) < 0.002 * report.compared
    assert report.faces < 0.005 * len(some.names)
    assert len(cleaned.names) == len(some.names) - report.faces
