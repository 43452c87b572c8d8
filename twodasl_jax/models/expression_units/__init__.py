"""Expression units: named movements of a face, such as "jawOpen" and "mouthSmileLeft".

Expression coefficients are amplitudes of principal components, which have no names. Some face models also define a
displacement field for each of ARKit's facial units. This package names the components after these units, and fits
activations of the units to expression coefficients.

    units.py          the units of a face model, and the metric of displacements
    activation.py     the usual strength of each unit, and the pairs of left and right units
    fitting.py        activations of the units from expression coefficients
    naming.py         names of the expression components
"""

from twodasl_jax.models.expression_units.fitting import fit_units
from twodasl_jax.models.expression_units.naming import component_names
from twodasl_jax.models.expression_units.units import ExpressionUnits

__all__ = ["ExpressionUnits", "component_names", "fit_units"]
