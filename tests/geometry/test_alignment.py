"""Tests of similarity and rigid alignment: recovery, reflections, weights, and against SciPy."""

import hypothesis.strategies as st
import jax
import numpy as np
from hypothesis import given
from scipy.spatial.transform import Rotation

from twodasl_jax.geometry import alignment

SEEDS = st.integers(0, 2**31)
SQUARE = np.array([[0, 0, 0], [1, 0, 0], [1, 1, 0], [0, 1, 0]], np.float32)
# SQUARE, scaled by 2, rotated by 90 degrees about z and shifted by (5, 0, 1).
MOVED_SQUARE = np.array([[5, 0, 1], [5, 2, 1], [3, 2, 1], [3, 0, 1]], np.float32)
QUARTER_TURN = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], np.float32)
ALL = np.ones(4, np.float32)

similarity_between = jax.jit(alignment.similarity_between)
rigid_between = jax.jit(alignment.rigid_between)


def random_points(random, count=9):
    return random.normal(size=(count, 3)) * [3, 2, 1]


def test_similarity_between_squares_by_hand():
    similarity = similarity_between(SQUARE, MOVED_SQUARE, ALL)
    np.testing.assert_allclose(similarity.scale, 2, rtol=1e-6)
    np.testing.assert_allclose(similarity.rotation, QUARTER_TURN, atol=1e-6)
    np.testing.assert_allclose(similarity.translation, [5, 0, 1], atol=1e-6)
    moved = alignment.apply_similarity(similarity, SQUARE)
    np.testing.assert_allclose(moved, MOVED_SQUARE, atol=1e-6)


def test_rigid_motion_between_squares_by_hand():
    motion = rigid_between(SQUARE, MOVED_SQUARE, ALL)
    np.testing.assert_array_equal(motion.scale, 1)
    np.testing.assert_allclose(motion.rotation, QUARTER_TURN, atol=1e-6)
    # The motion maps the centre (0.5, 0.5, 0) to (4, 1, 1).
    np.testing.assert_allclose(motion.translation, [4.5, 0.5, 1], atol=1e-6)


@given(seed=SEEDS)
@jax.enable_x64(True)
def test_known_similarity_is_recovered(seed):
    random = np.random.default_rng(seed)
    known = alignment.Similarity(
        np.asarray(random.uniform(0.1, 10)),
        Rotation.random(rng=random).as_matrix(),
        random.normal(size=3) * 10,
    )
    source = random_points(random)
    target = alignment.apply_similarity(known, source)
    found = similarity_between(source, target, random.uniform(0.1, 1, 9))
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-9), found, known)


@given(seed=SEEDS)
@jax.enable_x64(True)
def test_alignment_of_noisy_points_equals_scipy(seed):
    random = np.random.default_rng(seed)
    source, target = random_points(random), random_points(random)
    weights = random.uniform(0, 1, 9)
    centres = [np.average(points, axis=0, weights=weights) for points in (source, target)]
    a, b = source - centres[0], target - centres[1]
    rotation = Rotation.align_vectors(b, a, weights)[0].as_matrix()
    scale = np.sum(weights[:, None] * b * (a @ rotation.T)) / np.sum(weights[:, None] * a**2)
    for motion, factor in (
        (similarity_between(source, target, weights), scale),
        (rigid_between(source, target, weights), 1),
    ):
        np.testing.assert_allclose(motion.rotation, rotation, atol=1e-6)
        np.testing.assert_allclose(motion.scale, factor, atol=1e-6)
        np.testing.assert_allclose(
            motion.translation, centres[1] - factor * rotation @ centres[0], atol=1e-5
        )


@jax.enable_x64(True)
def test_mirror_image_is_aligned_by_proper_rotation():
    random = np.random.default_rng(0)
    source = random_points(random)
    motion = similarity_between(source, source * [-1, 1, 1], np.ones(9))
    np.testing.assert_allclose(np.linalg.det(motion.rotation), 1)


@jax.enable_x64(True)
def test_point_of_weight_zero_is_ignored():
    random = np.random.default_rng(0)
    source = random_points(random)
    target, weights = 2 * source + 1, np.ones(9)
    target[4], weights[4] = 1e6, 0
    motion = similarity_between(source, target, weights)
    np.testing.assert_allclose(motion.scale, 2)
    np.testing.assert_allclose(motion.translation, 1, atol=1e-9)


def test_gradient_is_finite_if_points_agree():
    octahedron = np.concatenate([np.eye(3), -np.eye(3)]).astype(np.float32)

    def spread(target):
        leaves = jax.tree.leaves(alignment.similarity_between(octahedron, target, np.ones(6, "f")))
        return sum(leaf.sum() for leaf in leaves)

    assert np.isfinite(jax.jit(jax.grad(spread))(octahedron)).all()
