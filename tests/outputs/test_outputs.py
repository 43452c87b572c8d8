"""Tests of the output files of a reconstruction, which are read back."""

import csv
import dataclasses
import json

import numpy as np
import pytest
import trimesh
from PIL import Image

from tests.helpers.fake_reconstruction import make_face, photo_with_faces
from twodasl_jax import outputs
from twodasl_jax.geometry.coefficients import coefficients_from_official
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.frames import image_from_crop
from twodasl_jax.geometry.morphable_model import synthesize
from twodasl_jax.models.face_model import embedded_face_model
from twodasl_jax.outputs import pictures
from twodasl_jax.rendering import rasterizer


@pytest.fixture
def faces(face_model):
    return [
        make_face(face_model, (60, 60)),
        make_face(face_model, (150, 60), yaw=30, expression=(0.5, -1)),
    ]


def written(folder):
    return sorted(path.name for path in folder.iterdir())


def test_files_are_named_after_photo(tmp_path, face_model, faces):
    record = outputs.write_photo(
        tmp_path / "party", outputs.Scene(photo_with_faces(2), tuple(faces), face_model)
    )
    endings = (".glb", ".mtl", ".obj", ".ply", "_texture.png")
    assert written(tmp_path) == [
        *(f"party_face{number}{ending}" for number in (0, 1) for ending in endings),
        "party_overlay.png",
    ]
    assert record["files"] == {"overlay": "party_overlay.png"}
    assert record["faces"][1]["files"] == {
        **{kind: f"party_face1.{kind}" for kind in ("obj", "mtl", "ply", "glb")},
        "uv_texture": "party_face1_texture.png",
    }


@pytest.mark.parametrize(
    ("kinds", "names"),
    [
        (["ply"], ["p_face0.ply", "p_face1.ply"]),
        (["overlay", "json"], ["p_overlay.png"]),
        (["json"], []),
    ],
)
def test_only_selected_kinds_are_written(tmp_path, face_model, faces, kinds, names):
    record = outputs.write_photo(
        tmp_path / "p", outputs.Scene(photo_with_faces(2), tuple(faces), face_model), kinds
    )
    assert written(tmp_path) == names
    assert ("overlay" in record["files"]) == ("overlay" in kinds)
    assert [len(face["files"]) for face in record["faces"]] == [kinds.count("ply")] * 2


def test_overlay_changes_faces_but_not_background(tmp_path, face_model, faces):
    image = photo_with_faces(2)
    outputs.write_photo(tmp_path / "p", outputs.Scene(image, tuple(faces), face_model), ["overlay"])
    drawn = np.asarray(Image.open(tmp_path / "p_overlay.png"))
    assert drawn.shape == image.shape
    assert (drawn != image).any(axis=-1)[50:70, 50:70].all()
    np.testing.assert_array_equal(drawn[:, :5], image[:, :5])


def test_larger_face_is_drawn_over_smaller_one(face_model):
    small = make_face(face_model, (100, 60), scale=0.2)
    large = make_face(face_model, (100, 60), scale=0.5)
    image = photo_with_faces(0)
    alone, both = (
        pictures.draw_overlay(outputs.Scene(image, some, face_model)).astype(int)
        for some in ((large,), (large, small))
    )
    # The overlay is translucent, so the smaller face stays faintly visible.
    assert np.abs(alone - both).max() < 60


def test_mesh_is_aligned_with_photo(tmp_path, face_model, faces):
    outputs.write_photo(
        tmp_path / "p", outputs.Scene(photo_with_faces(2), tuple(faces), face_model), ["ply"]
    )
    mesh = trimesh.load(tmp_path / "p_face1.ply", process=False)
    np.testing.assert_allclose(mesh.vertices[:, 0], faces[1].vertices[:, 0], atol=1e-4)
    np.testing.assert_allclose(mesh.vertices[:, 1], 120 - faces[1].vertices[:, 1], atol=1e-4)
    front = faces[1].vertices[:, 2].argmax()
    np.testing.assert_allclose(mesh.visual.vertex_colors[front, :3], (90, 140, 200), atol=1)


