"""Tests of the content of the interactive page."""

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
from tests.helpers.viewer_pages import Page, decode_array, decode_bytes
from twodasl_jax import outputs
from twodasl_jax.geometry import projection, rotation
from twodasl_jax.geometry.coefficients import Coefficients, official_from_coefficients
from twodasl_jax.inference.reconstruction import Face
from twodasl_jax.models.expression_units import ExpressionUnits
from twodasl_jax.models.face_model import embedded_expression_units, embedded_face_model
from twodasl_jax.outputs import viewer
from twodasl_jax.outputs.viewer.sliders import sliders_html, sliders_of

ROOT = pathlib.Path(__file__).parents[2]
UNIT_NAMES = ("jawOpen", "mouthSmileLeft", "mouthSmileRight", "browDownLeft", "tongueOut")


@pytest.fixture(scope="module")
def units(face_model):
    """Five expression units. The last one does not move any vertex."""
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
    """Returns a face with consistent vertices, coefficients and box, as from a network."""
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
    # The box has the size of the crop, so the frames differ by a translation.
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
    """A scene with one face."""
    return outputs.Scene(photo_with_faces(1), (posed_face(face_model),), face_model, units)


@pytest.fixture(scope="module")
def page(scene):
    return Page(viewer.page("party", scene))


def centred(points):
    return points - (points.min(axis=0) + points.max(axis=0)) / 2


def test_page_needs_no_other_file_and_no_network(page):
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
    # The XML namespace is a name and is not fetched.
    assert set(re.findall(r"\w+://[^\"'`\s]*", programs)) <= {"http://www.w3.org/1999/xhtml"}
    (policy,) = (
        attributes["content"]
        for attributes in page.having("http-equiv")
        if attributes["http-equiv"] == "Content-Security-Policy"
    )
    assert policy.startswith("default-src 'none'; img-src data: blob:;")


def test_page_contains_mesh_of_face(page, scene):
    mesh = {name: decode_array(packed) for name, packed in page.content["mesh"].items()}
    triangles = mesh["source"][mesh["triangles"]].reshape(-1, 3)
    np.testing.assert_array_equal(triangles, scene.model.triangles)
    assert mesh["uv"].shape == (2 * len(mesh["source"]),)
    for face, stored in zip(scene.faces, page.content["faces"], strict=True):
        vertices = decode_array(stored["vertices"]).reshape(-1, 3)
        np.testing.assert_allclose(vertices, centred(face.vertices * [1, -1, 1]), atol=1e-4)
        assert stored["radius"] == pytest.approx(np.linalg.norm(vertices, axis=1).max())


def test_removing_expression_of_photo_gives_neutral_face(page, scene, face_model):
    face, stored = scene.faces[0], page.content["faces"][0]
    neutral = posed_face(face_model, expression_scale=0.0)
    expression = decode_array(stored["expression"]).reshape(-1, 3) * stored["expression"]["step"]
    moved = expression @ np.reshape(stored["linear"], (3, 3)).T
    expected = (face.vertices - neutral.vertices) * [1, -1, 1]
    assert np.abs(expected).max() > 0.5
    np.testing.assert_allclose(moved, expected, atol=0.002)


def test_displacements_scale_with_box(face_model):
    small, large = posed_face(face_model), posed_face(face_model, box=(0, 0, 240, 360))
    scene = outputs.Scene(photo_with_faces(2), (small, large), face_model)
    first, second = (view.file_from_model for view in scene.face_views)
    np.testing.assert_allclose(second, first * [[2], [3], [np.sqrt(6)]], rtol=1e-5)


def test_upright_matrix_rotates_head_to_front(page, scene):
    face, stored = scene.faces[0], page.content["faces"][0]
    upright = np.reshape(stored["upright"], (3, 3))
    rotated = np.asarray(rotation.rotation_from_euler(np.radians(face.euler_angles)))
    np.testing.assert_allclose(upright @ rotated, np.eye(3), atol=1e-6)


def test_sliders_have_displacements_of_units(page, units):
    sliders = page.content["sliders"]
    assert sliders["names"] == list(UNIT_NAMES[:4])
    assert (sliders["lowest"], sliders["highest"]) == (0, 1)
    moved = sliders["displacements"]["step"] * decode_array(sliders["displacements"]).reshape(
        4, -1, 3
    )
    expected = np.moveaxis(units.displacements, -1, 0)[:4]
    np.testing.assert_allclose(moved, expected, atol=np.abs(expected).max() / 65000)


