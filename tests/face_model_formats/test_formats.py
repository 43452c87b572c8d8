"""Readers of all formats reproduce the small model that the files were written from."""

import json
import zipfile

import numpy as np
import pytest
import scipy.io

from tests.helpers import face_model_files
from tests.helpers.synthetic_model import COLUMNS, ROWS
from twodasl_jax.errors import FaceModelError
from twodasl_jax.face_model_formats import (
    READERS,
    expression_units,
    published_model,
    read_landmark_list,
    standard_model,
)
from twodasl_jax.face_model_formats.ict import WEIGHT_STD
from twodasl_jax.geometry.morphable_model import landmark_space, synthesize
from twodasl_jax.models.expression_units import component_names, fit_units
from twodasl_jax.models.face_model import load_expression_units, load_face_model, save_face_model

NAMED = {"center.nose.tip": 30, "center.chin.tip": 8}  # landmarks by their names in BFM 2017


def write_bfm2017(folder, model):
    pytest.importorskip("h5py")
    vertices = face_model_files.vertex_landmarks(model)
    points = {name: vertices[landmark] for name, landmark in NAMED.items()}
    return face_model_files.write_basel_2017(
        folder / "model2017-1_face12_nomouth.h5", model, points
    )


# The format and the writer of each kind of files.
KINDS = {
    "3ddfa": ("3ddfa", face_model_files.write_3ddfa),
    "3ddfa_v2": ("3ddfa_v2", face_model_files.write_3ddfa_v2),
    "3ddfa_v2, two means": (
        "3ddfa_v2",
        lambda f, m: face_model_files.write_3ddfa_v2(f, m, whole_mean=False),
    ),
    "3ddfa's mats": ("bfm2009", face_model_files.write_3ddfa_mats),
    "deep3d": ("bfm2009", face_model_files.write_deep3d),
    "bfm2017": ("bfm2017", write_bfm2017),
    "ict": ("ict", lambda f, m: face_model_files.write_ict(f, m, WEIGHT_STD)),
}


@pytest.fixture(scope="module", params=KINDS)
def source(request, face_model, tmp_path_factory):
    """The face model read from the files of each kind."""
    format_name, write = KINDS[request.param]
    return READERS[format_name](write(tmp_path_factory.mktemp("files"), face_model))


@pytest.fixture(scope="module")
def vertices(face_model):
    return face_model_files.vertex_landmarks(face_model)


@pytest.fixture(scope="module")
def centred(face_model, vertices):
    """The mean face with its origin at the mean of the landmark vertices."""
    mean = np.asarray(face_model.mean, np.float64)
    return mean - mean[vertices].mean(axis=0)


def test_faces_equal_original(source, face_model, vertices, centred):
    model = standard_model(source, vertices)
    np.testing.assert_allclose(model.mean, centred, atol=1e-3)
    random = np.random.default_rng(0)
    shape = random.normal(size=(3, 40)).astype("f")
    expression = random.normal(size=(3, 10)).astype("f")
    moved = np.asarray(synthesize(face_model, shape, expression)) - face_model.mean
    np.testing.assert_allclose(
        np.asarray(synthesize(model, shape, expression)) - model.mean, moved, atol=2e-3
    )


def test_mesh_equals_original(source, face_model, vertices):
    model = standard_model(source, vertices)
    assert {tuple(np.roll(row, -row.argmin())) for row in model.triangles} == {
        tuple(np.roll(row, -row.argmin())) for row in np.asarray(face_model.triangles)
    }
    np.testing.assert_array_equal(model.mirror, face_model.mirror)
    if source.landmarks is not None:
        np.testing.assert_array_equal(source.landmarks, vertices)
    points = np.asarray(landmark_space(model).mean)
    np.testing.assert_allclose(points, model.mean[vertices], atol=1e-5)
    np.testing.assert_allclose(points.mean(axis=0), 0, atol=1e-3)


def test_model_survives_saving_and_loading(source, vertices, tmp_path):
    model = standard_model(source, vertices)
    save_face_model(tmp_path / "model.npz", model)
    again = load_face_model(tmp_path / "model.npz")
    for name, values in vars(model).items():
        np.testing.assert_array_equal(getattr(again, name), values)


def test_named_expressions_become_expression_units(source, face_model, vertices, tmp_path):
    model = standard_model(source, vertices)
    units = expression_units(source, model)
    save_face_model(tmp_path / "model.npz", model, units)
    if not source.expression.names:
        assert units is None
        assert load_expression_units(tmp_path / "model.npz") is None
        return
    loaded = load_expression_units(tmp_path / "model.npz")
    assert loaded.names == tuple(f"unit{i}_L" for i in range(10))
    full = np.asarray(face_model.expression_basis * face_model.expression_std) / WEIGHT_STD
    np.testing.assert_allclose(loaded.displacements, full, atol=np.abs(full).max() / 1000)
    assert component_names(loaded, model) == loaded.names
    found = fit_units(loaded, model, np.full(10, 2, np.float32))
    # The later units displace the mesh so little that the sparsity prior shrinks them more.
    np.testing.assert_allclose(found[:5], 2 * WEIGHT_STD, atol=0.07)


