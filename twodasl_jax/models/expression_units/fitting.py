"""Activations of expression units from expression coefficients."""

import numpy as np
import scipy.optimize
from jaxtyping import Float

from twodasl_jax.array_types import Array, typed
from twodasl_jax.geometry.morphable_model import ShapeSpace
from twodasl_jax.models.expression_units.activation import scale_of
from twodasl_jax.models.expression_units.units import ExpressionUnits, in_metric

# The weight of the penalty on activations, mm^2 of mean squared displacement.
_PENALTY = 0.03


@typed
def fit_units(
    units: ExpressionUnits, space: ShapeSpace, expression: Float[Array, "*batch E"]
) -> Float[np.ndarray, "*batch K"]:
    """Fits the activations of a face model's units to expression coefficients.

    Displacements are projected to the span of the expression components; the coefficients determine nothing outside
    it. There are more units than components, so many activations fit equally well. A penalty favours few and small
    activations. With the usual scale s of each unit, the activations w minimise

        |components (w - at_rest) - expression|^2 / 2 + penalty sum((w / s)^2 / 2 + w / s),   0 <= w <= 1

    in mm^2 of the metric. This equals least squares with an additional observation w / s = -1 of each unit.

    Args:
      units: the units of the face model.
      space: the face model, with E expression components.
      expression: (..., E) expression coefficients, in standard deviations.

    Returns:
      (..., K) activations in [0, 1]. Units of scale zero stay zero: "tongueOut", which moves nothing, and "mouthClose",
      which reverts "jawOpen".
    """
    columns = np.asarray(space.expression_basis) * np.asarray(space.expression_std)
    basis, components = np.linalg.qr(in_metric(columns, units.metric))
    movements = basis.T @ units.movements
    scale = np.array([scale_of(name) for name in units.names])
    used = scale > 0
    system = np.concatenate([movements[:, used], np.diag(np.sqrt(_PENALTY) / scale[used])])
    wanted = np.asarray(expression, np.float64).reshape(-1, len(components)) @ components.T
    activations = np.zeros((len(wanted), len(scale)))
    for row, target in enumerate(wanted + movements @ units.at_rest):
        observed = np.concatenate([target, np.full(used.sum(), -np.sqrt(_PENALTY))])
        activations[row, used] = scipy.optimize.lsq_linear(system, observed, (0, 1), "bvls").x
    return activations.reshape(*np.shape(expression)[:-1], len(scale))
