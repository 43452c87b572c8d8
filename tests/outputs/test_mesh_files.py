"""Tests of mesh files, which are read back by trimesh and by hand."""

import dataclasses
import io
import json
import struct

import numpy as np
import pytest
import trimesh
from PIL import Image

from twodasl_jax import errors
from twodasl_jax.files import atomic_files
from twodasl_jax.outputs import mesh_files
from twodasl_jax.rendering.atlas import Atlas

# A square pyramid that points at the camera: the corners, then the tip.
VERTICES = np.array([[2, 2, 0], [6, 2, 0], [6, 6, 0], [2, 6, 0], [4, 4, 2]], np.float32)
TRIANGLES = np.array([[0, 4, 1], [1, 4, 2], [2, 4, 3], [3, 4, 0]], np.int32)
HEIGHT = 10
# It is cut along the edge from the first corner to the tip. Rows 5 and 6 repeat these vertices.
ATLAS = Atlas(
    uv=np.array(
        [[0.1, 0.9], [0.9, 0.9], [0.9, 0.1], [0.1, 0.1], [0.5, 0.6], [0.1, 0.8], [0.4, 0.5]],
        np.float32,
    ),
    vertices=np.array([0, 1, 2, 3, 4, 0, 4]),
    triangles=np.array([[0, 4, 1], [1, 4, 2], [2, 4, 3], [3, 6, 5]], np.int32),
)
ROWS = (VERTICES * [1, -1, 1] + [0, HEIGHT, 0])[ATLAS.vertices]
TEXTURE = np.arange(16 * 16 * 3, dtype=np.uint8).reshape(16, 16, 3)
MORPH_TARGETS = mesh_files.MorphTargets(
    ("jaw open +", "smile +"),
    np.random.default_rng(5).normal(size=(2, 5, 3)).astype(np.float32),
)
MESH = mesh_files.TexturedMesh(
    mesh_files.file_from_image(VERTICES, HEIGHT), TRIANGLES, ATLAS, TEXTURE, MORPH_TARGETS
)


@pytest.fixture(params=["obj", "ply", "glb"])
def written(request, tmp_path):
    path = tmp_path / f"face.{request.param}"
    mesh_files.write_mesh(path, MESH)
    return path


def read(path):
    return trimesh.load(path, process=False, maintain_order=True, force="mesh")


def parse_glb(path):
    """Returns the JSON tree and the binary chunk of a GLB file."""
    data = path.read_bytes()
    magic, version, length = struct.unpack("<4sII", data[:12])
    assert (magic, version, length) == (b"glTF", 2, len(data))
    json_length, json_kind = struct.unpack("<I4s", data[12:20])
    assert json_kind == b"JSON"
    tree = json.loads(data[20 : 20 + json_length])
    start = 20 + json_length
    binary_length, binary_kind = struct.unpack("<I4s", data[start : start + 8])
    assert binary_kind == b"BIN\0"
    return tree, data[start + 8 : start + 8 + binary_length]


def glb_array(tree, binary, accessor_index):
    accessor = tree["accessors"][accessor_index]
    view = tree["bufferViews"][accessor["bufferView"]]
    dtype = {5121: "<u1", 5123: "<u2", 5125: "<u4", 5126: "<f4"}[accessor["componentType"]]
    width = {"SCALAR": 1, "VEC2": 2, "VEC3": 3}[accessor["type"]]
    count = accessor["count"] * width
    return np.frombuffer(binary, dtype, count, view["byteOffset"]).reshape(-1, width)


def test_file_frame_has_y_up_from_lower_edge():
    moved = mesh_files.file_from_image(np.array([[3, 1, 7]], np.float32), 10)
    np.testing.assert_array_equal(moved, [[3, 9, 7]])


