"""Files that a reconstruction leaves behind, read back."""

import dataclasses
import json

import numpy as np
import pytest
import trimesh
from PIL import Image

from tests.fake_reconstruction import make_face, photo_with_faces
from twodasl_jax import outputs
from twodasl_jax.face_model import embedded_face_model
from twodasl_jax.outputs import pictures
from twodasl_jax.rendering import rasterizer


@pytest.fixture
def faces(face_model):
    return [make_face(face_model, (60, 60)), make_face(face_model, (150, 60), yaw=30)]


def written(folder):
    return sorted(path.name for path in folder.iterdir())


def test_everything_is_written_under_the_name_of_the_photo(tmp_path, face_model, faces):
    record = outputs.write_photo(
        tmp_path / "party", outputs.Scene(photo_with_faces(2), tuple(faces), face_model)
    )
    assert written(tmp_path) == [
        *(f"party_face{number}.{kind}" for number in (0, 1) for kind in ("glb", "obj", "ply")),
        "party_overlay.png",
    ]
    assert record["files"] == {"overlay": "party_overlay.png"}
    assert record["faces"][1]["files"] == {
        kind: f"party_face1.{kind}" for kind in ("obj", "ply", "glb")
    }


@pytest.mark.parametrize(
    ("kinds", "names"),
    [
        (["ply"], ["p_face0.ply", "p_face1.ply"]),
        (["overlay", "json"], ["p_overlay.png"]),
        (["json"], []),
    ],
)
def test_only_what_was_asked_for_is_written(tmp_path, face_model, faces, kinds, names):
    record = outputs.write_photo(
        tmp_path / "p", outputs.Scene(photo_with_faces(2), tuple(faces), face_model), kinds
    )
    assert written(tmp_path) == names
    assert ("overlay" in record["files"]) == ("overlay" in kinds)
    assert [len(face["files"]) for face in record["faces"]] == [kinds.count("ply")] * 2


def test_the_overlay_changes_the_faces_and_not_the_background(tmp_path, face_model, faces):
    image = photo_with_faces(2)
    outputs.write_photo(tmp_path / "p", outputs.Scene(image, tuple(faces), face_model), ["overlay"])
    drawn = np.asarray(Image.open(tmp_path / "p_overlay.png"))
    assert drawn.shape == image.shape
    assert (drawn != image).any(axis=-1)[50:70, 50:70].all()
    np.testing.assert_array_equal(drawn[:, :5], image[:, :5])


def test_a_larger_face_is_drawn_over_a_smaller_one(face_model):
    small = make_face(face_model, (100, 60), scale=0.2)
    large = make_face(face_model, (100, 60), scale=0.5)
    image = photo_with_faces(0)
    alone, both = (
        pictures.draw_overlay(outputs.Scene(image, some, face_model)).astype(int)
        for some in ((large,), (large, small))
    )
    # Through the larger face, the smaller one below it is only faintly seen.
    assert np.abs(alone - both).max() < 60


def test_a_mesh_lies_where_the_face_lies_in_the_photo(tmp_path, face_model, faces):
    outputs.write_photo(
        tmp_path / "p", outputs.Scene(photo_with_faces(2), tuple(faces), face_model), ["ply"]
    )
    mesh = trimesh.load(tmp_path / "p_face1.ply", process=False)
    np.testing.assert_allclose(mesh.vertices[:, 0], faces[1].vertices[:, 0], atol=1e-4)
    np.testing.assert_allclose(mesh.vertices[:, 1], 120 - faces[1].vertices[:, 1], atol=1e-4)
    front = faces[1].vertices[:, 2].argmax()
    np.testing.assert_allclose(mesh.visual.vertex_colors[front, :3], (90, 140, 200), atol=1)


def test_faces_json_says_what_the_faces_say(tmp_path, face_model, faces):
    record = outputs.write_photo(
        tmp_path / "p",
        outputs.Scene(photo_with_faces(2), tuple(faces), face_model),
        ["json", "depth"],
    )
    outputs.write_faces_json(tmp_path / "faces.json", [{"photo": "p.jpg", **record}])
    document = json.loads((tmp_path / "faces.json").read_text())
    (photo,) = document["photos"]
    assert (photo["photo"], photo["width"], photo["height"]) == ("p.jpg", 200, 120)
    for entry, face in zip(photo["faces"], faces, strict=True):
        np.testing.assert_allclose(entry["box"], face.box, atol=0.01)
        np.testing.assert_allclose(entry["landmarks"], face.landmarks, atol=0.01)
        np.testing.assert_allclose(entry["coefficients"], face.coefficients, atol=1e-6)
        assert list(entry["euler_angles"].values()) == face.euler_angles.tolist()
        assert entry["score"] == 0.75
    described = set(document["conventions"])
    assert described <= set(photo) | set(photo["faces"][0])


