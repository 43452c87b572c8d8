"""The expression units of one face model."""

import dataclasses
import functools

import numpy as np
from jaxtyping import Float

from twodasl_jax.expression_units.metric import in_metric


@dataclasses.dataclass(frozen=True, eq=False)
class ExpressionUnits:
    """K movements that have names, on the mesh of a face model. A face's activations of them lie in [0, 1].

    Attributes:
      names: as ARKit or the face model calls them, with left and right as the subject sees them.
      displacements: (V, 3, K) of each vertex at full strength, model frame, mm.
      metric: (V,) how much each vertex counts where displacements are compared; sums to one.
      at_rest: (K,) activations of the mean face, whose lips may be parted.
    """

    names: tuple[str, ...]
    displacements: Float[np.ndarray, "V 3 K"]
    metric: Float[np.ndarray, " V"]
    at_rest: Float[np.ndarray, " K"]

    @functools.cached_property
    def movements(self) -> Float[np.ndarray, "D K"]:
        """The displacements as columns whose squared length is the mean squared displacement, mm^2."""
        return in_metric(self.displacements, self.metric)
