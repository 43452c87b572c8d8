"""Published 62-vectors decode to the same landmarks with an imported face model as with their own.

The model is imported from 3DDFA files that contain only the 68 landmark rows of the real model as vertices. The tests
need the research data sets beside the project (fixture `shared_data`).
"""

import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from tests.helpers import face_model_files
from twodasl_jax.geometry.coefficients import Whitening, coefficients_from_official, unwhiten
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.frames import image_from_crop
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.models.face_model import load_face_model
from twodasl_jax.preparation.face300w_lp import own_annotations, read_face300w_lp

ROOT = pathlib.Path(__file__).parents[2]


def run(name, *arguments):
    subprocess.run(
        [sys.executable, ROOT / "experiments" / f"{name}.py", *map(str, arguments)],
        check=True,
        env=os.environ | {"PYTHONPATH": os.pathsep.join([str(ROOT), *sys.path])},
    )


@pytest.fixture(scope="module")
def official(shared_data):
    return dict(np.load(shared_data / "official" / "bfm68.npz"))


@pytest.fixture(scope="module")
def checkout(official, tmp_path_factory):
    """A folder of 3DDFA's files."""
    arrays = {
        "u_shp": face_model_files.column(official["mean"]),
        "u_exp": face_model_files.column(np.zeros(204)),
        "w_shp_sim": face_model_files.matrix(official["shape_basis"]),
        "w_exp_sim": face_model_files.matrix(official["expression_basis"]),
        "keypoints_sim": np.arange(204),
    }
    whitening = official["param_mean"], official["param_std"]
    triangles = np.arange(66)[:, None] + np.arange(3)
    folder = tmp_path_factory.mktemp("3DDFA")
    return face_model_files.write_3ddfa_arrays(folder, arrays, whitening, triangles)


@pytest.fixture(scope="module")
def published(checkout, tmp_path_factory):
    path = tmp_path_factory.mktemp("imported") / "model.npz"
    run(
        "face_model/import_face_model",
        *("--format=3ddfa", f"--source={checkout}", f"--output={path}"),
        "--coefficients=published",
    )
    return load_face_model(path)


def test_published_vectors_decode_as_with_their_own_model(
    official, published, shared_data, tmp_path
):
    data = shared_data / "aflw2000_dev"
    run(
        "decode_coefficients",
        *(f"--data_dir={data}", f"--basis={shared_data / 'official' / 'bfm68.npz'}"),
        f"--output={tmp_path / 'predictions.npz'}",
    )
    expected = np.load(tmp_path / "predictions.npz")["landmarks"]
    annotations = np.load(data / "annotations.npz")
    whitening = Whitening(official["param_mean"], official["param_std"])
    vectors = unwhiten(annotations["official_2dasl_params"].astype("f"), whitening)
    points = decode(landmark_space(published), coefficients_from_official(vectors))
    landmarks = image_from_crop(points, annotations["roi_box"].astype("f"))
    assert expected.shape == (400, 68, 3)
    np.testing.assert_allclose(landmarks, expected, atol=0.01)


def test_300w_lp_coefficients_convert_to_standard_model(checkout, shared_data, tmp_path):
    run(
        "face_model/import_face_model",
        *("--format=3ddfa", f"--source={checkout}", f"--output={tmp_path / 'model.npz'}"),
    )
    (tmp_path / "IBUG").symlink_to(shared_data / "300wlp_sample", target_is_directory=True)
    annotations = own_annotations(
        load_face_model(tmp_path / "model.npz"), read_face300w_lp(tmp_path)
    )
    # Components 41 to 199 are missing. Another model or unit would give errors of several face sizes.
    assert annotations.error.max() < 0.05
    coefficients = annotations.vectors[0, 12:]
    assert 0.3 < np.sqrt(np.mean(coefficients**2)) < 3, "in standard deviations"
