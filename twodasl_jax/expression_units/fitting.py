"""How far a face uses each expression unit, from its expression coefficients."""

import numpy as np
import scipy.optimize
from jaxtyping import Float

from twodasl_jax.array_types import Array, typed
from twodasl_jax.expression_units.activation import scale_of
from twodasl_jax.expression_units.metric import in_metric
from twodasl_jax.expression_units.units import ExpressionUnits
from twodasl_jax.geometry.morphable_model import ShapeSpace

# What an activation of its usual scale must explain to be worth it, mm^2 of mean squared displacement.
_CAUTION = 0.03


@typed
def fit_units(
    units: ExpressionUnits, space: ShapeSpace, expression: Float[Array, "*batch E"]
) -> Float[np.ndarray, "*batch K"]:
    """Returns the activations of a face model's units that look most like its expression coefficients.

    Compared is what the components can represent of a displacement; what they cannot tells nothing about the units.
    There are more units than components, and many activations look alike: few and small ones are preferred. With the
    usual scale s of each unit, the activations w minimise

        |components (w - at_rest) - expression|^2 / 2 + caution sum((w / s)^2 / 2 + w / s),   0 <= w <= 1

    in mm^2 of the metric. That is least squares in which every w / s has been seen at -1.

    Args:
      units: of the face model.
      space: its vertices, with E expression components.
      expression: (..., E) coefficients in standard deviations.

    Returns:
      (..., K) activations in [0, 1]. Units without a usual scale stay zero: "tongueOut", which moves nothing, and
      "mouthClose", which takes back what "jawOpen" does.
    """
    columns = np.asarray(space.expression_basis) * np.asarray(space.expression_std)
    seen, components = np.linalg.qr(in_metric(columns, units.metric))
    movements = seen.T @ units.movements
    scale = np.array([scale_of(name) for name in units.names])
    used = scale > 0
    system = np.concatenate([movements[:, used], np.diag(np.sqrt(_CAUTION) / scale[used])])
    wanted = np.asarray(expression, np.float64).reshape(-1, len(components)) @ components.T
    activations = np.zeros((len(wanted), len(scale)))
    for row, target in enumerate(wanted + movements @ units.at_rest):
        aim = np.concatenate([target, np.full(used.sum(), -np.sqrt(_CAUTION))])
        activations[row, used] = scipy.optimize.lsq_linear(system, aim, (0, 1), "bvls").x
    return activations.reshape(*np.shape(expression)[:-1], len(scale))
