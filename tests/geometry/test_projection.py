"""Tests of weak-perspective projection, of its inverse, and of cameras from 3x4 matrices."""

import hypothesis.strategies as st
import jax
import numpy as np
from hypothesis import given
from scipy.spatial.transform import Rotation

from twodasl_jax.geometry import projection
from twodasl_jax.geometry.morphable_model import synthesize
from twodasl_jax.geometry.rotation import rotation_from_euler

SEEDS = st.integers(0, 2**31)


def test_weak_perspective_projection_by_hand():
    camera = projection.WeakPerspective(
        np.array(2, "f"), np.eye(3, dtype="f"), np.array([10, 20, 5], "f")
    )
    points = np.array([[1, 2, 3], [0, 0, 0]], np.float32)
    expected = [[12, 16, 11], [10, 20, 5]]
    np.testing.assert_array_equal(projection.picture_from_model(camera, points), expected)
    affine = [[2, 0, 0, 10], [0, -2, 0, 20], [0, 0, 2, 5]]
    np.testing.assert_array_equal(projection.affine_from_camera(camera), affine)


def test_affine_projection_by_hand():
    affine = np.array([[1, 2, 3, 4], [0, 0, 1, 0], [0, 1, 0, -1]], np.float32)
    points = np.array([[1, 10, 100]], np.float32)
    projected = projection.picture_from_model_affine(affine, points)
    np.testing.assert_array_equal(projected, [[325, 100, 9]])


def test_projected_faces_equal_golden_file(golden, face_model):
    expected = golden("projection")
    given = {name: values.astype(np.float32) for name, values in expected.items()}
    camera = projection.WeakPerspective(
        given["scale"], rotation_from_euler(given["yaw_pitch_roll"]), given["translation"]
    )
    vertices = synthesize(face_model, given["shape"], given["expression"])
    projected = projection.picture_from_model(camera, vertices[:, ::10])
    np.testing.assert_allclose(projected, expected["vertices"], atol=2e-4)


@given(seed=SEEDS)
@jax.enable_x64(True)
def test_projected_points_round_trip(seed):
    random = np.random.default_rng(seed)
    camera = projection.WeakPerspective(
        np.asarray(random.uniform(0.1, 10)),
        Rotation.random(rng=random).as_matrix(),
        random.normal(size=3) * 100,
    )
    points = random.normal(size=(4, 3)) * 50
    projected = projection.picture_from_model(camera, points)
    np.testing.assert_allclose(projection.model_from_picture(camera, projected), points, atol=1e-9)


@given(seed=SEEDS)
@jax.enable_x64(True)
def test_camera_matrix_round_trip(seed):
    random = np.random.default_rng(seed)
    camera = projection.WeakPerspective(
        np.asarray(random.uniform(1e-4, 10)),
        Rotation.random(rng=random).as_matrix(),
        random.normal(size=3) * 100,
    )
    affine = projection.affine_from_camera(camera)
    again = projection.camera_from_affine(affine)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-12), again, camera)
    np.testing.assert_allclose(projection.affine_from_camera(again), affine, atol=1e-12)


def test_camera_of_stretched_matrix_has_mean_scale():
    affine = np.array([[2, 0, 0, 7], [0, -4, 0, 8], [9, 9, 9, 9]], np.float32)
    camera = projection.camera_from_affine(affine)
    np.testing.assert_allclose(camera.scale, 3)
    np.testing.assert_array_equal(camera.rotation, np.eye(3))
    np.testing.assert_array_equal(camera.translation, [7, 8, 9])


@given(seed=SEEDS)
@jax.enable_x64(True)
def test_camera_of_random_matrix_equals_gram_schmidt_in_numpy(seed):
    affine = np.random.default_rng(seed).normal(size=(3, 4))
    first, second = affine[0, :3], -affine[1, :3]
    basis, triangular = np.linalg.qr(np.stack([first, second], axis=1))
    basis = basis * np.sign(np.diag(triangular))
    expected = np.stack([*basis.T, np.cross(*basis.T)])
    camera = projection.camera_from_affine(affine)
    np.testing.assert_allclose(camera.rotation, expected, atol=1e-9)
    lengths = np.linalg.norm([first, second], axis=1)
    np.testing.assert_allclose(camera.scale, lengths.mean())
