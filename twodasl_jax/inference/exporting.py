"""Programs of JAX as files that run without this package: StableHLO, and ONNX.

A program takes one array, whose first axis may be symbolic (`any_number`), and returns a tuple of arrays.
"""

import contextlib
import importlib.util
import io
import logging
from collections.abc import Callable, Sequence
from typing import Any

import jax
import jax.export
import numpy as np

from twodasl_jax.errors import InputError

Program = Callable[[Any], tuple[Any, ...]]

INPUT_NAME = "crops"
_PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
_OPSET = 21
_ERRORS_ALONE = 3


def any_number(shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
    """Returns the form of so many arrays of one shape as there will be, stacked."""
    (count,) = jax.export.symbolic_shape("B")
    return jax.ShapeDtypeStruct((count, *shape), dtype)


def stablehlo_of(program: Program, argument: jax.ShapeDtypeStruct) -> bytes:
    """Returns a program as `jax.export` serialises it, for CPU, GPU and TPU."""
    exported = jax.export.export(jax.jit(program), platforms=_PLATFORMS)(argument)
    return bytes(exported.serialize())


def run_stablehlo(content: bytes) -> Program:
    """Returns the program that `stablehlo_of` serialised."""
    return jax.jit(jax.export.deserialize(bytearray(content)).call)


def has_onnx() -> bool:
    """Whether there is a converter to ONNX."""
    return importlib.util.find_spec("jax2onnx") is not None


def onnx_of(program: Program, argument: jax.ShapeDtypeStruct, result_names: Sequence[str]) -> bytes:
    """Returns a program as an ONNX model, whose input is called `INPUT_NAME`.

    Raises:
      InputError: the converter is not installed.
    """
    if not has_onnx():
        raise InputError(
            f"ONNX needs the converter jax2onnx, which knows JAX below 0.12 (this is {jax.__version__}): "
            "pip install -e '.[export]' with Python 3.11, or choose --formats=stablehlo."
        )
    import jax2onnx

    logging.disable(logging.WARNING)
    # The converter prints what it finds.
    with contextlib.redirect_stdout(io.StringIO()):
        model = jax2onnx.to_onnx(
            program,
            [argument],
            input_names=[INPUT_NAME],
            output_names=list(result_names),
            opset=_OPSET,
            return_mode="proto",
        )
    logging.disable(logging.NOTSET)
    # The converter takes every first axis for the batch, but face and mirror image make two of it.
    del model.graph.value_info[:]
    return model.SerializeToString()


def run_onnx(content: bytes) -> Program:
    """Returns what ONNX Runtime computes on CPUs."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ALONE
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda crops: tuple(session.run(None, {INPUT_NAME: np.asarray(crops)}))
