"""Coefficients of one face model that is described twice: the faces stay where they are."""

import dataclasses

import numpy as np
import pytest

from twodasl_jax.geometry.coefficients import coefficients_from_official
from twodasl_jax.geometry.morphable_model import landmark_space, synthesize
from twodasl_jax.geometry.projection import picture_from_model_affine
from twodasl_jax.weight_formats.model_change import change_of_model


@pytest.fixture(scope="module")
def wanted(face_model):
    return landmark_space(face_model)


@pytest.fixture(scope="module")
def known(wanted):
    return other_description(wanted)


def other_description(space):
    """The same points in micrometres, turned, about another origin, with components of other lengths and signs."""
    random = np.random.default_rng(0)
    turn = np.linalg.qr(random.normal(size=(3, 3)))[0] * 1000
    fields = {"mean": np.asarray(space.mean) @ turn.T + np.array([3000, -12000, 90000])}
    for part in ("shape", "expression"):
        basis = np.einsum("cd,pdk->pck", turn, getattr(space, f"{part}_basis"))
        count = basis.shape[-1]
        fields[f"{part}_basis"] = basis
        fields[f"{part}_std"] = random.uniform(0.5, 2, count) * random.choice([-1, 1], count)
    changed = {name: values.astype(np.float32) for name, values in fields.items()}
    return dataclasses.replace(space, **changed)


def projected(space, vectors):
    read = coefficients_from_official(np.float32(vectors), len(space.shape_std))
    return picture_from_model_affine(read.affine, synthesize(space, read.shape, read.expression))


def test_faces_stay_where_they_are(known, wanted):
    random = np.random.default_rng(1)
    matrices = random.normal(size=(5, 3, 4)) * [5e-4, 5e-4, 5e-4, 60]
    vectors = np.concatenate([matrices.reshape(5, 12), random.normal(size=(5, 50))], axis=1)
    matrix, misfit = change_of_model(known, wanted)
    assert misfit < 1e-5
    np.testing.assert_allclose(
        projected(wanted, vectors @ matrix.T), projected(known, vectors), atol=2e-3
    )


def test_the_way_back_is_the_inverse(known, wanted):
    there, back = change_of_model(known, wanted).matrix, change_of_model(wanted, known).matrix
    np.testing.assert_allclose(back @ there, np.eye(62), atol=1e-3)
    np.testing.assert_allclose(change_of_model(wanted, wanted).matrix, np.eye(62), atol=1e-4)


@pytest.mark.parametrize("part", ["mean", "shape_basis", "expression_basis"])
def test_another_model_does_not_fit(known, wanted, part):
    changed = np.array(getattr(wanted, part))
    changed[5] += 0.1 * np.abs(changed).max()
    other = dataclasses.replace(wanted, **{part: changed})
    assert change_of_model(known, other).misfit > 0.01
