"""experiments/evaluate.py and decode_coefficients.py on prediction files and networks, and the report files."""

import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tests.helpers.protocol_files import Faces, write_aflw2000, write_aflw_lfpa, write_annotations
from twodasl_jax.geometry.coefficients import Coefficients, official_from_coefficients
from twodasl_jax.geometry.frames import crop_from_image
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.geometry.projection import WeakPerspective, affine_from_camera
from twodasl_jax.models.face_model import embedded_face_model, save_face_model
from twodasl_jax.models.mark_ups import load_mark_up

ROOT = pathlib.Path(__file__).parents[2]


def run(program, *arguments):
    return subprocess.run(
        [sys.executable, ROOT / "experiments" / f"{program}.py", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )


def report_of(folder):
    return json.loads((folder / "report.json").read_text("utf-8"))


@pytest.fixture(scope="module")
def faces(face_model):
    return Faces(face_model)


@pytest.fixture(scope="module")
def scored(tmp_path_factory, faces):
    """The reports of two methods on AFLW2000-3D with known errors; the second method lacks one face."""
    root = tmp_path_factory.mktemp("scored")
    write_aflw2000(root / "set", faces)
    size = np.sqrt(np.prod(np.ptp(faces.points[..., :2], axis=1), axis=1))
    np.save(root / "again.npy", faces.points[..., :2].swapaxes(1, 2))
    outputs = []
    for name, percent in (
        ("first", [1, 3, 4, 6, 9, 11]),
        ("second", [1.5, 3.5, 4.5, 6.5, 9.5, 11.5]),
    ):
        shift = size * percent / 100
        landmarks = faces.points + np.array([0.6, 0.8, 0.0]) * shift[:, None, None]
        kept = slice(0, 5) if name == "second" else slice(None)
        np.savez(
            root / f"{name}.npz",
            names=faces.names[kept],
            landmarks=landmarks[kept],
            pose=faces.pose[kept],
        )
        outputs.append(
            run(
                "evaluate",
                "--protocol=aflw2000",
                f"--data_dir={root / 'set'}",
                f"--reannotated={root / 'again.npy'}",
                f"--predictions={root / name}.npz",
                f"--output_dir={root / name}",
            )
        )
    return root, outputs


def test_report_has_expected_errors(scored):
    root, (finished, _) = scored
    assert finished.returncode == 0, finished.stderr
    report = report_of(root / "first")
    for reference in ("original", "reannotated"):
        entry = report["nme68_2d"][reference]
        np.testing.assert_allclose(entry["bins"], [2, 5, 10], atol=1e-3)
        assert entry["balanced"] == pytest.approx(17 / 3, abs=1e-3)
        assert entry["overall"] == pytest.approx(34 / 6, abs=1e-3)
        assert entry["count"] == 6
        assert entry["failure_rate_10"] == pytest.approx(100 / 6, abs=1e-3)
    assert report["nme68_3d"]["original"]["overall"] == pytest.approx(34 / 6, abs=1e-3)
    assert report["nme68_3d_similarity"]["original"]["overall"] < 0.01
    assert report["pose_rotation"]["original"]["overall"] < 0.1
    assert report["about"]["method"] == "first.npz"
    assert "5.667" in finished.stdout


def test_writes_all_files_of_report(scored):
    root, _ = scored
    names = {path.name for path in (root / "first").iterdir()}
    assert names == {"report.json", "report.md", "report.html", "curve.png"}
    lines = (root / "first" / "report.md").read_text("utf-8").splitlines()
    assert all(line.startswith("| ") for line in lines)
    assert len(lines) > 30


def test_face_without_prediction_is_failure(scored):
    root, (_, finished) = scored
    report = report_of(root / "second")
    entry = report["nme68_2d"]["original"]
    assert (entry["count"], entry["failures"]) == (5, 1)
    assert entry["failure_rate_10"] == pytest.approx(100 / 6, abs=1e-3)
    assert report["about"]["failed"] == ["image00007"]
    assert "No prediction for 1 faces" in finished.stdout


def test_name_list_selects_from_prediction_file(scored):
    root, _ = scored
    (root / "names.txt").write_text("image00003\nimage00004\nimage00006\n")
    finished = run(
        "evaluate",
        "--protocol=aflw2000",
        f"--data_dir={root / 'set'}",
        f"--predictions={root / 'first.npz'}",
        f"--names={root / 'names.txt'}",
        f"--output_dir={root / 'part'}",
    )
    assert finished.returncode == 0, finished.stderr
    entry = report_of(root / "part")["nme68_2d"]["original"]
    np.testing.assert_allclose(entry["bins"], [3, 4, 9], atol=1e-3)
    assert (entry["count"], entry["failures"]) == (3, 0)


def test_compares_two_reports_face_by_face(scored):
    root, _ = scored
    paths = ",".join(str(root / name / "report.json") for name in ("first", "second"))
    finished = run("evaluate", f"--compare={paths}")
    assert finished.returncode == 0, finished.stderr
    row = next(line for line in finished.stdout.splitlines() if line.startswith("nme68_2d (%)"))
    assert "+0.500" in row
    assert row.split()[-4:] == ["5", "0", "/", "1"]


def test_decodes_official_coefficients(tmp_path, faces, face_model):
    """The decoding behind the published figures, on vectors of known faces."""
    write_annotations(tmp_path, faces)
    affine = affine_in_crops(faces)
    vectors = official_from_coefficients(
        Coefficients(affine, faces.shape.astype("f"), faces.expression.astype("f"))
    )
    mean, std = np.linspace(-1, 1, 62), np.linspace(1, 2, 62)
    arrays = dict(np.load(tmp_path / "annotations.npz"))
    arrays["params"] = (np.asarray(vectors) - mean) / std
    np.savez(tmp_path / "annotations.npz", **arrays)
    write_basis(tmp_path / "basis.npz", face_model, mean, std)
    decoded = run(
        "decode_coefficients",
        f"--data_dir={tmp_path}",
        "--array=params",
        f"--basis={tmp_path / 'basis.npz'}",
        f"--output={tmp_path / 'decoded.npz'}",
    )
    assert decoded.returncode == 0, decoded.stderr
    with np.load(tmp_path / "decoded.npz") as archive:
        np.testing.assert_allclose(archive["landmarks"][..., :2], faces.points[..., :2], atol=0.02)
        np.testing.assert_allclose(archive["pose"], faces.pose, atol=0.02)
        assert archive["names"].tolist() == [f"{name}.jpg" for name in faces.names]


def write_basis(path, model, mean, std):
    """Writes the landmark rows of a face model with bases scaled by its standard deviations."""
    space = landmark_space(model)
    rows = {
        "mean": space.mean,
        "shape_basis": space.shape_basis * space.shape_std,
        "expression_basis": space.expression_basis * space.expression_std,
    }
    flat = {name: np.asarray(values).reshape(204, -1).squeeze() for name, values in rows.items()}
    np.savez(path, **flat, param_mean=mean, param_std=std)


def test_transferred_landmarks_of_same_mean_equal_own_landmarks(tmp_path, face_model):
    save_face_model(tmp_path / "model.npz", face_model)
    mean = np.zeros(62, np.float32)
    write_basis(tmp_path / "basis.npz", face_model, mean, mean + 1)
    np.savez(tmp_path / "whitening.npz", mean=mean, std=mean + 1)
    finished = run(
        "face_model/place_landmarks",
        "--mark_up=300w_lp",
        f"--basis={tmp_path / 'basis.npz'}",
        f"--data_dir={tmp_path}",
        f"--output={tmp_path / 'rows.npz'}",
        f"--face_model={tmp_path / 'model.npz'}",
    )
    assert finished.returncode == 0, finished.stderr
    distances = [float(line.split()[-1]) for line in finished.stdout.splitlines()[1:]]
    assert len(distances) == 6
    assert max(distances) < 0.3
    rows = load_mark_up(tmp_path / "rows.npz", face_model)
    assert rows.vertices.shape == (68, 3)


def affine_in_crops(faces):
    """Returns the 3x4 matrices that project to the crops instead of the images."""
    origin = np.asarray(crop_from_image(np.zeros((6, 1, 3), "f"), faces.boxes))[:, 0]
    ratio = 120 / (faces.boxes[:, 2] - faces.boxes[:, 0])
    camera = WeakPerspective(
        scale=(faces.camera.scale * ratio).astype("f"),
        rotation=faces.camera.rotation,
        translation=(faces.camera.translation * ratio[:, None] + origin).astype("f"),
    )
    return np.asarray(affine_from_camera(camera))


@pytest.mark.slow
def test_evaluates_network_on_aflw_lfpa(tmp_path):
    """A mark-up file defines the 34 landmarks on the mesh."""
    model = embedded_face_model()
    faces = Faces(model)
    chosen = slice(17, 51)
    points, boxes = faces.points[:2, chosen, :2], faces.boxes[:2]
    write_aflw_lfpa(tmp_path / "set", points, np.ones((2, 34)), boxes)
    rows = {
        name: getattr(model, name)[chosen] for name in ("landmark_vertices", "landmark_weights")
    }
    np.savez(tmp_path / "rows.npz", **rows)
    common = [
        "--protocol=aflw_lfpa",
        f"--data_dir={tmp_path / 'set'}",
        f"--output_dir={tmp_path / 'out'}",
    ]
    refused = run("evaluate", *common, "--pretrained")
    assert refused.returncode == 2
    assert "does not define its 34 landmarks" in refused.stderr
    finished = run("evaluate", *common, "--pretrained", f"--point_rows={tmp_path / 'rows.npz'}")
    assert finished.returncode == 0, finished.stderr
    entry = report_of(tmp_path / "out")["nme34_2d"]["original"]
    assert (entry["count"], entry["balanced"]) == (2, None)
    # The images are noise: the network only predicts that a face fills its crop.
    assert 0 < entry["overall"] < 50
    np.savez(tmp_path / "mine.npz", names=["1", "2"], landmarks=points + np.array([3.0, 4.0]))
    finished = run("evaluate", *common, f"--predictions={tmp_path / 'mine.npz'}", "--method=mine")
    assert finished.returncode == 0, finished.stderr
    report = report_of(tmp_path / "out")
    size = np.sqrt(np.prod(boxes[:, 2:] - boxes[:, :2], axis=1))
    assert report["nme34_2d"]["original"]["overall"] == pytest.approx((500 / size).mean(), rel=1e-3)
    assert report["about"]["method"] == "mine"


@pytest.mark.slow
def test_evaluates_network_on_rendered_faces(tmp_path):
    """Evaluates the embedded weights, their prediction file, and a subset with crops of the detector."""
    folder = tmp_path / "set"
    rendered = run(
        "render_test_set", "--source=face_model", f"--output_dir={folder}", "--count=6", "--seed=3"
    )
    assert rendered.returncode == 0, rendered.stderr
    (tmp_path / "names.txt").write_text("000000\n000002\n000003\n000005\n")
    common = ["--protocol=synthetic", f"--data_dir={folder}", "--pretrained"]
    given = run("evaluate", *common, "--landmarks=given", f"--output_dir={tmp_path / 'given'}")
    assert given.returncode == 0, given.stderr
    report = report_of(tmp_path / "given")
    assert report["about"]["landmarks"] == "given"
    for metric in ("mesh", "mesh_mean_face", "identity", "identity_mean_face"):
        assert 0.5 < report[metric]["true mesh"]["overall"] < 10
        assert metric in given.stdout
    again = run(
        "evaluate",
        *common[:2],
        f"--predictions={tmp_path / 'given' / 'predictions.npz'}",
        f"--output_dir={tmp_path / 'again'}",
    )
    assert again.returncode == 0, again.stderr
    again = report_of(tmp_path / "again")
    assert again["nme68_2d"] == report["nme68_2d"]
    assert again["mesh"] == report["mesh"]
    part = run(
        "evaluate",
        *common,
        "--crop=detector",
        f"--names={tmp_path / 'names.txt'}",
        f"--output_dir={tmp_path / 'part'}",
    )
    assert part.returncode == 0, part.stderr
    report = report_of(tmp_path / "part")
    assert report["faces"]["names"] == ["000000", "000002", "000003", "000005"]
    assert report["about"]["crop"] == "the built-in detector's box"


def test_published_coefficients_have_published_errors(published):
    for reference, expected in (
        ("original", [2.694, 3.428, 4.465, 3.529, 3.294]),
        ("reannotated", [2.522, 2.720, 3.780, 3.008, 2.860]),
    ):
        entry = published["nme68_2d"][reference]
        found = [*entry["bins"], entry["balanced"], entry["overall"]]
        np.testing.assert_allclose(found, expected, atol=0.005)
    deep = published["nme68_3d"]["original"]
    np.testing.assert_allclose([deep["balanced"], deep["overall"]], [4.915, 4.621], atol=0.005)


@pytest.fixture(scope="module")
def published(shared_data, tmp_path_factory):
    """The report of the coefficients published by the authors, on 400 faces of AFLW2000-3D."""
    root = tmp_path_factory.mktemp("published")
    folder = shared_data / "aflw2000_dev"
    basis = shared_data / "official" / "bfm68.npz"
    decoded = run(
        "decode_coefficients",
        f"--data_dir={folder}",
        f"--basis={basis}",
        f"--output={root / 'a.npz'}",
    )
    assert decoded.returncode == 0, decoded.stderr
    finished = run(
        "evaluate",
        "--protocol=annotations",
        f"--data_dir={folder}",
        f"--predictions={root / 'a.npz'}",
        f"--output_dir={root / 'report'}",
    )
    assert finished.returncode == 0, finished.stderr
    return report_of(root / "report")
