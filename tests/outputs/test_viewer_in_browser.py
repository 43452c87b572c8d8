"""Tests of the interactive page in a real browser. They are skipped without Chromium."""

import json
import re
import shutil
import subprocess

import numpy as np
import pytest
from PIL import Image

from tests.helpers.fake_reconstruction import photo_with_faces
from tests.outputs.test_viewer import posed_face
from tests.outputs.test_viewer import units as units
from twodasl_jax import outputs
from twodasl_jax.outputs import viewer

pytestmark = pytest.mark.slow

WIDTH, HEIGHT = 1200, 900
FLAGS = (
    *("--headless", "--no-sandbox", "--hide-scrollbars", f"--window-size={WIDTH},{HEIGHT}"),
    *("--disable-gpu", "--use-gl=angle", "--use-angle=swiftshader", "--enable-unsafe-swiftshader"),
    *("--virtual-time-budget=8000", "--force-prefers-reduced-motion"),
)


@pytest.fixture(scope="module")
def chromium():
    """The path of Chromium or Chrome."""
    names = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
    found = next(filter(None, map(shutil.which, names)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(names)} is installed")
    return found


@pytest.fixture
def browse(chromium, tmp_path):
    """A function that opens a file and returns the data attributes of its body and a screenshot."""

    def open_page(path, fragment="", *flags):
        picture = tmp_path / "window.png"
        command = [chromium, *FLAGS, *flags, f"--user-data-dir={tmp_path / 'profile'}"]
        command += [f"--screenshot={picture}", "--dump-dom", path.as_uri() + fragment]
        finished = subprocess.run(command, capture_output=True, text=True, timeout=120, check=True)
        (body,) = re.findall(r"<body[^>]*>", finished.stdout)
        return dict(re.findall(r'data-(\w+)="([^"]*)"', body)), _pixels(picture)

    return open_page


@pytest.fixture
def page(tmp_path, face_model, units):
    path = tmp_path / "it's 100% <me>.html"
    scene = outputs.Scene(photo_with_faces(1), (posed_face(face_model),), face_model, units)
    viewer.write_page(path, scene)
    return path


def _pixels(picture):
    return np.asarray(Image.open(picture).convert("RGB")).astype(int)


def stage(window):
    """Returns the part of a screenshot with the face, between photo and sliders."""
    return window[80 : HEIGHT - 130, 380 : WIDTH - 380]


def test_address_changes_drawn_face(browse, page):
    attributes, window = browse(page)
    assert attributes == {"state": "ready"}
    # The face has the colour of the photo, (90, 140, 200); the background is grey.
    blue = stage(window)[..., 2] - stage(window)[..., 0] > 40
    assert 0.1 < blue.mean() < 0.9
    for fragment in ("#yaw=40", "#jawOpen=1", "#surface=clay", "#own=0", "#pose=front"):
        changed, other = browse(page, fragment)
        assert changed == {"state": "ready"}
        difference = np.abs(stage(other) - stage(window)).max(axis=-1)
        assert (difference > 20).sum() > 100, fragment


def test_invalid_address_is_ignored(browse, page):
    attributes, window = browse(page, "#face=9&yaw=west&surface=gold&jawOpen=NaN&zoom=1e9&%%%=1")
    assert attributes == {"state": "ready"}
    assert np.ptp(stage(window)) > 40


def test_photo_is_shown_without_webgl(browse, page):
    attributes, window = browse(page, "", "--disable-3d-apis")
    assert attributes == {"state": "no-webgl"}
    photo = window[300:600, 100:700]
    assert (photo[..., 2] - photo[..., 0] > 40).mean() > 0.3


def with_report(source, expression):
    """Returns the page, changed to store the value of a JavaScript expression in its body."""
    ready = 'document.body.dataset.state = "ready";'
    assert source.count(ready) == 1
    return source.replace(
        ready, f"document.body.dataset.report = JSON.stringify({expression});{ready}"
    )


def test_deformed_vertices_match_numpy(browse, tmp_path, face_model, units):
    scene = outputs.Scene(photo_with_faces(1), (posed_face(face_model),), face_model, units)
    weights, own_share = np.array([0.5, 0, 1, 0.25], np.float32), 0.25
    call = f"[...deform(viewer.face, viewer.data.sliders, {weights.tolist()}, {own_share})]"
    path = tmp_path / "p.html"
    path.write_text(with_report(viewer.page("p", scene), call))
    attributes, _ = browse(path)
    moved = np.reshape(json.loads(attributes["report"]), (-1, 3))

    face = scene.faces[0]
    displacement = np.tensordot(units.displacements[..., :4], weights, axes=1)
    strengths = face.coefficients[-10:] * face_model.expression_std
    displacement += (own_share - 1) * np.asarray(face_model.expression_basis) @ strengths
    up = face.vertices * [1, -1, 1]
    expected = (
        up - (up.min(axis=0) + up.max(axis=0)) / 2 + 0.4 * displacement @ _rotation_of(face).T
    )
    np.testing.assert_allclose(moved, expected, atol=0.01)


def test_keys_and_controls_change_state_and_reset_restores_it(browse, tmp_path, page):
    steps = """[
      () => find("#canvas").dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowLeft" })),
      () => find("#canvas").dispatchEvent(new KeyboardEvent("keydown", { key: "ArrowDown" })),
      () => find("[value=clay]").click(),
      () => find("[data-pose=front]").click(),
      () => {
        const slider = find("[data-slider]");
        slider.value = 0.5;
        slider.dispatchEvent(new Event("input"));
      },
      () => find("#overlay-shown").click(),
      () => find("[data-reset]").click(),
    ].map((step) => (step(), viewer.address()))"""
    path = tmp_path / "p.html"
    path.write_text(with_report(page.read_text("utf-8"), steps), "utf-8")
    attributes, _ = browse(path)
    assert json.loads(attributes["report"].replace("&amp;", "&").replace("&quot;", '"')) == [
        "yaw=5",
        "yaw=5&pitch=-5",
        "yaw=5&pitch=-5&surface=clay",
        "pose=front&surface=clay",
        "pose=front&surface=clay&mouthSmileRight=0.5",
        "pose=front&surface=clay&overlay=0&mouthSmileRight=0.5",
        "surface=clay&overlay=0",
    ]


def _rotation_of(face):
    """Returns Rx(pitch) Ry(yaw) Rz(roll) in float64."""
    yaw, pitch, roll = np.radians(face.euler_angles.astype(np.float64))

    def turn(angle, first, second):
        matrix = np.eye(3)
        matrix[[first, second], [first, second]] = np.cos(angle)
        matrix[first, second], matrix[second, first] = np.sin(angle), -np.sin(angle)
        return matrix

    return turn(pitch, 1, 2) @ turn(-yaw, 0, 2) @ turn(roll, 0, 1)
