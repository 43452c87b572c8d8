"""Files that say where points lie on a face model's mesh."""

import numpy as np
import pytest

from twodasl_jax.errors import DatasetError
from twodasl_jax.geometry.mirroring import LANDMARK_MIRROR
from twodasl_jax.geometry.morphable_model import LandmarkRows, landmark_space, point_space
from twodasl_jax.models.face_model import embedded_face_model
from twodasl_jax.models.point_rows import MARK_UPS, known_rows, read_point_rows, write_point_rows


@pytest.fixture
def rows(face_model):
    return LandmarkRows(
        np.asarray(face_model.triangles)[[3, 5]].astype(np.int32),
        np.float32([[0.5, 0.25, 0.25], [1, 0, 0]]),
    )


@pytest.mark.parametrize("mark_up", MARK_UPS)
def test_another_face_model_is_refused(mark_up, face_model):
    with pytest.raises(DatasetError, match=r"lie on face model .*, not on"):
        known_rows(mark_up, face_model)


def test_300w_lps_points_are_near_the_landmarks_of_the_same_name():
    model = embedded_face_model()
    rows = known_rows("300w_lp", model)
    placed = np.asarray(point_space(model, rows.vertices, rows.weights).mean)
    own = np.asarray(landmark_space(model).mean)
    np.testing.assert_allclose(placed[LANDMARK_MIRROR] * [-1, 1, 1], placed, atol=0.5)
    distance = np.linalg.norm(placed - own, axis=1)
    assert (distance < 8).all()
    # What the definitions are known to differ in: the bridge of the nose is lower, the chin further below.
    assert (placed[27:30, 1] < own[27:30, 1] - 1).all()
    assert placed[8, 2] < own[8, 2] - 1


def test_what_was_written_is_read_again(tmp_path, face_model, rows):
    write_point_rows(tmp_path / "rows.npz", rows, face_model)
    again = read_point_rows(tmp_path / "rows.npz", face_model)
    np.testing.assert_array_equal(again.vertices, rows.vertices)
    np.testing.assert_array_equal(again.weights, rows.weights)
    with pytest.raises(DatasetError, match="not on"):
        read_point_rows(tmp_path / "rows.npz", embedded_face_model())


def test_a_file_that_names_no_face_model_fits_any_with_these_vertices(tmp_path, face_model, rows):
    arrays = {"landmark_vertices": rows.vertices, "landmark_weights": rows.weights}
    np.savez(tmp_path / "rows.npz", **arrays)
    np.testing.assert_array_equal(
        read_point_rows(tmp_path / "rows.npz", face_model).vertices, rows.vertices
    )
    arrays["landmark_vertices"] = rows.vertices + len(face_model.mean)
    np.savez(tmp_path / "rows.npz", **arrays)
    with pytest.raises(DatasetError, match="whole numbers from 0 to 220"):
        read_point_rows(tmp_path / "rows.npz", face_model)