@pytest.mark.parametrize("written", ["obj", "glb"], indirect=True)
def test_obj_and_glb_are_cut_at_seams(written):
    mesh = read(written)
    np.testing.assert_allclose(mesh.vertices, ROWS, atol=1e-4)
    np.testing.assert_array_equal(mesh.faces, ATLAS.triangles)
    np.testing.assert_allclose(mesh.visual.uv, ATLAS.uv, atol=1e-5)


@pytest.mark.parametrize("written", ["ply"], indirect=True)
def test_ply_is_not_cut(written):
    mesh = read(written)
    np.testing.assert_array_equal(mesh.vertices, MESH.vertices)
    np.testing.assert_array_equal(mesh.faces, TRIANGLES)


@pytest.mark.parametrize("written", ["obj"], indirect=True)
def test_obj_texture_is_lossless(written):
    material = read(written).visual.material
    np.testing.assert_array_equal(np.asarray(material.image), TEXTURE)
    assert material.diffuse[:3].tolist() == [255, 255, 255]


@pytest.mark.parametrize("written", ["glb"], indirect=True)
def test_glb_contains_texture(written):
    texture = np.asarray(read(written).visual.material.baseColorTexture)
    assert texture.shape == TEXTURE.shape
    assert np.abs(texture.astype(int) - TEXTURE).mean() < 8


def test_triangles_are_counter_clockwise_from_outside(written):
    mesh = read(written)
    assert (mesh.face_normals[:, 2] > 0).all()
    # The volume is positive if the normals point outward.
    assert mesh.volume > 0


@pytest.mark.parametrize("written", ["obj"], indirect=True)
def test_obj_lines(written):
    lines = written.read_text().splitlines()
    assert lines[:3] == [
        "# x right, y up, z toward the camera; unit: pixel of the photo",
        "mtllib face.mtl",
        "usemtl face",
    ]
    points = [list(map(float, line.split()[1:])) for line in lines if line.startswith("v ")]
    assert points[0] == [2, 8, 0]
    normals = [list(map(float, line.split()[1:])) for line in lines if line.startswith("vn ")]
    assert normals[0] == normals[5], "normals must be continuous across the seam"
    assert normals[4] == normals[6] == pytest.approx([0, 0, 1])
    assert [line for line in lines if line.startswith("f ")][3] == "f 4/4/4 7/7/7 6/6/6"
    material = (written.parent / "face.mtl").read_text().splitlines()
    assert material[0] == "newmtl face"
    assert "map_Kd face_texture.png" in material


def test_obj_name_may_contain_invalid_text(tmp_path):
    path = tmp_path / "bad\udcff.obj"
    mesh_files.write_mesh(path, MESH)
    assert b"mtllib bad\xff.mtl\n" in path.read_bytes()
    assert b"map_Kd bad\xff_texture.png\n" in path.with_suffix(".mtl").read_bytes()
    assert (tmp_path / "bad\udcff_texture.png").is_file()


def test_interruption_leaves_no_obj_without_material(tmp_path, monkeypatch):
    written, write = [], atomic_files.write_bytes

    def interrupted(path, data):
        if path.suffix == ".mtl":
            raise KeyboardInterrupt
        write(path, data)
        written.append(path.name)

    monkeypatch.setattr(atomic_files, "write_bytes", interrupted)
    with pytest.raises(KeyboardInterrupt):
        mesh_files.write_mesh(tmp_path / "face.obj", MESH)
    assert written == [path.name for path in tmp_path.iterdir()] == ["face_texture.png"]


