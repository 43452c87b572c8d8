"""Mesh files read back by trimesh and by hand, and the colours of vertices the photo hides."""

import json
import struct

import numpy as np
import pytest
import trimesh

from twodasl_jax import errors, mesh_files

# A square pyramid that points at the camera, seen from the front: corners, then the tip.
VERTICES = np.array([[2, 2, 0], [6, 2, 0], [6, 6, 0], [2, 6, 0], [4, 4, 2]], np.float32)
TRIANGLES = np.array([[0, 4, 1], [1, 4, 2], [2, 4, 3], [3, 4, 0]], np.int32)
COLOURS = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255], [0, 10, 128], [255, 255, 255]], np.uint8)
HEIGHT = 10


@pytest.fixture(params=["obj", "ply", "glb"])
def written(request, tmp_path):
    path = tmp_path / f"face.{request.param}"
    vertices = mesh_files.file_from_image(VERTICES, HEIGHT)
    mesh_files.write_mesh(path, vertices, TRIANGLES, COLOURS)
    return path


def parse_glb(path):
    """Reads the parts of a GLB file with nothing but struct and json."""
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
    width = {"SCALAR": 1, "VEC3": 3, "VEC4": 4}[accessor["type"]]
    count = accessor["count"] * width
    return np.frombuffer(binary, dtype, count, view["byteOffset"]).reshape(-1, width)


def test_y_is_turned_up_and_measured_from_the_lower_edge():
    moved = mesh_files.file_from_image(np.array([[3, 1, 7]], np.float32), 10)
    np.testing.assert_array_equal(moved, [[3, 9, 7]])


def test_trimesh_reads_back_what_was_written(written):
    mesh = trimesh.load(written, process=False, force="mesh")
    np.testing.assert_allclose(mesh.vertices, VERTICES * [1, -1, 1] + [0, HEIGHT, 0], atol=1e-4)
    np.testing.assert_array_equal(mesh.faces, TRIANGLES)


def test_triangles_are_counter_clockwise_from_outside(written):
    mesh = trimesh.load(written, process=False, force="mesh")
    assert (mesh.face_normals[:, 2] > 0).all()
    # The tip lies above the base, so that outside is where the normals of the sides point.
    assert mesh.volume > 0


@pytest.mark.parametrize("written", ["obj", "ply"], indirect=True)
def test_obj_and_ply_hold_srgb_colours(written):
    mesh = trimesh.load(written, process=False, force="mesh")
    np.testing.assert_array_equal(mesh.visual.vertex_colors[:, :3], COLOURS)


@pytest.mark.parametrize("written", ["obj"], indirect=True)
def test_obj_lines(written):
    lines = written.read_text().splitlines()
    assert lines[0] == "# x right, y up, z toward the camera; unit: pixel of the photo"
    points = [list(map(float, line.split()[1:])) for line in lines if line.startswith("v ")]
    assert points[0] == [2, 8, 0, 1, 0, 0]
    assert sum(line.startswith("vn ") for line in lines) == len(VERTICES)
    assert sum(line.startswith("f ") for line in lines) == len(TRIANGLES)


@pytest.mark.parametrize("written", ["ply"], indirect=True)
def test_ply_bytes(written):
    header, body = written.read_bytes().split(b"end_header\n")
    assert header.startswith(b"ply\nformat binary_little_endian 1.0\n")
    vertex = np.dtype([("xyz", "<f4", 3), ("normal", "<f4", 3), ("rgba", "u1", 4)])
    face = np.dtype([("count", "u1"), ("index", "<i4", 3)])
    assert len(body) == len(VERTICES) * vertex.itemsize + len(TRIANGLES) * face.itemsize
    vertices = np.frombuffer(body, vertex, len(VERTICES))
    np.testing.assert_array_equal(vertices["xyz"][1], [6, 8, 0])
    np.testing.assert_array_equal(vertices["rgba"][3], [0, 10, 128, 255])
    faces = np.frombuffer(body, face, len(TRIANGLES), len(VERTICES) * vertex.itemsize)
    np.testing.assert_array_equal(faces["index"], TRIANGLES)


