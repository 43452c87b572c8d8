"""Landmark and pose errors of test sets, compared with NumPy, and faces without a prediction."""

import dataclasses

import numpy as np
import pytest

from tests.helpers.protocol_files import write_aflw_lfpa, write_annotations
from twodasl_jax.geometry.landmark_sets import REGIONS
from twodasl_jax.protocols.aflw_lfpa import read_aflw_lfpa
from twodasl_jax.protocols.annotations import read_annotated_photos
from twodasl_jax.protocols.predictions import Predictions
from twodasl_jax.protocols.scoring import landmark_scores, pose_scores


@pytest.fixture
def photos(tmp_path, faces):
    reannotated = faces.points[..., :2].swapaxes(1, 2) + 3
    write_annotations(tmp_path, faces, pts68_reannotated=reannotated, pose=faces.pose)
    return read_annotated_photos(tmp_path)


@pytest.fixture
def predictions(faces):
    noise = np.random.default_rng(1).normal(0, 4, faces.points.shape)
    return Predictions("mine", (faces.points + noise).astype("f"))


def by_name(scores):
    return {(score.metric, score.reference): score for score in scores}


def test_metrics_match_numpy(photos, predictions, faces):
    scores = by_name(landmark_scores(photos, predictions))
    truth, found = faces.points.astype(np.float64), predictions.landmarks.astype(np.float64)
    width, height = np.ptp(truth[..., :2], axis=1).T
    flat = np.linalg.norm((found - truth)[..., :2], axis=-1)
    size = np.sqrt(width * height)
    deep = found - truth
    deep[..., 2] -= deep[..., 2].mean(axis=1, keepdims=True)
    expected = {
        "nme68_2d": flat.mean(axis=1) / size,
        "nme68_2d_box_diagonal": flat.mean(axis=1) / np.hypot(width, height),
        "nme68_2d_inter_ocular": flat.mean(axis=1)
        / np.linalg.norm(truth[:, 36, :2] - truth[:, 45, :2], axis=1),
        "nme68_3d": np.linalg.norm(deep, axis=-1).mean(axis=1) / size,
        **{f"nme68_2d_{name}": flat[:, rows].mean(axis=1) / size for name, rows in REGIONS.items()},
    }
    for metric, errors in expected.items():
        score = scores[metric, "original"]
        assert score.unit == "%"
        assert score.defined.all()
        np.testing.assert_allclose(score.values, 100 * errors, rtol=1e-4)
    similarity = scores["nme68_3d_similarity", "original"].values
    assert (similarity < scores["nme68_3d", "original"].values).all()
    assert not any(metric.endswith("visible") for metric, _ in scores)


def test_annotation_sets_have_separate_errors(photos, predictions, faces):
    scores = by_name(landmark_scores(photos, predictions))
    assert not any(metric.startswith("nme68_3d") for metric, ref in scores if ref == "reannotated")
    moved = dataclasses.replace(predictions, landmarks=predictions.landmarks[..., :2] + 3)
    moved_scores = by_name(landmark_scores(photos, moved))
    np.testing.assert_allclose(
        moved_scores["nme68_2d", "reannotated"].values,
        scores["nme68_2d", "original"].values,
        rtol=1e-3,
    )
    assert ("nme68_3d", "original") not in moved_scores


def test_face_without_prediction_is_nan_in_all_metrics(photos, predictions):
    landmarks = predictions.landmarks.copy()
    landmarks[2] = np.nan
    for score in landmark_scores(photos, Predictions("mine", landmarks)):
        assert np.isnan(score.values).tolist() == [False, False, True, False, False, False]
        assert score.defined.all()


def test_visible_metric_ignores_hidden_landmarks(tmp_path, faces, predictions):
    visible = np.ones((6, 68))
    visible[:, :17] = 0
    visible[5] = 0
    write_annotations(tmp_path, faces, visible=visible)
    scores = by_name(landmark_scores(read_annotated_photos(tmp_path), predictions))
    inner = np.linalg.norm((predictions.landmarks - faces.points)[:, 17:, :2], axis=-1).mean(axis=1)
    size = np.sqrt(np.prod(np.ptp(faces.points[..., :2], axis=1), axis=1))
    score = scores["nme68_2d_visible", "original"]
    np.testing.assert_allclose(score.values[:5], (100 * inner / size)[:5], rtol=1e-4)
    # The error of a face without visible landmarks is undefined. This is not a failure of the method.
    assert score.defined.tolist() == [True] * 5 + [False]
    assert scores["nme68_2d", "original"].defined.all()


def test_lfpa_errors_are_divided_by_size_of_published_box(tmp_path, faces):
    points = faces.points[:2, 17:51, :2]
    boxes = np.array([[0.0, 0.0, 100.0, 400.0], [0.0, 0.0, 50.0, 50.0]])
    visible = np.ones((2, 34))
    visible[:, 20:] = 0
    write_aflw_lfpa(tmp_path, points, visible, boxes)
    found = points + np.array([3.0, 4.0])
    found[:, 20:] += 1000
    (score,) = (
        score
        for score in landmark_scores(
            read_aflw_lfpa(tmp_path), Predictions("mine", found.astype("f"))
        )
        if score.metric == "nme34_2d"
    )
    np.testing.assert_allclose(score.values, [100 * 5 / 200, 100 * 5 / 50], rtol=1e-4)


def test_pose_errors(photos, faces):
    rotated = (faces.pose + np.array([3.0, 0.0, 0.0])).astype("f")
    scores = {
        score.metric: score
        for score in pose_scores(photos, Predictions("m", faces.points, None, rotated))
    }
    np.testing.assert_allclose(scores["pose_yaw"].values, 3, atol=1e-3)
    np.testing.assert_allclose(scores["pose_roll"].values, 0, atol=1e-3)
    assert (scores["pose_rotation"].values < 3.01).all()
    far = dataclasses.replace(photos, pose=photos.pose + np.array([20, 0, 0], "f"))
    scores = {
        score.metric: score
        for score in pose_scores(far, Predictions("m", faces.points, None, rotated))
    }
    assert scores["pose_yaw"].defined.tolist() == [True] * 5 + [False]
    assert scores["pose_rotation"].defined.all()
    assert pose_scores(photos, Predictions("m", faces.points)) == []