def test_model_without_units_has_sliders_for_components(face_model):
    scene = outputs.Scene(photo_with_faces(1), (posed_face(face_model),), face_model)
    sliders = Page(viewer.page("p", scene)).content["sliders"]
    moved = sliders["displacements"]["step"] * decode_array(sliders["displacements"]).reshape(
        10, -1, 3
    )
    expected = np.moveaxis(face_model.expression_basis * face_model.expression_std, -1, 0)
    np.testing.assert_allclose(moved, expected, atol=np.abs(expected).max() / 65000)
    assert sliders["names"][0] == "expression 1"
    assert sliders["lowest"] == -sliders["highest"] < 0


def test_sliders_have_labels_and_right_side_first(page):
    controls = page.having("data-slider")
    assert [control["data-slider"] for control in controls] == ["2", "1", "0", "3"]
    labels = [control["aria-label"] for control in controls]
    assert labels == ["Smile, right", "Smile, left", "Open", "Down, left"]


def test_presets_without_their_units_are_omitted(page):
    presets = [button["data-preset"] for button in page.having("data-preset")]
    assert presets == ['{"own": 1.0}', '{"own": 0.0}']


def test_preset_sets_both_sides_or_named_side():
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
    # "tongueOut" does not move any vertex.
    assert controls.count("data-slider") == 51


@pytest.mark.parametrize(
    "name", ['"><script>alert(1)<!--', 'it\'s "quoted" & <b>bold<b>', "${x} $title", "bad\udcff"]
)
def test_photo_name_is_escaped(tmp_path, alone, page, name):
    viewer.write_page(tmp_path / f"{name}.html", alone)
    (path,) = tmp_path.iterdir()
    named = Page(path.read_text("utf-8"))
    shown = name.replace("\udcff", "\ufffd")
    assert named.texts["h1"] == [shown]
    assert named.texts["title"] == [f"{shown} in 3D"]
    assert len(named.named("script")) == len(page.named("script"))
    assert len(named.named("b")) == len(page.named("b"))
    assert named.content["files"]["PLY 0"]["name"] == f"{shown}_face0.ply"


def test_unit_names_are_escaped(alone, units, page):
    names = ("</script><script>", '"onload="x', "<b>", "&amp;", "tongueOut")
    hostile = dataclasses.replace(alone, units=dataclasses.replace(units, names=names))
    named = Page(viewer.page("p", hostile))
    assert named.content["sliders"]["names"] == list(names[:4])
    assert len(named.named("script")) == len(page.named("script"))
    assert {label["aria-label"] for label in named.having("data-slider")} >= {"&amp;", "<b>"}
    assert not named.having("onload")


def test_photo_has_button_for_each_of_several_faces(page, alone):
    boxes = page.having("data-choose")
    assert [box["data-choose"] for box in boxes] == ["0", "1"]
    # The box from (20, 10) to (140, 130) is clipped to the photo of 200 x 120 pixels.
    assert boxes[0]["style"] == "left:10.00%;top:8.33%;width:60.00%;height:91.67%"
    assert page.texts["caption"] == ["Face 1", "Face 2"]
    assert not Page(viewer.page("p", alone)).having("data-choose")


def test_numbers_explain_their_signs(page):
    cells = page.texts["td"]
    notes = page.texts["small"]
    assert cells[:5] == ["25.0°", "−10.0°", "15.0°", "20, 10 to 140, 130", "0.500"]
    assert notes[:3] == ["nose to the photo’s left", "nose lowered", "turned clockwise"]
    assert cells[9] == "none: given box"


def test_embedded_files_equal_written_files(tmp_path, page, scene):
    outputs.write_photo(tmp_path / "party", scene, ["obj", "ply", "glb"])
    files = {stored["name"]: decode_bytes(stored) for stored in page.content["files"].values()}
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


def test_every_file_has_button_at_its_face(page):
    assert [button["data-file"] for button in page.having("data-file")] == [
        *("OBJ 0", "PLY 0", "GLB 0", "JSON"),
        *("OBJ 1", "PLY 1", "GLB 1", "JSON"),
    ]
    assert set(page.content["files"]) == {
        button["data-file"] for button in page.having("data-file")
    }


def test_large_photo_is_reduced(alone):
    large = dataclasses.replace(alone, image=np.zeros((900, 3200, 3), np.uint8))
    pictures = Page(viewer.page("p", large)).named("img")
    assert len(pictures) == 2
    for _, attributes in pictures:
        data = attributes["src"].partition(",")[2]
        assert attributes["alt"]
        assert Image.open(io.BytesIO(base64.b64decode(data))).size == (1600, 450)


def test_bundle_exports_all_used_names_of_three_js():
    assets = ROOT / "twodasl_jax" / "assets" / "viewer"
    used = {
        name
        for script in ("mesh.js", "stage.js", "viewer.js")
        for name in re.findall(r"THREE\.(\w+)", (assets / script).read_text("utf-8"))
    }
    exported = set(re.findall(r"(\w+):\(\)=>", (assets / "three.min.js").read_text("utf-8")))
    assert used
    assert used <= exported