def test_texture_coordinates_are_kept_or_generated(source, face_model, vertices):
    model = standard_model(source, vertices)
    assert model.uv.min() >= 0
    assert model.uv.max() <= 1
    if source.texture is None:
        # u grows toward the subject's left, and v grows upward.
        x, y = model.mean[:, 0], model.mean[:, 1]
        assert np.corrcoef(model.uv[:, 0], x)[0, 1] > 0.9
        assert np.corrcoef(model.uv[:, 1], y)[0, 1] > 0.99
        area = np.linalg.det(np.diff(model.uv[model.uv_triangles], axis=1))
        assert (area >= -1e-6).all(), "the surface does not fold"
    else:
        corners = [frozenset(map(tuple, t)) for t in np.round(model.uv[model.uv_triangles], 4)]
        own = np.asarray(face_model.uv)[face_model.uv_triangles]
        assert set(corners) == {frozenset(map(tuple, t)) for t in np.round(own, 4)}


def test_published_model_keeps_unit_and_origin(source, face_model, vertices):
    if not source.has_published_vectors:
        with pytest.raises(FaceModelError, match="There are no published coefficients"):
            published_model(source, vertices)
        return
    model = published_model(source, vertices)
    np.testing.assert_allclose(
        model.mean, 1000 * (face_model.mean + face_model_files.ORIGIN), rtol=1e-5, atol=0.1
    )
    shape = np.asarray(1000 * face_model.shape_std, np.float32)
    expression = np.asarray(-1000 * face_model.expression_std, np.float32)
    moved = (
        np.asarray(synthesize(face_model, np.ones(40, "f"), -np.ones(10, "f"))) - face_model.mean
    )
    np.testing.assert_allclose(
        np.asarray(synthesize(model, shape, expression)) - model.mean, 1000 * moved, atol=2
    )


def test_guo_expressions_have_no_mean_and_no_published_vectors(face_model, tmp_path):
    source = READERS["bfm2009"](face_model_files.write_deep3d(tmp_path, face_model))
    assert not source.has_published_vectors
    np.testing.assert_allclose(
        source.mean, 1000 * (face_model.mean + face_model_files.ORIGIN), atol=0.1
    )


def test_whole_basel_mesh_is_kept_if_expressions_cover_it(face_model, tmp_path):
    whole, _ = face_model_files.whole_basel(face_model, extra=0)
    whole["tl"] = whole["tl"][:-2]
    scipy.io.savemat(tmp_path / "01_MorphableModel.mat", whole)
    face_model_files.write_guos_expressions(tmp_path, face_model)
    source = READERS["bfm2009"](tmp_path)
    assert source.landmarks is None
    assert len(source.mean) == len(face_model.mean)


def test_mat_version_73_reads_like_version_5(face_model, tmp_path):
    h5py = pytest.importorskip("h5py")
    face_model_files.write_3ddfa_mats(tmp_path, face_model)
    expected = READERS["bfm2009"](tmp_path)
    for path in tmp_path.glob("*.mat"):
        arrays = scipy.io.loadmat(path)
        path.unlink()
        with h5py.File(path, "w", userblock_size=512) as file:
            for name, array in arrays.items():
                if not name.startswith("__"):
                    file[name] = array.T
        with open(path, "r+b") as file:
            file.write(b"MATLAB 7.3 MAT-file".ljust(116) + bytes(8) + b"\x00\x02IM")
    found = READERS["bfm2009"](tmp_path)
    np.testing.assert_array_equal(found.mean, expected.mean)
    np.testing.assert_array_equal(found.shape.basis, expected.shape.basis)
    np.testing.assert_array_equal(found.triangles, expected.triangles)
    np.testing.assert_array_equal(found.landmarks, expected.landmarks)


def test_3ddfa_files_may_lie_in_one_folder(face_model, tmp_path):
    expected = READERS["3ddfa"](face_model_files.write_3ddfa(tmp_path, face_model))
    for path in [*tmp_path.glob("*/*")]:
        path.rename(tmp_path / path.name)
    np.testing.assert_array_equal(READERS["3ddfa"](tmp_path).mean, expected.mean)


