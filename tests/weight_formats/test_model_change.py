"""Conversion of coefficients between two descriptions of one face model keeps the faces unchanged."""

import dataclasses

import numpy as np
import pytest

from twodasl_jax.geometry.coefficients import coefficients_from_official
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.weight_formats.model_change import change_of_model


@pytest.fixture(scope="module")
def other(face_model):
    return landmark_space(face_model)


@pytest.fixture(scope="module")
def own(other):
    return other_description(other)


def other_description(space):
    """Returns the same model in micrometres, rotated, with another origin and components of other lengths and signs."""
    random = np.random.default_rng(0)
    axes = np.linalg.qr(random.normal(size=(3, 3)))[0] * 1000
    fields = {"mean": np.asarray(space.mean) @ axes.T + np.array([3000, -12000, 90000])}
    for part in ("shape", "expression"):
        basis = np.einsum("cd,pdk->pck", axes, getattr(space, f"{part}_basis"))
        count = basis.shape[-1]
        fields[f"{part}_basis"] = basis
        fields[f"{part}_std"] = random.uniform(0.5, 2, count) * random.choice([-1, 1], count)
    changed = {name: values.astype(np.float32) for name, values in fields.items()}
    return dataclasses.replace(space, **changed)


def projected(space, vectors):
    """Returns the points of a space for vectors in the official layout."""
    coefficients = coefficients_from_official(np.float32(vectors), len(space.shape_std))
    return decode(space, coefficients)


def test_converted_coefficients_give_the_same_faces(own, other):
    random = np.random.default_rng(1)
    matrices = random.normal(size=(5, 3, 4)) * [5e-4, 5e-4, 5e-4, 60]
    vectors = np.concatenate([matrices.reshape(5, 12), random.normal(size=(5, 50))], axis=1)
    matrix, misfit = change_of_model(own, other)
    assert misfit < 1e-5
    np.testing.assert_allclose(
        projected(other, vectors @ matrix.T), projected(own, vectors), atol=2e-3
    )


def test_reverse_conversion_is_the_inverse(own, other):
    forward, backward = change_of_model(own, other).matrix, change_of_model(other, own).matrix
    np.testing.assert_allclose(backward @ forward, np.eye(62), atol=1e-3)
    np.testing.assert_allclose(change_of_model(other, other).matrix, np.eye(62), atol=1e-4)


@pytest.mark.parametrize("part", ["mean", "shape_basis", "expression_basis"])
def test_different_model_has_a_large_misfit(own, other, part):
    changed = np.array(getattr(other, part))
    changed[5] += 0.1 * np.abs(changed).max()
    different = dataclasses.replace(other, **{part: changed})
    assert change_of_model(own, different).misfit > 0.01
