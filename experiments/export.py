"""Exports the reconstruction of faces from crops, to run without this package.

  pip install -e '.[export]'    # for ONNX, with Python 3.11
  python experiments/export.py --output_dir=exported
  python experiments/export.py --output_dir=exported --weights=open --formats=stablehlo

OUTPUT_DIR gets

  faces.stablehlo   for JAX on CPU, GPU and TPU, without this package:
                    jax.export.deserialize(open("faces.stablehlo", "rb").read()).call(crops)
  faces.onnx        for ONNX Runtime and other readers of ONNX (opset 21)
  faces.json        names, shapes and frames of inputs and outputs, and the exported weights

Input: crops, uint8 (B, 120, 120, 3) RGB, with any batch size B. `twodasl_jax/imaging/crops.py` defines the crop of a
face. Outputs, in this order: coefficients (B, 62) in the official layout, landmarks (B, 68, 3) and vertices (B, V, 3)
in crop pixels, Euler angles (B, 3) in degrees. The exported network applies flip averaging, as `Reconstructor` does
(--noreflect: without it, in half the time), and receives no landmarks. The program compares the results of both files
with those of this package, and times them side by side.
"""

import dataclasses
import functools
import json
import pathlib
import statistics
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from jaxtyping import Float, UInt8

from experiments.benchmarks.timing import interleaved
from twodasl_jax.array_types import Array
from twodasl_jax.commands import entry_points
from twodasl_jax.errors import ConfigError, InputError
from twodasl_jax.files import atomic_files
from twodasl_jax.geometry.frames import CROP_SIZE
from twodasl_jax.inference.exporting import (
    ArrayFunction,
    load_onnx,
    load_stablehlo,
    symbolic_batch,
    to_onnx,
    to_stablehlo,
)
from twodasl_jax.inference.forward import ForwardPass, faces_of_whole_crops
from twodasl_jax.inference.reconstruction import forward_pass_from_weights
from twodasl_jax.models.face_model import chosen_face_model
from twodasl_jax.models.weights import chosen_weights
from twodasl_jax.networks import portable

_OUTPUT = flags.DEFINE_string(
    "output_dir", None, "The folder of the exported files.", required=True
)
_WEIGHTS = flags.DEFINE_string(
    "weights", "default", "A weights file (.npz), or embedded weights: default or open."
)
_FACE_MODEL = flags.DEFINE_string("face_model", None, "The face model (.npz); embedded by default.")
_REFLECT = flags.DEFINE_bool(
    "reflect", True, "Apply flip averaging: half as fast, slightly more accurate."
)
_FORMATS = flags.DEFINE_list("formats", ["stablehlo", "onnx"], "The formats to write.")

_RESULTS = ("coefficients", "landmarks", "vertices", "euler_angles")
# The tolerated difference between results, in pixels and degrees.
_TOLERANCE = 1e-3
_WARM_UP, _ROUNDS = 2, 20
# The function that loads a file of each format.
_LOADERS = {"stablehlo": load_stablehlo, "onnx": load_onnx}


def main() -> None:
    unknown = sorted(set(_FORMATS.value) - set(_LOADERS))
    if unknown:
        raise ConfigError(f"--formats={','.join(unknown)}: use {' or '.join(_LOADERS)}.")
    folder = pathlib.Path(_OUTPUT.value)
    folder.mkdir(parents=True, exist_ok=True)
    model, weights = chosen_face_model(_FACE_MODEL.value), chosen_weights(_WEIGHTS.value)
    forward = forward_pass_from_weights(model, weights, reflect=_REFLECT.value)
    exported = dataclasses.replace(forward, network=portable(forward.network))
    program = functools.partial(from_whole_crops, forward)
    runners: dict[str, ArrayFunction] = {"this package": jax.jit(program)}
    for kind in _FORMATS.value:
        content = write(kind, functools.partial(from_whole_crops, exported))
        runners[kind] = _LOADERS[kind](content)
        check(kind, runners["this package"], runners[kind])
        atomic_files.write_bytes(folder / f"faces.{kind}", content)
        print(f"{folder / f'faces.{kind}'}: {len(content) / 1e6:.1f} MB")
    description = json.dumps(describe(program), indent=1)
    atomic_files.write_bytes(folder / "faces.json", f"{description}\n".encode())
    report_speed(runners)