def test_obj_quads_become_two_triangles(face_model, tmp_path):
    face_model_files.write_ict(tmp_path, face_model, WEIGHT_STD)
    path = tmp_path / "generic_neutral_mesh.obj"
    grid = np.arange(ROWS * COLUMNS).reshape(ROWS, COLUMNS)
    a, b, c, d = (g.ravel() for g in (grid[:-1, :-1], grid[1:, :-1], grid[1:, 1:], grid[:-1, 1:]))
    head, material, _ = path.read_text().partition("usemtl M_Face\n")
    # Two vertices of the back of the head come first, and OBJ numbers start at 1.
    quads = [" ".join(f"{v + 3}/{v + 1}" for v in quad) for quad in zip(a, b, c, d, strict=True)]
    path.write_text(head + material + "".join(f"f {quad}\n" for quad in quads))
    halves = np.stack([np.stack([a, b, c], -1), np.stack([a, c, d], -1)], axis=1).reshape(-1, 3)
    source = READERS["ict"](tmp_path)
    np.testing.assert_array_equal(source.triangles, halves)
    np.testing.assert_array_equal(source.texture.uv_triangles, halves)


def test_landmark_list_accepts_vertices_and_point_names(face_model, vertices, tmp_path):
    source = READERS["bfm2017"](write_bfm2017(tmp_path, face_model))
    assert source.points == {name: vertices[landmark] for name, landmark in NAMED.items()}
    entries = list(vertices)
    for name, landmark in NAMED.items():
        entries[landmark] = f"{name}  # Basel's name"
    listed = read_landmark_list(
        face_model_files.write_landmark_list(tmp_path / "l.txt", entries), source
    )
    np.testing.assert_array_equal(listed, vertices)


@pytest.mark.parametrize(
    ("change", "fault"),
    [
        (lambda entries: entries[:67], "lists 67 vertices, expected 68"),
        (
            lambda entries: [*entries[:67], 221],
            "landmark 67 is 221, expected a vertex from 0 to 220",
        ),
        (lambda entries: [-1, *entries[1:]], "landmark 0 is -1, expected a vertex"),
        (lambda entries: ["9" * 5000, *entries[1:]], "landmark 0 is 9{40}, expected a vertex"),
        (
            lambda entries: ["nose.tip", *entries[1:]],
            "landmark 0 is nose.tip, expected a vertex from 0 to 220 or a point of the model, for example center.nose",
        ),
    ],
)
def test_landmark_list_error_names_the_entry(face_model, vertices, tmp_path, change, fault):
    source = READERS["bfm2017"](write_bfm2017(tmp_path, face_model))
    path = face_model_files.write_landmark_list(tmp_path / "list.txt", change(list(vertices)))
    with pytest.raises(FaceModelError, match=fault):
        read_landmark_list(path, source)


def test_landmarks_of_another_mesh_are_rejected(source, vertices):
    with pytest.raises(FaceModelError, match="are not those of a face"):
        standard_model(source, vertices[::-1])


def test_real_ict_facekit_sample_is_read(shared_data, tmp_path):
    with zipfile.ZipFile(shared_data / "ict" / "FaceXModel_sample.zip") as archive:
        archive.extractall(tmp_path)
    folder = tmp_path / "FaceXModel"
    with pytest.raises(FaceModelError, match=r"FaceXModel lacks browDown_L.obj"):
        READERS["ict"](folder)
    path = folder / "vertex_indices.json"
    indices = json.loads(path.read_text())
    names = ["browInnerUp_L", "jawOpen", "mouthSmile_L"]
    path.write_text(json.dumps(indices | {"expressions": names}))
    source = READERS["ict"](folder)
    expected = np.load(shared_data / "ict" / "ict_face_9409.npz")
    np.testing.assert_allclose(source.mean, expected["mean"], atol=1e-5)
    np.testing.assert_array_equal(source.landmarks, expected["landmarks68"])
    for i in range(3):
        np.testing.assert_allclose(source.shape.basis[..., i], expected["identity"][i], atol=1e-5)
    difference = [
        min(np.abs(unit - source.expression.basis[..., i]).max() for unit in expected["expression"])
        for i in range(3)
    ]
    assert max(difference) < 1e-5
    quads = expected["quads"]
    halves = np.stack([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]], axis=1).reshape(-1, 3)
    model = standard_model(source, source.landmarks)
    np.testing.assert_array_equal(model.triangles, halves)
    mirrored = model.mean[model.mirror] * [-1, 1, 1]
    np.testing.assert_allclose(mirrored, model.mean, atol=0.1)
    height = np.ptp(model.mean[source.landmarks, 1])
    assert 100 < height < 140, "the height from brows to chin in millimetres"


@pytest.mark.parametrize("kind", ["3ddfa", "3ddfa_v2", "3ddfa's mats", "ict"])
def test_missing_file_is_named(kind, face_model, tmp_path):
    format_name, write = KINDS[kind]
    write(tmp_path, face_model)
    for path in sorted(tmp_path.rglob("*.*")):
        # The number of shape components is only known from these files.
        if path.name in ("train.configs", "identity039.obj"):
            continue
        content = path.read_bytes()
        path.unlink()
        with pytest.raises(FaceModelError, match=f"{tmp_path} lacks .*{path.name}"):
            READERS[format_name](tmp_path)
        path.write_bytes(content)
    READERS[format_name](tmp_path)