@pytest.mark.parametrize("written", ["ply"], indirect=True)
def test_ply_bytes(written):
    header, body = written.read_bytes().split(b"end_header\n")
    assert header.startswith(b"ply\nformat binary_little_endian 1.0\n")
    vertex = np.dtype([("xyz", "<f4", 3), ("normal", "<f4", 3), ("rgba", "u1", 4)])
    face = np.dtype([("count", "u1"), ("index", "<i4", 3)])
    assert len(body) == len(VERTICES) * vertex.itemsize + len(TRIANGLES) * face.itemsize
    vertices = np.frombuffer(body, vertex, len(VERTICES))
    np.testing.assert_array_equal(vertices["xyz"][1], [6, 8, 0])
    # u = v = 0.1 is 1.6 texels from the left and lower edges. Texel centres are at 1.5 and 2.5.
    corner = TEXTURE[[14, 14, 13, 13], [1, 2, 1, 2]].astype(float)
    expected = np.average(corner, axis=0, weights=[0.81, 0.09, 0.09, 0.01])
    np.testing.assert_allclose(vertices["rgba"][3, :3], expected, atol=0.51)
    faces = np.frombuffer(body, face, len(TRIANGLES), len(VERTICES) * vertex.itemsize)
    np.testing.assert_array_equal(faces["index"], TRIANGLES)


@pytest.mark.parametrize("written", ["glb"], indirect=True)
def test_glb_contains_normals_texture_coordinates_and_matt_material(written):
    tree, binary = parse_glb(written)
    (primitive,) = tree["meshes"][0]["primitives"]
    attributes = primitive["attributes"]
    assert set(attributes) == {"POSITION", "NORMAL", "TEXCOORD_0"}
    normals = glb_array(tree, binary, attributes["NORMAL"])
    np.testing.assert_allclose(normals[[4, 6]], [[0, 0, 1]] * 2, atol=1e-6)
    # glTF measures v from the upper edge.
    coordinates = glb_array(tree, binary, attributes["TEXCOORD_0"])
    np.testing.assert_allclose(coordinates, ATLAS.uv * [1, -1] + [0, 1], atol=1e-6)
    np.testing.assert_array_equal(
        glb_array(tree, binary, primitive["indices"]).reshape(-1, 3), ATLAS.triangles
    )
    material = tree["materials"][primitive["material"]]
    assert material["pbrMetallicRoughness"]["metallicFactor"] == 0
    (image,) = tree["images"]
    view = tree["bufferViews"][image["bufferView"]]
    data = binary[view["byteOffset"] : view["byteOffset"] + view["byteLength"]]
    assert image["mimeType"] == "image/jpeg"
    assert Image.open(io.BytesIO(data)).size == (16, 16)


@pytest.mark.parametrize("written", ["glb"], indirect=True)
def test_glb_contains_named_morph_targets_with_zero_weights(written):
    tree, binary = parse_glb(written)
    (mesh,) = tree["meshes"]
    assert mesh["extras"]["targetNames"] == ["jaw open +", "smile +"]
    assert mesh["weights"] == [0, 0]
    (primitive,) = mesh["primitives"]
    for target, displacement in zip(primitive["targets"], MORPH_TARGETS.displacements, strict=True):
        assert set(target) == {"POSITION"}
        moved = displacement[ATLAS.vertices]
        np.testing.assert_array_equal(glb_array(tree, binary, target["POSITION"]), moved)
        # glTF requires the range of positions.
        accessor = tree["accessors"][target["POSITION"]]
        np.testing.assert_array_equal(accessor["min"], moved.min(axis=0))
        np.testing.assert_array_equal(accessor["max"], moved.max(axis=0))


def test_glb_without_morph_targets_has_no_empty_lists(tmp_path):
    none = mesh_files.MorphTargets((), np.zeros((0, 5, 3), np.float32))
    mesh = dataclasses.replace(MESH, morph_targets=none)
    mesh_files.write_mesh(tmp_path / "face.glb", mesh)
    tree, _ = parse_glb(tmp_path / "face.glb")
    # glTF forbids empty lists.
    assert not {"weights", "targets"} & {*tree["meshes"][0], *tree["meshes"][0]["primitives"][0]}


def test_unknown_suffix_is_rejected(tmp_path):
    with pytest.raises(errors.OutputError, match=r"face\.stl.*\.obj, \.ply, \.glb"):
        mesh_files.write_mesh(tmp_path / "face.stl", MESH)
    assert not list(tmp_path.iterdir())
