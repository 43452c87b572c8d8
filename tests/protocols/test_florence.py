"""MICC Florence with scans of a face model: reading, rendering of views, and distances to meshes."""

import dataclasses
import json
import subprocess
import sys

import imageio.v3 as imageio
import numpy as np
import pytest
import trimesh
from PIL import Image

from tests.helpers.protocol_files import ROOT
from twodasl_jax.errors import DatasetError
from twodasl_jax.geometry.morphable_model import landmark_space, synthesize
from twodasl_jax.models.face_model import embedded_face_model
from twodasl_jax.protocols import florence
from twodasl_jax.protocols.predictions import Predictions
from twodasl_jax.protocols.surfaces import flip_y

COUNT = 2


def coefficients(number):
    random = np.random.default_rng(number)
    return random.normal(size=40).astype("f"), np.zeros(10, "f")


@pytest.fixture(scope="module")
def model():
    return embedded_face_model()


@pytest.fixture(scope="module")
def folder(tmp_path_factory, model):
    """Two subjects in millimetres, far from the origin.

    The first has a texture and annotated landmarks. The second has neither, and its scan is in frontal2.
    """
    root = tmp_path_factory.mktemp("florence")
    shift = np.array([10.0, -20.0, 900.0])
    for number, recording in zip(range(1, 1 + COUNT), ("frontal1", "frontal2"), strict=True):
        place = root / f"subject_{number:02d}" / "Model" / recording / "obj"
        place.mkdir(parents=True)
        shape, expression = coefficients(number)
        mesh = trimesh.Trimesh(
            synthesize(model, shape, expression) + shift, model.triangles, process=False
        )
        if number == 1:
            uv = np.random.default_rng(0).uniform(size=(len(mesh.vertices), 2))
            picture = Image.new("RGB", (8, 8), (200, 120, 90))
            mesh.visual = trimesh.visual.TextureVisuals(uv=uv, image=picture)
            points = np.asarray(synthesize(landmark_space(model), shape, expression)) + shift
            annotation = {
                "version": 2,
                "groups": {"LJSON": {"landmarks": {"points": points.tolist()}}},
            }
            (place / "1109.ljson").write_text(json.dumps(annotation))
        mesh.export(place / "1109.obj")
    return root


@pytest.fixture(scope="module")
def views(folder, tmp_path_factory):
    output = tmp_path_factory.mktemp("views")
    command = [
        ROOT / "experiments" / "render_test_set.py",
        "--source=scans",
        f"--data_dir={folder}",
        f"--output_dir={output}",
    ]
    finished = subprocess.run(
        [sys.executable, *command],
        capture_output=True,
        text=True,
        check=False,
        env={"PYTHONPATH": str(ROOT)},
    )
    assert finished.returncode == 0, finished.stderr
    assert "40 views of 2 scans" in finished.stdout
    assert "subject_02: no annotated landmarks" in finished.stdout
    return output


@pytest.fixture(scope="module")
def test_set(folder, views, model):
    return florence.read_florence(folder, views, model)


def test_scans_keep_unit_colours_and_landmarks(folder, model):
    files = florence.find_scans(folder)
    assert list(files) == ["subject_01", "subject_02"]
    first, second = (florence.read_scan(path, model) for path in files.values())
    assert first.annotated
    assert not second.annotated
    assert (first.colours == [200, 120, 90]).all()
    assert len(set(map(tuple, second.colours))) == 1
    # Without annotation, the aligned mean face gives the landmarks to a few millimetres.
    truth = np.asarray(synthesize(landmark_space(model), *coefficients(2))) + np.array(
        [10.0, -20, 900]
    )
    assert np.linalg.norm(second.landmarks - truth, axis=1).mean() < 6


def test_crops_of_views_contain_the_face(views, test_set):
    photos, _ = test_set
    assert len(photos.names) == 40
    assert all(photo.is_file() for photo in photos.photos)
    assert set(photos.yaw) == {-80, -40, 0, 40, 80}
    image = imageio.imread(views / "images" / "subject_01_pitch+0_yaw+0.png").astype(int)
    skin = np.abs(image - 110).max(axis=2) > 8
    box = photos.boxes[photos.names.index("subject_01_pitch+0_yaw+0")]
    # The central half of the crop shows the face, the corners of the image show the background.
    left, top, right, bottom = np.rint(
        box + (box[2] - box[0]) / 4 * np.array([1, 1, -1, -1])
    ).astype(int)
    assert skin[top:bottom, left:right].mean() > 0.99
    assert not skin[[0, 0, -1, -1], [0, -1, 0, -1]].any()
    assert box[2] - box[0] == pytest.approx(0.75 * 256, rel=1e-3)


