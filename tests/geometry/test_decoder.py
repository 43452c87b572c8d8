"""Tests of the decoder: by hand, and against NumPy in float64."""

import jax
import numpy as np

from twodasl_jax.geometry import decoder
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.morphable_model import ShapeSpace
from twodasl_jax.geometry.projection import affine_from_camera, camera_from_affine


def random_coefficients(random, *batch):
    return Coefficients(
        affine=random.normal(size=(*batch, 3, 4)),
        shape=random.normal(size=(*batch, 6)),
        expression=random.normal(size=(*batch, 3)),
    )


def decoded_in_numpy(space, coefficients):
    """Decodes each face separately."""
    mean, shape_basis, expression_basis = map(
        np.asarray, (space.mean, space.shape_basis, space.expression_basis)
    )
    faces = []
    for affine, shape, expression in zip(
        coefficients.affine, coefficients.shape, coefficients.expression, strict=True
    ):
        points = mean + shape_basis @ (np.asarray(space.shape_std) * shape)
        points = points + expression_basis @ (np.asarray(space.expression_std) * expression)
        homogeneous = np.concatenate([points, np.ones((len(points), 1))], axis=1)
        faces.append(homogeneous @ affine.T)
    return np.stack(faces)


def test_decode_by_hand():
    space = ShapeSpace(
        mean=np.array([[1, 2, 3], [0, 0, 0]], "f"),
        shape_basis=np.array([[[1], [0], [0]], [[0], [1], [0]]], "f"),
        shape_std=np.array([10], "f"),
        expression_basis=np.array([[[0], [0], [1]], [[0], [0], [0]]], "f"),
        expression_std=np.array([2], "f"),
    )
    affine = np.array([[2, 0, 0, 50], [0, -2, 0, 60], [0, 0, 2, 0]], "f")
    coefficients = Coefficients(affine, np.array([0.5], "f"), np.array([-1], "f"))
    # In the model frame the points are (6, 2, 1) and (0, 5, 0).
    np.testing.assert_array_equal(decoder.decode(space, coefficients), [[62, 56, 2], [50, 50, 0]])


@jax.enable_x64(True)
def test_decode_equals_numpy(small_landmark_space):
    space = jax.tree.map(lambda leaf: np.asarray(leaf, float), small_landmark_space)
    coefficients = random_coefficients(np.random.default_rng(0), 4)
    np.testing.assert_allclose(
        decoder.decode(space, coefficients), decoded_in_numpy(space, coefficients), atol=1e-10
    )


def test_weak_perspective_by_hand():
    # Rows of lengths 2 and 4 along the axes: the scale is 3, and the third row follows.
    affine = np.array([[2, 0, 0, 7], [0, -4, 0, 8], [9, 9, 9, 9]], "f")
    coefficients = Coefficients(affine, np.zeros(6, "f"), np.ones(3, "f"))
    replaced = decoder.weak_perspective(coefficients)
    np.testing.assert_allclose(replaced.affine, [[3, 0, 0, 7], [0, -3, 0, 8], [0, 0, 3, 9]])
    np.testing.assert_array_equal(replaced.shape, coefficients.shape)
    np.testing.assert_array_equal(replaced.expression, coefficients.expression)


@jax.enable_x64(True)
def test_weak_perspective_equals_gram_schmidt_in_numpy():
    coefficients = random_coefficients(np.random.default_rng(1), 5)
    expected = []
    for affine in coefficients.affine:
        first, second = affine[0, :3], -affine[1, :3]
        x = first / np.linalg.norm(first)
        y = second - x * (x @ second)
        y /= np.linalg.norm(y)
        scale = (np.linalg.norm(first) + np.linalg.norm(second)) / 2
        linear = scale * np.stack([x, -y, np.cross(x, y)])
        expected.append(np.concatenate([linear, affine[:, 3:]], axis=1))
    replaced = decoder.weak_perspective(coefficients)
    np.testing.assert_allclose(replaced.affine, expected, atol=1e-12)


@jax.enable_x64(True)
def test_weak_perspective_keeps_scaled_rotations():
    coefficients = random_coefficients(np.random.default_rng(2))
    affine = np.asarray(affine_from_camera(camera_from_affine(coefficients.affine)))
    coefficients = Coefficients(affine, coefficients.shape, coefficients.expression)
    np.testing.assert_allclose(
        decoder.weak_perspective(coefficients).affine, affine, rtol=1e-12, atol=1e-12
    )
