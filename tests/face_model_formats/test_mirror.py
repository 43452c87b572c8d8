"""Mirror maps of symmetric, nearly symmetric and asymmetric meshes."""

import hypothesis
import hypothesis.extra.numpy as hnp
import hypothesis.strategies as st
import numpy as np
import pytest

from twodasl_jax.face_model_formats.mirror import vertex_mirror

FLIP = np.array([-1.0, 1.0, 1.0])
COORDINATES = st.floats(-100, 100, width=32)
CLOUDS = hnp.arrays(
    np.float64,
    st.tuples(st.integers(1, 40), st.just(3)),
    elements=COORDINATES | st.sampled_from([0, 1, -1]),
)


@hypothesis.given(CLOUDS)
def test_mirror_of_any_points_is_an_involution(points):
    mirror = vertex_mirror(points)
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(points)))


@hypothesis.given(st.randoms(use_true_random=False))
def test_symmetric_mesh_has_exact_mirror_in_any_vertex_order(random):
    side = np.random.default_rng(random.getrandbits(32)).uniform(1, 80, (60, 3))
    middle = side[:9] * [0, 1, 1]
    points = np.concatenate([side, side * FLIP, middle])
    expected = np.concatenate([np.arange(60, 120), np.arange(60), np.arange(120, 129)])
    order = np.array(random.sample(range(129), 129))
    place = np.argsort(order)
    np.testing.assert_array_equal(vertex_mirror(points[order]), place[expected[order]])


def test_nearest_vertex_is_the_partner_and_the_rest_are_matched():
    points = np.array([[-10, 0, 0], [-10, 1, 0], [10, 0.1, 0], [12, 5, 0], [0.2, 9, 0]])
    np.testing.assert_array_equal(vertex_mirror(points), [2, 3, 0, 1, 4])
    np.testing.assert_array_equal(vertex_mirror(points[[0, 1, 2, 4]]), [2, 1, 0, 3])


def total_distance(points, mirror):
    return np.linalg.norm(points[mirror] * FLIP - points, axis=1).sum()


def all_matchings(right, left):
    """Yields all lists of pairs of a right and a left vertex in which each vertex occurs at most once."""
    if not right:
        yield []
        return
    for rest in all_matchings(right[1:], left):
        yield rest
    for i, partner in enumerate(left):
        for rest in all_matchings(right[1:], left[:i] + left[i + 1 :]):
            yield [(right[0], partner), *rest]


@pytest.mark.parametrize("seed", range(8))
def test_matching_of_remaining_vertices_is_optimal(seed):
    points = np.random.default_rng(seed).uniform([-20, 0, 0], [20, 9, 9], (11, 3))
    mirror = vertex_mirror(points)
    images = points * FLIP
    nearest = np.linalg.norm(images[:, None] - points, axis=-1).argmin(axis=1)
    mutual = nearest[nearest] == np.arange(len(points))
    np.testing.assert_array_equal(mirror[mutual], nearest[mutual])
    right, left = (np.flatnonzero(~mutual & (side * points[:, 0] > 0)) for side in (-1, 1))
    totals = []
    for pairs in all_matchings(right.tolist(), left.tolist()):
        other = np.where(mutual, nearest, np.arange(len(points)))
        for one, two in pairs:
            other[one], other[two] = two, one
        totals.append(total_distance(points, other))
    assert len(totals) > 1, "there are unmatched vertices on both sides"
    assert total_distance(points, mirror) == pytest.approx(min(totals))


def test_different_meshes_on_both_sides_match_within_vertex_spacing():
    random = np.random.default_rng(0)
    angle, height = random.uniform([[-1.4], [-80]], [[1.4], [80]], (2, 4000))
    points = np.stack([70 * np.sin(angle), height, 70 * np.cos(angle)], axis=-1)
    mirror = vertex_mirror(points)
    distance = np.linalg.norm(points[mirror] * FLIP - points, axis=1)
    spacing = np.sqrt(2.8 * 70 * 160 / 4000)
    assert np.median(distance) < spacing
    assert np.mean(mirror == np.arange(4000)) < 0.05
