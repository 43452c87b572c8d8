"""The viewer's page: it holds all that it shows, as the faces have it, and nothing that breaks it."""

import base64
import dataclasses
import html
import io
import json
import pathlib
import re
import zipfile

import numpy as np
import pytest
from PIL import Image

from tests.helpers.fake_reconstruction import make_face, photo_with_faces
from tests.helpers.viewer_pages import Page, inflated, unpacked
from twodasl_jax import outputs
from twodasl_jax.expression_units import ExpressionUnits
from twodasl_jax.geometry import projection, rotation
from twodasl_jax.geometry.coefficients import Coefficients, official_from_coefficients
from twodasl_jax.inference.reconstruction import Face
from twodasl_jax.models.face_model import embedded_expression_units, embedded_face_model
from twodasl_jax.outputs import viewer
from twodasl_jax.outputs.viewer.sliders import sliders_html, sliders_of

ROOT = pathlib.Path(__file__).parents[2]
UNIT_NAMES = ("jawOpen", "mouthSmileLeft", "mouthSmileRight", "browDownLeft", "tongueOut")


@pytest.fixture(scope="module")
def units(face_model):
    """Five units, of which the last one moves nothing."""
    displacements = 90 * np.asarray(face_model.expression_basis)[..., :5]
    displacements[..., 4] = 0
    count = len(displacements)
    return ExpressionUnits(
        names=UNIT_NAMES,
        displacements=displacements,
        metric=np.full(count, 1 / count, np.float32),
        at_rest=np.zeros(5, np.float32),
    )


def posed_face(model, box=(20.0, 10.0, 140.0, 130.0), expression_scale=1.0):
    """A face whose vertices, coefficients and box belong together, as those of the network do."""
    random = np.random.default_rng(3)
    shape = random.normal(size=40).astype(np.float32)
    expression = expression_scale * random.normal(size=10).astype(np.float32)
    angles = np.array([25, -10, 15], np.float32)
    camera = projection.WeakPerspective(
        scale=np.array(0.4, np.float32),
        rotation=rotation.rotation_from_euler(np.radians(angles)),
        translation=np.array([60, 55, 0], np.float32),
    )
    affine = np.asarray(projection.affine_from_camera(camera))
    moved = np.asarray(model.shape_basis) @ (shape * model.shape_std)
    moved += np.asarray(model.expression_basis) @ (expression * model.expression_std)
    points = np.concatenate([model.mean + moved, np.ones((len(moved), 1))], axis=1)
    # The box is as large as the crop, so that image and crop differ by a shift.
    vertices = points @ affine.T + np.array([*box[:2], 0])
    return Face(
        vertices=vertices.astype(np.float32),
        landmarks=vertices[:68].astype(np.float32),
        coefficients=np.asarray(
            official_from_coefficients(Coefficients(affine, shape, expression))
        ),
        box=np.array(box, np.float32),
        euler_angles=angles,
        score=0.5,
    )


@pytest.fixture(scope="module")
def scene(face_model, units):
    faces = posed_face(face_model), make_face(face_model, (150, 60), yaw=30, score=float("nan"))
    return outputs.Scene(photo_with_faces(2), faces, face_model, units)


@pytest.fixture(scope="module")
def alone(face_model, units):
    """A photo of one face."""
    return outputs.Scene(photo_with_faces(1), (posed_face(face_model),), face_model, units)


@pytest.fixture(scope="module")
def page(scene):
    return Page(viewer.page("party", scene))


def centred(points):
    return points - (points.min(axis=0) + points.max(axis=0)) / 2