def test_a_face_from_a_given_box_has_no_score(tmp_path, face_model):
    face = make_face(face_model, (60, 60), score=float("nan"))
    record = outputs.write_photo(
        tmp_path / "p", outputs.Scene(photo_with_faces(1), (face,), face_model), ["json"]
    )
    assert record["faces"][0]["score"] is None


def test_the_grey_levels_of_the_depth_picture_are_the_depth_of_each_face(
    tmp_path, face_model, faces
):
    scene = outputs.Scene(photo_with_faces(2), tuple(faces), face_model)
    record = outputs.write_photo(tmp_path / "p", scene, ["depth"])
    grey = np.asarray(Image.open(tmp_path / "p_depth.png")).astype(np.float64)
    offset, scale = record["depth"]["offset"], record["depth"]["scale"]
    assert (grey.min(), np.unique(grey)[1], grey.max()) == (0, 1, 65535)
    seen = scene.raster.triangle != rasterizer.NO_TRIANGLE
    np.testing.assert_array_equal(grey > 0, seen)
    triangles = np.asarray(face_model.triangles)
    nearest = np.full(scene.size, -np.inf)
    for face in faces:
        alone = rasterizer.rasterize(face.vertices, triangles, *scene.size).depth
        nearest = np.where(np.isfinite(alone), alone, nearest)
    # The two faces do not overlap in the photo.
    np.testing.assert_allclose((offset + scale * grey)[seen], nearest[seen], atol=0.51 * scale)


def test_a_larger_face_hides_a_smaller_one_in_the_z_buffer_too(face_model):
    small = make_face(face_model, (100, 60), scale=0.2)
    # Its own z says that it lies far behind.
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
def test_the_far_side_of_a_turned_head_is_hidden(yaw):
    model = embedded_face_model()
    scene = outputs.Scene(photo_with_faces(0), (make_face(model, (100, 60), yaw=yaw),), model)
    (portrait,) = scene.portraits
    # Outer corner of the eye, end of the brow, jaw from the ear on: of the subject's right and left.
    right, left = [36, 17, *range(7)], [45, 26, *range(16, 9, -1)]
    far, near = (right, left) if yaw > 0 else (left, right)
    assert not portrait.unhidden_landmarks[far].any()
    assert portrait.unhidden_landmarks[near].all()


def test_a_frontal_face_hides_no_more_than_the_jaw_below_its_ears():
    model = embedded_face_model()
    scene = outputs.Scene(photo_with_faces(0), (make_face(model, (100, 60)),), model)
    (portrait,) = scene.portraits
    assert set(np.nonzero(~portrait.unhidden_landmarks)[0]) <= {2, 3, 4, 12, 13, 14}


def test_a_nearer_face_hides_the_landmarks_behind_it():
    model = embedded_face_model()
    image = photo_with_faces(0)
    large = make_face(model, (80, 60), scale=0.5)
    small = make_face(model, (125, 60), scale=0.3)
    beside = make_face(model, (180, 60), scale=0.2)
    scene = outputs.Scene(image, (small, large, beside), model)
    alone = [outputs.Scene(image, (face,), model).portraits[0] for face in scene.faces]
    covered = rasterizer.rasterize(large.vertices, np.asarray(model.triangles), *scene.size).depth
    columns, rows = small.landmarks[:, :2].astype(int).T
    behind = np.isfinite(covered[rows, columns])
    assert 5 < behind.sum() < 60
    seen = [portrait.unhidden_landmarks for portrait in scene.portraits]
    # The mesh's own z-buffer is finer than the photo: points at the border of the nearer face may differ.
    assert (seen[0] != alone[0].unhidden_landmarks & ~behind).sum() <= 2
    np.testing.assert_array_equal(seen[1], alone[1].unhidden_landmarks)
    np.testing.assert_array_equal(seen[2], alone[2].unhidden_landmarks)


def test_a_scene_without_faces_is_the_photo_and_black_maps(tmp_path, face_model):
    image = photo_with_faces(0)
    kinds = list(outputs.OF_PHOTO)
    record = outputs.write_photo(tmp_path / "p", outputs.Scene(image, (), face_model), kinds)
    assert list(record["files"]) == kinds
    for kind in ("overlay", "wireframe", "landmarks", "pose"):
        drawn = np.asarray(Image.open(tmp_path / f"p_{kind}.png"))
        np.testing.assert_array_equal(drawn, image)
    for kind in ("depth", "normals", "pncc"):
        assert not np.asarray(Image.open(tmp_path / f"p_{kind}.png")).any()
