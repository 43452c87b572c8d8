"""Exported programs in another process, without this package."""

import importlib.util
import json
import os
import pathlib
import subprocess
import sys

import numpy as np
import pytest

from twodasl_jax.inference.reconstruction import Reconstructor

ROOT = pathlib.Path(__file__).parents[2]
RUNNERS = {
    "stablehlo": """
import jax.export
program = jax.export.deserialize(bytearray(open("faces.stablehlo", "rb").read()))
results = program.call(crops)
""",
    "onnx": """
import onnxruntime
session = onnxruntime.InferenceSession("faces.onnx")
results = session.run(None, {"crops": crops})
""",
}


@pytest.fixture(scope="module")
def exported(tmp_path_factory):
    formats = ["stablehlo", *(["onnx"] if importlib.util.find_spec("jax2onnx") else [])]
    folder = tmp_path_factory.mktemp("exported")
    finished = subprocess.run(
        [
            *(sys.executable, ROOT / "experiments" / "export.py"),
            *(f"--output_dir={folder}", f"--formats={','.join(formats)}"),
        ],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    assert finished.returncode == 0, finished.stderr
    assert f"{formats[-1]}, 3 crops: vertices differ by at most" in finished.stdout
    return folder


@pytest.fixture(scope="module")
def crops():
    return np.random.default_rng(1).integers(0, 256, (2, 120, 120, 3), dtype=np.uint8)


@pytest.mark.slow
@pytest.mark.parametrize("kind", RUNNERS)
def test_exported_program_computes_same_faces_in_another_process(exported, crops, kind):
    if not (exported / f"faces.{kind}").exists():
        pytest.skip("the ONNX converter is not installed")
    np.save(exported / "crops.npy", crops)
    script = f"""
import sys
import numpy as np
crops = np.load("crops.npy")
{RUNNERS[kind]}
assert not any(name.startswith("twodasl_jax") for name in sys.modules)
np.savez("results.npz", *results)
"""
    # -I ignores the current folder and PYTHONPATH.
    subprocess.run([sys.executable, "-I", "-c", script], cwd=exported, check=True)
    reconstructor = Reconstructor.pretrained()
    whole = np.float32([[0, 0, 120, 120]])
    with np.load(exported / "results.npz") as archive:
        results = [archive[f"arr_{index}"] for index in range(4)]
    for row, crop in enumerate(crops):
        (face,) = reconstructor(crop, boxes=whole)
        expected = (face.coefficients, face.landmarks, face.vertices, face.euler_angles)
        for found, wanted in zip(results, expected, strict=True):
            np.testing.assert_allclose(found[row], wanted, atol=1e-3)


@pytest.mark.slow
def test_description_lists_shapes_of_inputs_and_outputs(exported):
    description = json.loads((exported / "faces.json").read_text("utf-8"))
    assert description["input"]["crops"]["shape"] == ["B", 120, 120, 3]
    shapes = {name: output["shape"] for name, output in description["outputs"].items()}
    vertices = len(Reconstructor.pretrained().model.mean)
    assert shapes == {
        "coefficients": ["B", 62],
        "landmarks": ["B", 68, 3],
        "vertices": ["B", vertices, 3],
        "euler_angles": ["B", 3],
    }