def from_whole_crops(
    forward: ForwardPass, crops: UInt8[Array, "B 120 120 3"]
) -> tuple[Float[Array, "B ..."], ...]:
    """Returns the results in the order of `_RESULTS`, crop frame."""
    faces = faces_of_whole_crops(forward, crops)
    return faces["coefficients"], faces["landmarks"], faces["vertices"], faces["euler_angles"]


def write(kind: str, program: ArrayFunction) -> bytes:
    """Returns the content of a file that holds the program in one of the formats."""
    crops = symbolic_batch((CROP_SIZE, CROP_SIZE, 3), jnp.uint8)
    if kind == "onnx":
        return to_onnx(program, crops, _RESULTS)
    return to_stablehlo(program, crops)


def noise(count: int) -> UInt8[np.ndarray, "B 120 120 3"]:
    """Returns crops of noise. They depend only on their number."""
    shape = (count, CROP_SIZE, CROP_SIZE, 3)
    return np.random.default_rng(count).integers(0, 256, shape, dtype=np.uint8)


def check(kind: str, ours: ArrayFunction, theirs: ArrayFunction) -> None:
    """Compares an exported program with this package for several batch sizes, and prints the differences.

    Raises:
      InputError: a difference exceeds the tolerance.
    """
    for count in (1, 3):
        for name, mine, other in zip(
            _RESULTS, ours(noise(count)), theirs(noise(count)), strict=True
        ):
            difference = float(np.abs(np.asarray(mine) - np.asarray(other)).max())
            if not difference <= _TOLERANCE:
                raise InputError(
                    f"The {name} of the {kind} program differ from those of this package by {difference:.1e}. "
                    "The program was not written."
                )
            print(f"{kind}, {count} crops: {name} differ by at most {difference:.1e}")


def describe(program: ArrayFunction) -> dict[str, Any]:
    """Returns the description of inputs and outputs for faces.json."""
    shapes = jax.eval_shape(program, jax.ShapeDtypeStruct((1, CROP_SIZE, CROP_SIZE, 3), jnp.uint8))
    units = ("official layout", "pixels of the crop", "pixels of the crop", "degrees")
    return {
        "weights": _WEIGHTS.value,
        "reflect": _REFLECT.value,
        "face_model": _FACE_MODEL.value or "embedded",
        "input": {
            "crops": {"shape": ["B", CROP_SIZE, CROP_SIZE, 3], "dtype": "uint8", "is": "RGB"}
        },
        "outputs": {
            name: {"shape": ["B", *shape.shape[1:]], "dtype": "float32", "is": unit}
            for name, shape, unit in zip(_RESULTS, shapes, units, strict=True)
        },
        "frame": "x right, y down, z toward the camera; the first pixel's centre is (0.5, 0.5)",
    }


def report_speed(runners: dict[str, ArrayFunction]) -> None:
    """Prints the median time of each program for one crop and for a batch. The programs run in turn."""
    print(f"{'':16}{'1 crop, ms':>12}{'32 crops, ms':>14}")
    medians: dict[str, list[float]] = {name: [] for name in runners}
    for count in (1, 32):
        calls = {
            name: functools.partial(_finished, run, noise(count)) for name, run in runners.items()
        }
        # The first rounds compile.
        interleaved(calls, _WARM_UP)
        for name, times in interleaved(calls, _ROUNDS).items():
            medians[name].append(1e3 * statistics.median(times))
    for name, (one, many) in medians.items():
        print(f"{name:16}{one:12.2f}{many:14.1f}")


def _finished(run: ArrayFunction, crops: UInt8[np.ndarray, "B 120 120 3"]) -> tuple[Any, ...]:
    return jax.block_until_ready(run(crops))


if __name__ == "__main__":
    entry_points.run(main)