def test_true_mesh_has_no_error_and_mean_face_has_one(test_set, model):
    photos, truth = test_set
    shapes = [coefficients(int(name[8:10])) for name in photos.names]
    # Meshes may have any frame and unit: these are rotated and scaled, with y down.
    rotation = np.array([[0, -1, 0], [1, 0, 0], [0, 0, 1]], "f")
    vertices, landmarks = (
        np.stack([0.3 * np.asarray(synthesize(space, *pair)) @ rotation for pair in shapes])
        for space in (model, landmark_space(model))
    )
    predictions = Predictions("truth", flip_y(landmarks), flip_y(vertices))
    missing = dataclasses.replace(predictions, vertices=predictions.vertices.copy())
    missing.vertices[7] = np.nan
    scores = {score.metric: score for score in florence.scan_scores(truth, photos, missing)}
    found = np.delete(np.arange(40), 7)
    assert np.isnan(scores["scan_point_to_plane"].values[7])
    assert (scores["scan_point_to_plane"].values[found] < 0.05).all()
    assert (scores["scan_point_to_plane_mean_face"].values > 0.5).all()
    assert (
        scores["scan_point_to_point"].values[found]
        <= scores["scan_point_to_point_mean_face"].values[found]
    ).all()
    # The distance between the outer eye corners is about 100 mm.
    ratio = scores["scan_point_to_point_mean_face"].values / scores["scan_nme_mean_face"].values
    assert ((ratio > 0.7) & (ratio < 1.3)).all()
    assert {score.unit for score in scores.values()} == {"%", "mm"}


@pytest.mark.slow
def test_program_scores_network_on_views(folder, views, tmp_path):
    chosen = [
        f"subject_{number:02d}_pitch+0_yaw{yaw}"
        for number in (1, 2)
        for yaw in ("+0", "-40", "+80")
    ]
    (tmp_path / "names.txt").write_text("\n".join(chosen))
    command = [
        *(
            sys.executable,
            ROOT / "experiments" / "evaluate.py",
            "--protocol=florence",
            "--pretrained",
        ),
        *(f"--data_dir={folder}", f"--views={views}", f"--output_dir={tmp_path / 'out'}"),
        f"--names={tmp_path / 'names.txt'}",
    ]
    finished = subprocess.run(
        command, capture_output=True, text=True, check=False, env={"PYTHONPATH": str(ROOT)}
    )
    assert finished.returncode == 0, finished.stderr
    report = json.loads((tmp_path / "out" / "report.json").read_text())
    for metric in ("scan_point_to_plane", "scan_nme", "scan_nme_mean_face"):
        assert metric in finished.stdout
        entry = report[metric]["scan"]
        assert entry["count"] == 6
        assert 0 < entry["balanced"] < 10


def test_rejects_predictions_without_meshes(test_set):
    photos, truth = test_set
    with pytest.raises(DatasetError, match="holds no meshes"):
        florence.scan_scores(truth, photos, Predictions("mine", np.zeros((40, 68, 3), "f")))


def test_errors_name_faulty_folders_and_files(tmp_path, model):
    with pytest.raises(DatasetError, match="holds no folders subject_01"):
        florence.find_scans(tmp_path)
    place = tmp_path / "subject_01" / "Model" / "frontal1" / "obj"
    place.mkdir(parents=True)
    with pytest.raises(DatasetError, match=r"for subject_01\."):
        florence.find_scans(tmp_path)
    (place / "a.obj").write_text("# nothing\n")
    with pytest.raises(DatasetError, match=r"a\.obj"):
        florence.read_scan(place / "a.obj", model)
    (place / "a.obj").write_text("v 0 0 0\nv 1 0 0\nv 0 1 0\nf 1 2 3\n")
    (place / "a.ljson").write_text('{"groups": {}}')
    with pytest.raises(DatasetError, match=r"a\.ljson: it is not an LJSON file"):
        florence.read_scan(place / "a.obj", model)
