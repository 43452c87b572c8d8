"""The parts of the face model that training uses: its points, and the whitening of its vectors."""

import jax
import numpy as np
import pytest

from tests.helpers import small_runs
from twodasl_jax.data.face_crops import whitening_of
from twodasl_jax.errors import ConfigError
from twodasl_jax.geometry.coefficients import coefficients_from_official
from twodasl_jax.geometry.decoder import decode, weak_perspective
from twodasl_jax.geometry.morphable_model import landmark_space, synthesize
from twodasl_jax.geometry.projection import camera_from_affine, picture_from_model
from twodasl_jax.training.face_space import build_space


@pytest.fixture(scope="module")
def vectors(face_model):
    return small_runs.batch(face_model, 8, 0).annotated.vector


@pytest.mark.parametrize(("vertices", "count"), [("landmarks", 68), (20, 20), ("all", 221)])
def test_vertices_setting_selects_points_of_vertex_distance(face_model, vectors, vertices, count):
    space = build_space(face_model, whitening_of(vectors), vertices)
    assert space.vertices.mean.shape == (count, 3)
    same = build_space(face_model, whitening_of(vectors), vertices)
    jax.tree.map(np.testing.assert_array_equal, space.vertices, same.vertices)


def test_subset_contains_distinct_vertices(face_model, vectors):
    points = np.asarray(build_space(face_model, whitening_of(vectors), 20).vertices.mean)
    distance = np.linalg.norm(points[:, None] - face_model.mean[None], axis=-1)
    assert (distance.min(axis=1) == 0).all()
    assert len(set(distance.argmin(axis=1))) == 20


@pytest.mark.parametrize("vertices", ["nose", 0, 222])
def test_invalid_vertices_are_refused(face_model, vectors, vertices):
    with pytest.raises(ConfigError, match="'landmarks', 'all' or a number from 1 to 221"):
        build_space(face_model, whitening_of(vectors), vertices)


def test_points_equal_those_of_whole_model(face_model, vectors):
    coefficients = coefficients_from_official(vectors)
    whole = synthesize(face_model, coefficients.shape, coefficients.expression)
    expected = picture_from_model(camera_from_affine(coefficients.affine), whole)
    space = build_space(face_model, whitening_of(vectors), "all")
    points = decode(space.vertices, weak_perspective(coefficients))
    np.testing.assert_allclose(points, expected, atol=1e-3)


def test_constant_entries_have_std_one(face_model, vectors):
    vectors = np.array(vectors)
    vectors[:, 11] = 4.0
    whitening = build_space(face_model, whitening_of(vectors), "landmarks").whitening
    assert (whitening.mean[11], whitening.std[11]) == (4, 1)
    np.testing.assert_allclose(whitening.std[12:], vectors.std(axis=0)[12:], rtol=1e-4)


def test_affine_landmarks_of_weak_perspective_vector_are_its_landmarks(face_model, vectors):
    space = build_space(face_model, whitening_of(vectors), "landmarks")
    expected = decode(landmark_space(face_model), weak_perspective(space.coefficients(vectors)))
    np.testing.assert_allclose(space.affine_landmarks(vectors), expected, atol=2e-3)
