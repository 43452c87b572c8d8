"""Errors of dense meshes on rendered faces, and of the mean face."""

import dataclasses

import numpy as np
import pytest

from tests.helpers.protocol_files import write_synthetic
from twodasl_jax.errors import DatasetError
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.geometry.projection import WeakPerspective, affine_from_camera
from twodasl_jax.protocols.predictions import Predictions
from twodasl_jax.protocols.synthetic import mesh_scores, read_synthetic


@pytest.fixture(scope="module")
def test_set(tmp_path_factory, faces, face_model):
    folder = tmp_path_factory.mktemp("synthetic")
    write_synthetic(folder, faces, face_model)
    return read_synthetic(folder)


def meshes(camera, model, shape, expression):
    affine = affine_from_camera(camera)
    coefficients = Coefficients(affine, shape.astype("f"), expression.astype("f"))
    return np.asarray(decode(model, coefficients))


@pytest.fixture(scope="module")
def truth(faces, face_model):
    vertices = meshes(faces.camera, face_model, faces.shape, faces.expression)
    return Predictions("truth", faces.points, vertices, shape=faces.shape.astype("f"))


def by_metric(scores):
    return {score.metric: score.values for score in scores}


def test_truth_has_no_error_and_mean_face_has_one(test_set, truth):
    photos, known = test_set
    scores = by_metric(mesh_scores(known, photos, truth))
    assert list(scores) == sorted(scores)
    for metric, errors in scores.items():
        limit = 0.05 if metric.startswith("dense") else 5e-3
        if metric.endswith("mean_face"):
            assert (errors > 1).all()
        else:
            assert (errors < limit).all()


def test_mean_face_as_prediction_equals_baseline(test_set, truth, faces, face_model):
    photos, known = test_set
    mean = meshes(faces.camera, face_model, 0 * faces.shape, 0 * faces.expression)
    predicted = dataclasses.replace(truth, vertices=mean, shape=0 * truth.shape)
    scores = by_metric(mesh_scores(known, photos, predicted))
    for metric in ("mesh", "identity"):
        np.testing.assert_allclose(scores[metric], scores[f"{metric}_mean_face"], rtol=1e-3)


def test_mesh_error_does_not_depend_on_camera_scale(test_set, truth, face_model, faces):
    photos, known = test_set
    scaled = WeakPerspective(
        faces.camera.scale * 3, faces.camera.rotation, faces.camera.translation
    )
    random = np.random.default_rng(0)
    shape = faces.shape + random.normal(0, 0.3, faces.shape.shape)
    errors = []
    for camera in (faces.camera, scaled):
        vertices = meshes(camera, face_model, shape, faces.expression)
        predicted = dataclasses.replace(truth, vertices=vertices)
        errors.append(by_metric(mesh_scores(known, photos, predicted))["mesh"])
    np.testing.assert_allclose(*errors, rtol=1e-3)


def test_identity_error_matches_numpy(test_set, truth, faces, face_model):
    photos, known = test_set
    shape = faces.shape + np.random.default_rng(0).normal(0, 0.5, faces.shape.shape)
    predicted = dataclasses.replace(truth, shape=shape.astype("f"))
    errors = by_metric(mesh_scores(known, photos, predicted))["identity"]
    tip = np.asarray(landmark_space(face_model).mean)[30]
    near = np.linalg.norm(face_model.mean - tip, axis=1) <= 95
    assert 50 < near.sum() < len(near)
    basis = (face_model.shape_basis * face_model.shape_std).astype(np.float64)
    for row in range(len(errors)):
        source, target = (
            (face_model.mean + basis @ values)[near] for values in (shape[row], faces.shape[row])
        )
        source, target = source - source.mean(axis=0), target - target.mean(axis=0)
        u, _, vt = np.linalg.svd(target.T @ source)
        rotation = u @ np.diag([1, 1, np.linalg.det(u @ vt)]) @ vt
        distance = np.linalg.norm(source @ rotation.T - target, axis=1).mean()
        assert errors[row] == pytest.approx(distance, rel=1e-3)


def test_scores_other_topologies_by_nearest_points(test_set, truth):
    photos, known = test_set
    every = truth.vertices
    # The vertices and the midpoints between them: another mesh of the same surface.
    grid = every.reshape(len(every), 13, 17, 3)
    finer = np.concatenate([grid, (grid[:, :, 1:] + grid[:, :, :-1]) / 2], axis=2).reshape(
        len(every), -1, 3
    )
    landmarks = truth.landmarks.copy()
    finer[2], landmarks[2] = np.nan, np.nan
    scores = by_metric(mesh_scores(known, photos, Predictions("other", landmarks, finer)))
    assert list(scores) == [
        "mesh_point_to_point",
        "mesh_point_to_plane",
        "mesh_point_to_point_mean_face",
        "mesh_point_to_plane_mean_face",
    ]
    assert np.isnan(scores["mesh_point_to_plane"]).tolist() == [
        False,
        False,
        True,
        False,
        False,
        False,
    ]
    found = [0, 1, 3, 4, 5]
    assert (scores["mesh_point_to_point"][found] < 0.05).all()
    assert (scores["mesh_point_to_plane_mean_face"] > 0.3).all()


def test_rejects_unsuitable_predictions(test_set, truth):
    photos, known = test_set
    assert mesh_scores(known, photos, Predictions("mine", truth.landmarks)) == []
    with pytest.raises(DatasetError, match=r"39 shape coefficients per face.*has 40"):
        mesh_scores(known, photos, dataclasses.replace(truth, shape=truth.shape[:, :39]))
    flat = Predictions("mine", truth.landmarks[..., :2], truth.vertices[:, :50])
    with pytest.raises(DatasetError, match="They need landmarks with x, y and z"):
        mesh_scores(known, photos, flat)


def test_rejects_test_set_with_misshapen_coefficients(tmp_path, faces, face_model):
    write_synthetic(tmp_path, faces, face_model)
    arrays = dict(np.load(tmp_path / "annotations.npz"))
    np.savez(tmp_path / "annotations.npz", **{**arrays, "shape": arrays["shape"][:, :7]})
    with pytest.raises(DatasetError, match=r"shape has shape \(6, 7\), expected \(6, 40\)"):
        read_synthetic(tmp_path)
