"""Writes the whole inference, crops in and faces out, for others to run without this package.

  pip install -e '.[export]'    # for ONNX, with Python 3.11
  python experiments/export.py --output_dir=exported
  python experiments/export.py --output_dir=exported --weights=open --formats=stablehlo

OUTPUT_DIR gets

  faces.stablehlo   for JAX on CPU, GPU and TPU, without this package:
                    jax.export.deserialize(open("faces.stablehlo", "rb").read()).call(crops)
  faces.onnx        for ONNX Runtime and whatever else reads ONNX (opset 21)
  faces.json        names, shapes and frames of what goes in and comes out, and what was exported

In: crops, uint8 (B, 120, 120, 3) RGB, any number B of them; which square to cut from a photo: twodasl_jax/imaging/crops.py.
Out, in this order: coefficients (B, 62) in the official layout, landmarks (B, 68, 3) and vertices (B, V, 3) in pixels
of the crop, Euler angles (B, 3) in degrees. Each face is looked at together with its mirror image, as `Reconstructor`
does (--noreflect: alone, in half the time); no landmarks are given. Both files are checked against this package, and
timed beside it, before the program ends.
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
    Program,
    any_number,
    onnx_of,
    run_onnx,
    run_stablehlo,
    stablehlo_of,
)
from twodasl_jax.inference.forward import Parts, Regressor, build, faces_of_whole_crops
from twodasl_jax.models.face_model import chosen_face_model
from twodasl_jax.models.weights import chosen_weights
from twodasl_jax.networks import portable

_OUTPUT = flags.DEFINE_string("output_dir", None, "Folder of the results.", required=True)
_WEIGHTS = flags.DEFINE_string(
    "weights", "default", "A weights file (.npz), or which of the embedded ones: default or open."
)
_FACE_MODEL = flags.DEFINE_string("face_model", None, "A face model's .npz, not the embedded one.")
_REFLECT = flags.DEFINE_bool(
    "reflect", True, "Look at the mirror image of each face, too: slower, a little better."
)
_FORMATS = flags.DEFINE_list("formats", ["stablehlo", "onnx"], "What to write.")

_RESULTS = ("coefficients", "landmarks", "vertices", "euler_angles")
# Largest difference that rounding may make, in pixels and degrees.
_TOLERANCE = 1e-3
_WARM_UP, _ROUNDS = 2, 20
# By format: what runs a file of it.
_RUNNERS = {"stablehlo": run_stablehlo, "onnx": run_onnx}


def main() -> None:
    unknown = sorted(set(_FORMATS.value) - set(_RUNNERS))
    if unknown:
        raise ConfigError(f"--formats={','.join(unknown)}: use {' or '.join(_RUNNERS)}.")
    folder = pathlib.Path(_OUTPUT.value)
    folder.mkdir(parents=True, exist_ok=True)
    model, weights = chosen_face_model(_FACE_MODEL.value), chosen_weights(_WEIGHTS.value)
    regressor, parts = build(model, weights, reflect=_REFLECT.value)
    exported = dataclasses.replace(regressor, network=portable(regressor.network))
    program = functools.partial(from_whole_crops, regressor, parts)
    runners: dict[str, Program] = {"this package": jax.jit(program)}
    for kind in _FORMATS.value:
        content = write(kind, functools.partial(from_whole_crops, exported, parts))
        runners[kind] = _RUNNERS[kind](content)
        check(kind, runners["this package"], runners[kind])
        atomic_files.write_bytes(folder / f"faces.{kind}", content)
        print(f"{folder / f'faces.{kind}'}: {len(content) / 1e6:.1f} MB")
    description = json.dumps(describe(program), indent=1)
    atomic_files.write_bytes(folder / "faces.json", f"{description}\n".encode())
    report_speed(runners)


def from_whole_crops(
    regressor: Regressor, parts: Parts, crops: UInt8[Array, "B 120 120 3"]
) -> tuple[Float[Array, "B ..."], ...]:
    """Returns the results in the order of `_RESULTS`, in the frame of the crops."""
    faces = faces_of_whole_crops(regressor, parts, crops)
    return faces["coefficients"], faces["landmarks"], faces["vertices"], faces["euler_angles"]


def write(kind: str, program: Program) -> bytes:
    """Returns the program as a file of one of the formats."""
    crops = any_number((CROP_SIZE, CROP_SIZE, 3), jnp.uint8)
    if kind == "onnx":
        return onnx_of(program, crops, _RESULTS)
    return stablehlo_of(program, crops)


def noise(count: int) -> UInt8[np.ndarray, "B 120 120 3"]:
    """Returns crops of noise, always the same."""
    shape = (count, CROP_SIZE, CROP_SIZE, 3)
    return np.random.default_rng(count).integers(0, 256, shape, dtype=np.uint8)


def check(kind: str, ours: Program, theirs: Program) -> None:
    """Compares a written program with the package, for several batch sizes, and says how far they are apart.

    Raises:
      InputError: further than rounding explains.
    """
    for count in (1, 3):
        for name, mine, other in zip(
            _RESULTS, ours(noise(count)), theirs(noise(count)), strict=True
        ):
            difference = float(np.abs(np.asarray(mine) - np.asarray(other)).max())
            if not difference <= _TOLERANCE:
                raise InputError(
                    f"The {kind} program's {name} differ from this package's by {difference:.1e}: it was not written."
                )
            print(f"{kind}, {count} crops: {name} differ by at most {difference:.1e}")


def describe(program: Program) -> dict[str, Any]:
    """Returns what goes in and comes out, for whoever has the files alone."""
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


def report_speed(runners: dict[str, Program]) -> None:
    """Prints how long each takes, in turn, medians."""
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


def _finished(run: Program, crops: UInt8[np.ndarray, "B 120 120 3"]) -> tuple[Any, ...]:
    return jax.block_until_ready(run(crops))


if __name__ == "__main__":
    entry_points.run(main)
