"""Array types: every public array argument carries its shape, and the shape is enforced.

`typed` checks the jaxtyping annotations of a function when it is called; under `jax.jit` that is
once, while tracing. A mismatch raises `jaxtyping.TypeCheckError`, which names the argument, its
shape and what was expected.
"""

import beartype
import jax
import jaxtyping
import numpy as np

Array = jax.Array | np.ndarray

typed = jaxtyping.jaxtyped(typechecker=beartype.beartype)
