"""Export of JAX functions to StableHLO and to ONNX, as files that run without this package.

An exported function takes one array and returns a tuple of arrays. The first axis of its argument may be symbolic
(`symbolic_batch`).
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

ArrayFunction = Callable[[Any], tuple[Any, ...]]

INPUT_NAME = "crops"
_PLATFORMS = ("cpu", "cuda", "rocm", "tpu")
_OPSET = 21
# ONNX Runtime's log level for errors.
_ERRORS_ONLY = 3


def symbolic_batch(shape: tuple[int, ...], dtype: Any) -> jax.ShapeDtypeStruct:
    """Returns the abstract value of a batch of any size.

    Args:
      shape: the shape of one element of the batch.
      dtype: the type of its entries.
    """
    (count,) = jax.export.symbolic_shape("B")
    return jax.ShapeDtypeStruct((count, *shape), dtype)


def to_stablehlo(function: ArrayFunction, argument: jax.ShapeDtypeStruct) -> bytes:
    """Returns a function as serialised by `jax.export`, for CPU, GPU and TPU.

    Args:
      function: the function to export.
      argument: the shape and type of its argument.
    """
    exported = jax.export.export(jax.jit(function), platforms=_PLATFORMS)(argument)
    return bytes(exported.serialize())


def load_stablehlo(content: bytes) -> ArrayFunction:
    """Returns a function that was serialised by `to_stablehlo`."""
    return jax.jit(jax.export.deserialize(bytearray(content)).call)


def onnx_available() -> bool:
    """Returns whether the converter to ONNX is installed."""
    return importlib.util.find_spec("jax2onnx") is not None


def to_onnx(
    function: ArrayFunction, argument: jax.ShapeDtypeStruct, output_names: Sequence[str]
) -> bytes:
    """Returns a function as a serialised ONNX model.

    Args:
      function: the function to export.
      argument: the shape and type of its argument, which is called `INPUT_NAME` in the model.
      output_names: the names of its results.

    Raises:
      InputError: the converter is not installed.
    """
    if not onnx_available():
        raise InputError(
            f"ONNX needs the converter jax2onnx, which supports JAX below 0.12 (this is {jax.__version__}): "
            "pip install -e '.[export]' with Python 3.11, or choose --formats=stablehlo."
        )
    import jax2onnx

    logging.disable(logging.WARNING)
    # The converter prints its progress.
    with contextlib.redirect_stdout(io.StringIO()):
        model = jax2onnx.to_onnx(
            function,
            [argument],
            input_names=[INPUT_NAME],
            output_names=list(output_names),
            opset=_OPSET,
            return_mode="proto",
        )
    logging.disable(logging.NOTSET)
    # The converter names every first axis B, but flip averaging doubles the batch inside the model.
    del model.graph.value_info[:]
    return model.SerializeToString()


def load_onnx(content: bytes) -> ArrayFunction:
    """Returns a function that runs an ONNX model of `to_onnx` in ONNX Runtime, on the CPU."""
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    session = onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    return lambda crops: tuple(session.run(None, {INPUT_NAME: np.asarray(crops)}))
