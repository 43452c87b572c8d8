"""Tests of mark-up files."""

import numpy as np
import pytest

from twodasl_jax.errors import DatasetError
from twodasl_jax.geometry.mirroring import LANDMARK_MIRROR
from twodasl_jax.geometry.morphable_model import LandmarkRows, landmark_space, point_space
from twodasl_jax.models.face_model import embedded_face_model
from twodasl_jax.models.mark_ups import MARK_UPS, embedded_mark_up, load_mark_up, save_mark_up


@pytest.fixture
def rows(face_model):
    return LandmarkRows(
        np.asarray(face_model.triangles)[[3, 5]].astype(np.int32),
        np.float32([[0.5, 0.25, 0.25], [1, 0, 0]]),
    )


@pytest.mark.parametrize("name", MARK_UPS)
def test_embedded_mark_up_of_another_face_model_raises(name, face_model):
    with pytest.raises(DatasetError, match=r"is a mark-up of face model .*, not of"):
        embedded_mark_up(name, face_model)


def test_300w_lp_landmarks_are_near_ibug_landmarks():
    model = embedded_face_model()
    rows = embedded_mark_up("300w_lp", model)
    placed = np.asarray(point_space(model, rows.vertices, rows.weights).mean)
    own = np.asarray(landmark_space(model).mean)
    np.testing.assert_allclose(placed[LANDMARK_MIRROR] * [-1, 1, 1], placed, atol=0.5)
    distance = np.linalg.norm(placed - own, axis=1)
    assert (distance < 8).all()
    # Known differences: the bridge of the nose is lower, and the chin lies further back.
    assert (placed[27:30, 1] < own[27:30, 1] - 1).all()
    assert placed[8, 2] < own[8, 2] - 1


def test_mark_up_survives_round_trip(tmp_path, face_model, rows):
    save_mark_up(tmp_path / "rows.npz", rows, face_model)
    again = load_mark_up(tmp_path / "rows.npz", face_model)
    np.testing.assert_array_equal(again.vertices, rows.vertices)
    np.testing.assert_array_equal(again.weights, rows.weights)
    with pytest.raises(DatasetError, match="not of"):
        load_mark_up(tmp_path / "rows.npz", embedded_face_model())


def test_file_without_face_model_fits_any_model_with_its_vertices(tmp_path, face_model, rows):
    arrays = {"landmark_vertices": rows.vertices, "landmark_weights": rows.weights}
    np.savez(tmp_path / "rows.npz", **arrays)
    np.testing.assert_array_equal(
        load_mark_up(tmp_path / "rows.npz", face_model).vertices, rows.vertices
    )
    arrays["landmark_vertices"] = rows.vertices + len(face_model.mean)
    np.savez(tmp_path / "rows.npz", **arrays)
    with pytest.raises(DatasetError, match="whole numbers from 0 to 220"):
        load_mark_up(tmp_path / "rows.npz", face_model)