def test_morph_target_matches_decoded_expression(face_model):
    """The oracle decodes the coefficients with one standard deviation added to a component."""
    random = np.random.default_rng(4)
    pose = np.array([[0.4, -0.1, 0.05, 60], [0.1, 0.38, -0.02, 55], [-0.04, 0.03, 0.41, 0]])
    vector = np.concatenate([pose.ravel(), random.normal(size=50)]).astype(np.float32)
    box = np.array([10, 20, 250, 320], np.float32)

    def file_vertices(coefficients):
        in_crop = decode(face_model, coefficients_from_official(coefficients))
        in_image = image_from_crop(in_crop, box)
        return np.asarray(in_image) * [1, -1, 1] + [0, 400, 0]

    face = dataclasses.replace(make_face(face_model, (60, 60)), coefficients=vector, box=box)
    image = np.zeros((400, 300, 3), np.uint8)
    targets = outputs.Scene(image, (face,), face_model).face_views[0].morph_targets
    assert len(targets.names) == len(set(targets.names)) == 10
    for index in (0, 7):
        moved = vector.copy()
        moved[52 + index] += 1
        expected = file_vertices(moved) - file_vertices(vector)
        np.testing.assert_allclose(targets.displacements[index], expected, atol=1e-3)


def test_texture_size_follows_detail_of_photo(face_model):
    small = make_face(face_model, (60, 60))
    image = np.zeros((1200, 1200, 3), np.uint8)
    large = make_face(face_model, (600, 600), scale=5.0)
    scene = outputs.Scene(image, (small, large), face_model)
    assert [len(view.texture) for view in scene.face_views] == [512, 1024]


def test_texture_position_map_and_turntable(tmp_path, face_model, faces):
    scene = outputs.Scene(photo_with_faces(2), tuple(faces[1:]), face_model)
    record = outputs.write_photo(tmp_path / "p", scene, ["uv_texture", "uv_position", "turntable"])
    files = record["faces"][0]["files"]
    texture = np.asarray(Image.open(tmp_path / files["uv_texture"]))
    np.testing.assert_array_equal(texture, scene.face_views[0].texture)
    np.testing.assert_allclose(texture.reshape(-1, 3).mean(axis=0), (90, 140, 200), atol=4)

    positions = np.load(tmp_path / files["uv_position"])
    assert (positions.shape, positions.dtype) == ((256, 256, 3), np.float32)
    inside = positions[np.isfinite(positions).all(axis=-1)]
    vertices = faces[1].vertices
    np.testing.assert_allclose(inside.min(axis=0), vertices.min(axis=0), atol=1)
    np.testing.assert_allclose(inside.max(axis=0), vertices.max(axis=0), atol=1)

    turntable = Image.open(tmp_path / files["turntable"])
    assert turntable.info["loop"] == 0, "the animation must repeat forever"
    assert turntable.n_frames == 48
    assert (tmp_path / files["turntable"]).stat().st_size < 3e6


@pytest.fixture
def records(tmp_path, face_model, expression_units, faces):
    """The records of one photo, with expression units."""
    scene = outputs.Scene(photo_with_faces(2), tuple(faces), face_model, expression_units)
    return [{"photo": "p.jpg", **outputs.write_photo(tmp_path / "p", scene, ["json", "depth"])}]


def test_faces_json_contains_values_of_faces(tmp_path, expression_units, faces, records):
    outputs.write_records(tmp_path, records, ["json"])
    document = json.loads((tmp_path / "faces.json").read_text())
    (photo,) = document["photos"]
    assert (photo["photo"], photo["width"], photo["height"]) == ("p.jpg", 200, 120)
    for entry, face in zip(photo["faces"], faces, strict=True):
        np.testing.assert_allclose(entry["box"], face.box, atol=0.01)
        np.testing.assert_allclose(entry["landmarks"], face.landmarks, atol=0.01)
        np.testing.assert_allclose(entry["coefficients"], face.coefficients, atol=1e-6)
        assert entry["coefficients"][12:] == [*entry["shape"], *entry["expression"]]
        assert list(entry["euler_angles"].values()) == face.euler_angles.tolist()
        assert entry["score"] == 0.75
        assert tuple(entry["expression_units"]) == expression_units.names
        assert 0 < max(entry["expression_units"].values()) <= 1
    described = set(document["conventions"])
    assert described <= set(photo) | set(photo["faces"][0])