@pytest.mark.parametrize("written", ["glb"], indirect=True)
def test_glb_holds_linear_colours_normals_and_a_matt_material(written):
    tree, binary = parse_glb(written)
    (primitive,) = tree["meshes"][0]["primitives"]
    attributes = primitive["attributes"]
    assert set(attributes) == {"POSITION", "NORMAL", "COLOR_0"}
    assert tree["accessors"][attributes["COLOR_0"]]["normalized"] is True
    colours = glb_array(tree, binary, attributes["COLOR_0"]) / 65535
    # sRGB 128 is linear 0.21586, sRGB 10 lies on the straight part: 10 / 255 / 12.92.
    np.testing.assert_allclose(colours[3], [0, 0.0030353, 0.2158605, 1], atol=1e-5)
    np.testing.assert_array_equal(colours[4], 1)
    normals = glb_array(tree, binary, attributes["NORMAL"])
    np.testing.assert_allclose(normals[4], [0, 0, 1], atol=1e-6)
    np.testing.assert_array_equal(
        glb_array(tree, binary, primitive["indices"]).reshape(-1, 3), TRIANGLES
    )
    material = tree["materials"][primitive["material"]]
    assert material["pbrMetallicRoughness"]["metallicFactor"] == 0


def test_another_suffix_is_refused(tmp_path):
    with pytest.raises(errors.OutputError, match=r"face\.stl.*\.obj, \.ply, \.glb"):
        mesh_files.write_mesh(tmp_path / "face.stl", VERTICES, TRIANGLES, COLOURS)
    assert not list(tmp_path.iterdir())


def wall(z=0.0, size=9):
    """A flat, finely meshed square that faces the camera, on the pixel centres of a photo."""
    x, y = np.meshgrid(np.arange(size) + 0.5, np.arange(size) + 0.5)
    vertices = np.stack([x, y, np.full_like(x, z)], axis=-1).reshape(-1, 3).astype(np.float32)
    index = np.arange(size * size).reshape(size, size)
    a, b, c, d = index[:-1, :-1], index[:-1, 1:], index[1:, 1:], index[1:, :-1]
    triangles = np.stack([np.stack([a, d, c], -1), np.stack([a, c, b], -1)]).reshape(-1, 3)
    return vertices, triangles, index[:, ::-1].reshape(-1)


def photo(size=9):
    return np.random.default_rng(3).integers(0, 256, (size, size, 3), dtype=np.uint8)


def test_a_seen_vertex_has_the_colour_of_its_pixel():
    vertices, triangles, mirror = wall()
    colours = mesh_files.vertex_colours(photo(), vertices, triangles, mirror)
    np.testing.assert_array_equal(colours, photo().reshape(-1, 3))


def test_between_pixels_the_colour_is_bilinear():
    vertices, triangles, mirror = wall(size=8)
    colours = mesh_files.vertex_colours(photo(), vertices + np.float32(0.5), triangles, mirror)
    blocks = photo().astype(np.float64)
    mean = (blocks[:-1, :-1] + blocks[1:, :-1] + blocks[:-1, 1:] + blocks[1:, 1:]) / 4
    np.testing.assert_allclose(colours, mean.reshape(-1, 3), atol=0.51)


def test_outside_the_photo_the_mirrored_vertex_counts():
    vertices, triangles, mirror = wall(size=9)
    image = photo()[:, :6]
    colours = mesh_files.vertex_colours(image, vertices, triangles, mirror).reshape(9, 9, 3)
    np.testing.assert_array_equal(colours[:, :6], image)
    np.testing.assert_array_equal(colours[:, 6:], image[:, 2::-1])


def test_where_both_sides_are_hidden_the_neighbours_count():
    vertices, triangles, mirror = wall(size=9)
    image = photo()[:4].copy()
    image[3] = (10, 200, 30)
    colours = mesh_files.vertex_colours(image, vertices, triangles, mirror).reshape(9, 9, 3)
    np.testing.assert_allclose(colours[4, 4], (10, 200, 30), atol=60)
    np.testing.assert_array_equal(colours[:4], image)


def test_a_surface_seen_from_behind_takes_no_colour_from_the_photo():
    vertices, triangles, mirror = wall()
    colours = mesh_files.vertex_colours(photo(), vertices, triangles[:, ::-1], mirror)
    assert len(np.unique(colours)) == 1


def test_a_mesh_outside_the_photo_is_grey():
    vertices, triangles, mirror = wall()
    colours = mesh_files.vertex_colours(photo(), vertices - np.float32(500), triangles, mirror)
    np.testing.assert_array_equal(colours, 160)