def test_the_page_needs_no_other_file_and_no_network(page):
    addresses = [
        attributes[name]
        for name in ("src", "href", "srcset", "data", "action", "poster", "background")
        for attributes in page.having(name)
    ]
    assert addresses
    assert all(address.startswith("data:") for address in addresses)
    styles = [*page.texts["style"], *(attributes["style"] for attributes in page.having("style"))]
    assert not any("url(" in style or "@import" in style for style in styles)
    programs = "".join(page.texts["script"])
    # A name of a kind of elements, which nobody fetches.
    assert set(re.findall(r"\w+://[^\"'`\s]*", programs)) <= {"http://www.w3.org/1999/xhtml"}
    (policy,) = (
        attributes["content"]
        for attributes in page.having("http-equiv")
        if attributes["http-equiv"] == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; img-src data: blob:;")


def test_the_mesh_in_the_page_is_that_of_the_face(page, scene):
    mesh = {name: unpacked(packed) for name, packed in page.content["mesh"].items()}
    triangles = mesh["source"][mesh["triangles"]].reshape(-1, 3)
    np.testing.assert_array_equal(triangles, scene.model.triangles)
    assert mesh["uv"].shape == (2 * len(mesh["source"]),)
    for face, stored in zip(scene.faces, page.content["faces"], strict=True):
        vertices = unpacked(stored["vertices"]).reshape(-1, 3)
        np.testing.assert_allclose(vertices, centred(face.vertices * [1, -1, 1]), atol=1e-4)
        assert stored["radius"] == pytest.approx(np.linalg.norm(vertices, axis=1).max())


def test_without_the_expression_of_the_photo_the_neutral_face_is_left(page, scene, face_model):
    face, stored = scene.faces[0], page.content["faces"][0]
    neutral = posed_face(face_model, expression_scale=0.0)
    expression = unpacked(stored["expression"]).reshape(-1, 3) * stored["expression"]["step"]
    moved = expression @ np.reshape(stored["linear"], (3, 3)).T
    expected = (face.vertices - neutral.vertices) * [1, -1, 1]
    assert np.abs(expected).max() > 0.5
    np.testing.assert_allclose(moved, expected, atol=0.002)


def test_a_box_that_is_larger_than_the_crop_makes_movements_larger(face_model):
    small, large = posed_face(face_model), posed_face(face_model, box=(0, 0, 240, 360))
    scene = outputs.Scene(photo_with_faces(2), (small, large), face_model)
    first, second = (portrait.file_from_model for portrait in scene.portraits)
    np.testing.assert_allclose(second, first * [[2], [3], [np.sqrt(6)]], rtol=1e-5)


def test_the_rotation_in_the_page_turns_the_head_to_the_front(page, scene):
    face, stored = scene.faces[0], page.content["faces"][0]
    upright = np.reshape(stored["upright"], (3, 3))
    rotated = np.asarray(rotation.rotation_from_euler(np.radians(face.euler_angles)))
    np.testing.assert_allclose(upright @ rotated, np.eye(3), atol=1e-6)


def test_sliders_move_the_units_that_move_anything(page, units):
    sliders = page.content["sliders"]
    assert sliders["names"] == list(UNIT_NAMES[:4])
    assert (sliders["lowest"], sliders["highest"]) == (0, 1)
    moved = sliders["displacements"]["step"] * unpacked(sliders["displacements"]).reshape(4, -1, 3)
    expected = np.moveaxis(units.displacements, -1, 0)[:4]
    np.testing.assert_allclose(moved, expected, atol=np.abs(expected).max() / 65000)


def test_a_model_without_units_has_sliders_for_its_components(face_model):
    scene = outputs.Scene(photo_with_faces(1), (posed_face(face_model),), face_model)
    sliders = Page(viewer.page("p", scene)).content["sliders"]
    moved = sliders["displacements"]["step"] * unpacked(sliders["displacements"]).reshape(10, -1, 3)
    expected = np.moveaxis(face_model.expression_basis * face_model.expression_std, -1, 0)
    np.testing.assert_allclose(moved, expected, atol=np.abs(expected).max() / 65000)
    assert sliders["names"][0] == "expression 1"
    assert sliders["lowest"] == -sliders["highest"] < 0


def test_every_slider_has_one_control_with_a_name_and_its_right_side_first(page):
    controls = page.having("data-slider")
    assert [control["data-slider"] for control in controls] == ["2", "1", "0", "3"]
    labels = [control["aria-label"] for control in controls]
    assert labels == ["Smile, right", "Smile, left", "Open", "Down, left"]


def test_only_expressions_that_the_units_can_show_are_offered(page):
    presets = [button["data-preset"] for button in page.having("data-preset")]
    assert presets == ['{"own": 1.0}', '{"own": 0.0}']


def test_an_expression_moves_both_sides_of_a_unit_or_the_one_that_it_names():
    scene = outputs.Scene(
        photo_with_faces(1), (), embedded_face_model(), embedded_expression_units()
    )
    controls = sliders_html(sliders_of(scene))
    presets = dict(re.findall(r'data-preset="([^"]*)">(\w+)<', controls))
    presets = {title: json.loads(html.unescape(weights)) for weights, title in presets.items()}
    assert presets["Kiss"] == {
        "own": 0, "mouthPucker": 0.95, "eyeSquintLeft": 0.2, "eyeSquintRight": 0.2
    }  # fmt: skip
    assert presets["Wink"]["eyeBlinkLeft"] == 1
    assert "eyeBlinkRight" not in presets["Wink"]
    assert len(presets) == 8
    # "tongueOut" moves nothing.
    assert controls.count("data-slider") == 51


@pytest.mark.parametrize(
    "name", ['"><script>alert(1)<!--', 'it\'s "quoted" & <b>bold<b>', "${x} $title", "bad\udcff"]
)
def test_no_name_of_a_photo_breaks_the_page(tmp_path, alone, page, name):
    viewer.write_page(tmp_path / f"{name}.html", alone)
    (path,) = tmp_path.iterdir()
    named = Page(path.read_text("utf-8"))
    shown = name.replace("\udcff", "\ufffd")
    assert named.texts["h1"] == [shown]
    assert named.texts["title"] == [f"{shown} in 3D"]
    assert len(named.named("script")) == len(page.named("script"))
    assert len(named.named("b")) == len(page.named("b"))
    assert named.content["files"]["PLY 0"]["name"] == f"{shown}_face0.ply"


def test_no_name_of_a_unit_breaks_the_page(alone, units, page):
    names = ("</script><script>", '"onload="x', "<b>", "&amp;", "tongueOut")
    hostile = dataclasses.replace(alone, units=dataclasses.replace(units, names=names))
    named = Page(viewer.page("p", hostile))
    assert named.content["sliders"]["names"] == list(names[:4])
    assert len(named.named("script")) == len(page.named("script"))
    assert {label["aria-label"] for label in named.having("data-slider")} >= {"&amp;", "<b>"}
    assert not named.having("onload")


def test_several_faces_can_be_chosen_on_the_photo(page, alone):
    boxes = page.having("data-choose")
    assert [box["data-choose"] for box in boxes] == ["0", "1"]
    # The box from 20, 10 to 140, 130 in 200 x 120 pixels ends where the photo ends.
    assert boxes[0]["style"] == "left:10.00%;top:8.33%;width:60.00%;height:91.67%"
    assert page.texts["caption"] == ["Face 1", "Face 2"]
    assert not Page(viewer.page("p", alone)).having("data-choose")


def test_the_numbers_say_what_the_signs_mean(page):
    cells = page.texts["td"]
    notes = page.texts["small"]
    assert cells[:5] == ["25.0°", "−10.0°", "15.0°", "20, 10 to 140, 130", "0.500"]
    assert notes[:3] == ["nose to the photo’s left", "nose lowered", "turned clockwise"]
    assert cells[9] == "the box was given"


def test_the_files_in_the_page_are_the_files_that_are_written(tmp_path, page, scene):
    outputs.write_photo(tmp_path / "party", scene, ["obj", "ply", "glb"])
    files = {stored["name"]: inflated(stored) for stored in page.content["files"].values()}
    for number in (0, 1):
        for kind in ("ply", "glb"):
            name = f"party_face{number}.{kind}"
            assert files[name] == (tmp_path / name).read_bytes()
        with zipfile.ZipFile(io.BytesIO(files[f"party_face{number}_obj.zip"])) as archive:
            names = archive.namelist()
            assert names == [
                f"party_face{number}{ending}" for ending in (".mtl", ".obj", "_texture.png")
            ]
            assert all(archive.read(name) == (tmp_path / name).read_bytes() for name in names)
    assert json.loads(files["party_faces.json"])["photos"][0]["faces"][1]["score"] is None


def test_every_file_has_a_button_at_its_face(page):
    assert [button["data-file"] for button in page.having("data-file")] == [
        *("OBJ 0", "PLY 0", "GLB 0", "JSON"),
        *("OBJ 1", "PLY 1", "GLB 1", "JSON"),
    ]
    assert set(page.content["files"]) == {
        button["data-file"] for button in page.having("data-file")
    }


def test_a_large_photo_is_made_smaller_for_the_page(alone):
    large = dataclasses.replace(alone, image=np.zeros((900, 3200, 3), np.uint8))
    pictures = Page(viewer.page("p", large)).named("img")
    assert len(pictures) == 2
    for _, attributes in pictures:
        data = attributes["src"].partition(",")[2]
        assert attributes["alt"]
        assert Image.open(io.BytesIO(base64.b64decode(data))).size == (1600, 450)


def test_the_bundle_has_all_of_three_js_that_the_page_uses():
    assets = ROOT / "twodasl_jax" / "assets" / "viewer"
    used = {
        name
        for script in ("mesh.js", "stage.js", "viewer.js")
        for name in re.findall(r"THREE\.(\w+)", (assets / script).read_text("utf-8"))
    }
    exported = set(re.findall(r"(\w+):\(\)=>", (assets / "three.min.js").read_text("utf-8")))
    assert used
    assert used <= exported
