"""The program that imports face models: its file, its output, and its errors."""

import os
import pathlib
import re
import subprocess
import sys

import numpy as np
import pytest
import scipy.io

from tests.helpers import face_model_files
from twodasl_jax.face_model_formats import READERS, standard_model
from twodasl_jax.geometry.morphable_model import truncate
from twodasl_jax.models.face_model import digest, load_face_model

ROOT = pathlib.Path(__file__).parents[2]


@pytest.fixture
def run(tmp_path):
    """Returns a function that runs the program and returns its status, both output streams and the output path."""

    def run(*arguments):
        output = tmp_path / "model.npz"
        program = [sys.executable, ROOT / "experiments" / "face_model" / "import_face_model.py"]
        finished = subprocess.run(
            [*program, f"--output={output}", *map(str, arguments)],
            capture_output=True,
            text=True,
            check=False,
            env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
        )
        return finished.returncode, finished.stdout, finished.stderr, output

    return run


@pytest.fixture
def source(tmp_path):
    folder = tmp_path / "source"
    folder.mkdir()
    return folder


def test_model_is_imported_and_summarized(run, source, face_model):
    face_model_files.write_3ddfa(source, face_model)
    status, printed, errors, output = run(
        "--format=3ddfa", f"--source={source}", "--shape_count=12", "--expression_count=3"
    )
    assert (status, errors) == (0, "")
    first, mirror, texture = printed.splitlines()
    assert first == (
        f"{output}: 221 vertices, 384 triangles, 12 shape and 3 expression components, mm"
    )
    assert float(re.search(r"percentile (\S+)$", mirror)[1]) < 1e-3, "the mesh is symmetric"
    assert "unrolling the mean face from a cylinder" in texture
    imported = load_face_model(output)
    expected = READERS["3ddfa"](source)
    assert digest(imported) == digest(truncate(standard_model(expected, expected.landmarks), 12, 3))


def test_missing_landmarks_are_read_from_a_list(run, source, face_model):
    fields, _ = face_model_files.whole_basel(face_model, extra=0)
    fields["tl"] = fields["tl"][:-2]
    scipy.io.savemat(source / "01_MorphableModel.mat", fields)
    face_model_files.write_guos_expressions(source, face_model)
    arguments = "--format=bfm2009", f"--source={source}"
    status, printed, errors, output = run(*arguments)
    assert (status, printed) == (2, "")
    assert errors.count("\n") == 1
    assert "does not contain the vertices of the 68 landmarks" in errors
    assert "--landmarks" in errors
    assert not output.exists()
    vertices = face_model_files.vertex_landmarks(face_model)
    listed = face_model_files.write_landmark_list(source / "vertices.txt", vertices)
    assert run(*arguments, f"--landmarks={listed}")[0] == 0
    np.testing.assert_array_equal(load_face_model(output).landmark_vertices[:, 0], vertices)


@pytest.mark.parametrize(
    ("arguments", "sentence"),
    [
        ([], r"param_whitening.pkl: it uses '\w+.system'"),
        (["--shape_count=41"], "--shape_count=41: the face model has only 40"),
    ],
)
def test_error_gives_one_sentence_and_no_file(run, source, face_model, arguments, sentence):
    face_model_files.write_3ddfa(source, face_model)
    marker = source / "executed"
    if not arguments:

        class Hostile:
            def __reduce__(self):
                return os.system, (f"touch {marker}",)

        path = source / "train.configs" / "param_whitening.pkl"
        face_model_files.write_pickle(path, {"param_std": Hostile()})
    status, printed, errors, output = run("--format=3ddfa", f"--source={source}", *arguments)
    assert (status, printed) == (2, "")
    assert errors.count("\n") == 1
    assert re.search(sentence, errors)
    assert not output.exists()
    assert not marker.exists()
