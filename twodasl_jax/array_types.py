"""Array types with checked shapes, and exact matrix products.

`typed` checks the jaxtyping annotations of a function at each call; under `jax.jit` it checks them
once, during tracing. A mismatch raises `jaxtyping.TypeCheckError`, which names the argument, its
shape and the expected shape.
"""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

import beartype
import jax
import jaxtyping
import numpy as np

Array = jax.Array | np.ndarray
_P = ParamSpec("_P")
_R = TypeVar("_R")

typed = jaxtyping.jaxtyped(typechecker=beartype.beartype)


def exact(function: Callable[_P, _R]) -> Callable[_P, _R]:
    """Makes a function compute its matrix products in full float32 on every device.

    By default TPUs and newer GPUs round the factors to 8 or 11 bits, which moves a vertex by a
    quarter of a millimetre. Networks tolerate this error; geometry does not.
    """

    @functools.wraps(function)
    def exactly(*args: _P.args, **kwargs: _P.kwargs) -> _R:
        with jax.default_matmul_precision("highest"):
            return function(*args, **kwargs)

    return exactly