def test_pose_projects_face_model_to_photo(face_model, faces, records):
    for entry, face in zip(records[0]["faces"], faces, strict=True):
        points = synthesize(
            face_model,
            *(np.array(entry[name], np.float32) for name in ("shape", "expression")),
        )
        homogeneous = np.append(points, np.ones((len(points), 1)), axis=1)
        np.testing.assert_allclose(
            homogeneous @ np.transpose(entry["pose"]), face.vertices, atol=0.01
        )


def test_face_model_without_units_has_no_activations(tmp_path, face_model, faces):
    scene = outputs.Scene(photo_with_faces(2), tuple(faces), face_model)
    record = outputs.write_photo(tmp_path / "p", scene, ["json"])
    assert "expression_units" not in record["faces"][0]
    assert scene.expression_names[:2] == ("expression 1", "expression 2")


def test_faces_csv_equals_faces_json(tmp_path, records):
    named = [records[0], {**records[0], "photo": 'a "b", c\udcff.jpg'}]
    outputs.write_records(tmp_path, named, ["csv"])
    with open(tmp_path / "faces.csv", encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert [(row["photo"], row["face"]) for row in rows] == [
        *(("p.jpg", "0"), ("p.jpg", "1")),
        *(('a "b", c\\udcff.jpg', "0"), ('a "b", c\\udcff.jpg', "1")),
    ]
    for row, face in zip(rows, records[0]["faces"] * 2, strict=True):
        values = {name: float(text) for name, text in row.items() if name not in ("photo", "face")}
        numbered = {
            name: [values.pop(f"{name}_{i + 1}") for i in range(count)]
            for name, count in (("pose", 12), ("shape", 40), ("expression", 10))
        }
        assert np.reshape(numbered.pop("pose"), (3, 4)).tolist() == face["pose"]
        assert numbered == {name: face[name] for name in numbered}
        assert [values.pop(name) for name in ("x0", "y0", "x1", "y1")] == face["box"]
        assert values.pop("score") == face["score"]
        assert values == face["euler_angles"] | face["expression_units"]


def test_face_of_given_box_has_no_score(tmp_path, face_model):
    face = make_face(face_model, (60, 60), score=float("nan"))
    record = outputs.write_photo(
        tmp_path / "p", outputs.Scene(photo_with_faces(1), (face,), face_model), ["json"]
    )
    assert record["faces"][0]["score"] is None
    outputs.write_records(tmp_path, [record], ["csv"])
    _, row = (tmp_path / "faces.csv").read_text().splitlines()
    assert row.startswith(",0,,0.0,0.0,120.0,120.0,")


def test_retargeted_face_keeps_its_texture(face_model, faces):
    image = np.arange(200 * 120 * 3, dtype=np.uint32).reshape(120, 200, 3) // 300 % 256
    scene = outputs.Scene(image.astype(np.uint8), tuple(faces), face_model)
    changed = scene.with_expression_of(make_face(face_model, (0, 0), expression=(2, 2)))
    for before, after in zip(scene.face_views, changed.face_views, strict=True):
        assert np.abs(after.face.vertices - before.face.vertices).max() > 1
        np.testing.assert_array_equal(after.texture, before.texture)
        assert after.original is before.face
    again = changed.with_expression_of(faces[0])
    assert again.original_faces == scene.faces


def test_grey_levels_encode_depth_of_each_face(tmp_path, face_model, faces):
    scene = outputs.Scene(photo_with_faces(2), tuple(faces), face_model)
    record = outputs.write_photo(tmp_path / "p", scene, ["depth"])
    grey = np.asarray(Image.open(tmp_path / "p_depth.png")).astype(np.float64)
    offset, scale = record["depth"]["offset"], record["depth"]["scale"]
    assert (grey.min(), np.unique(grey)[1], grey.max()) == (0, 1, 65535)
    covered = scene.raster.triangle != rasterizer.NO_TRIANGLE
    np.testing.assert_array_equal(grey > 0, covered)
    triangles = np.asarray(face_model.triangles)
    nearest = np.full(scene.size, -np.inf)
    for face in faces:
        alone = rasterizer.rasterize(face.vertices, triangles, *scene.size).depth
        nearest = np.where(np.isfinite(alone), alone, nearest)
    # The faces do not overlap in the photo.
    np.testing.assert_allclose(
        (offset + scale * grey)[covered], nearest[covered], atol=0.51 * scale
    )


def test_larger_face_hides_smaller_one_in_maps(face_model):
    small = make_face(face_model, (100, 60), scale=0.2)
    # Its own z would place it far behind.
    large = make_face(face_model, (100, 60), scale=0.5)
    large = dataclasses.replace(large, vertices=large.vertices - np.float32([0, 0, 500]))
    scenes = [
        outputs.Scene(photo_with_faces(0), some, face_model)
        for some in ((large,), (large, small), (small, large))
    ]
    for draw in (pictures.draw_pncc, pictures.draw_normals, lambda scene: scene.depth.grey):
        alone, *both = map(draw, scenes)
        for drawn in both:
            np.testing.assert_array_equal(drawn, alone)


@pytest.mark.parametrize("yaw", [-60, 60])
def test_far_side_of_rotated_head_is_hidden(yaw):
    model = embedded_face_model()
    scene = outputs.Scene(photo_with_faces(0), (make_face(model, (100, 60), yaw=yaw),), model)
    (view,) = scene.face_views
    # Outer eye corner, outer end of the brow and jaw, on the right and left of the subject.
    right, left = [36, 17, *range(7)], [45, 26, *range(16, 9, -1)]
    far, near = (right, left) if yaw > 0 else (left, right)
    assert not view.visible_landmarks[far].any()
    assert view.visible_landmarks[near].all()


def test_frontal_face_hides_only_jaw_below_ears():
    model = embedded_face_model()
    scene = outputs.Scene(photo_with_faces(0), (make_face(model, (100, 60)),), model)
    (view,) = scene.face_views
    assert set(np.nonzero(~view.visible_landmarks)[0]) <= {2, 3, 4, 12, 13, 14}


def test_nearer_face_hides_landmarks():
    model = embedded_face_model()
    image = photo_with_faces(0)
    large = make_face(model, (80, 60), scale=0.5)
    small = make_face(model, (125, 60), scale=0.3)
    beside = make_face(model, (180, 60), scale=0.2)
    scene = outputs.Scene(image, (small, large, beside), model)
    alone = [outputs.Scene(image, (face,), model).face_views[0] for face in scene.faces]
    covered = rasterizer.rasterize(large.vertices, np.asarray(model.triangles), *scene.size).depth
    columns, rows = small.landmarks[:, :2].astype(int).T
    behind = np.isfinite(covered[rows, columns])
    assert 5 < behind.sum() < 60
    visible = [view.visible_landmarks for view in scene.face_views]
    # Landmarks at the outline may differ: the visibility test has a finer z-buffer.
    assert (visible[0] != alone[0].visible_landmarks & ~behind).sum() <= 2
    np.testing.assert_array_equal(visible[1], alone[1].visible_landmarks)
    np.testing.assert_array_equal(visible[2], alone[2].visible_landmarks)


def test_scene_without_faces_gives_photo_and_black_maps(tmp_path, face_model):
    image = photo_with_faces(0)
    kinds = list(outputs.PHOTO_KINDS)
    record = outputs.write_photo(tmp_path / "p", outputs.Scene(image, (), face_model), kinds)
    assert list(record["files"]) == kinds
    for kind in ("overlay", "wireframe", "landmarks", "pose"):
        drawn = np.asarray(Image.open(tmp_path / f"p_{kind}.png"))
        np.testing.assert_array_equal(drawn, image)
    for kind in ("depth", "normals", "pncc"):
        assert not np.asarray(Image.open(tmp_path / f"p_{kind}.png")).any()
