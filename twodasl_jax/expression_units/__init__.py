"""Expression in words: the named units that faces move by, such as "jawOpen" and "mouthSmileLeft".

The coefficients of expression are principal components, which say nothing to people or to programs that animate
faces. Some face models know besides how each of ARKit's facial units moves their mesh.

    units.py          the units of one face model
    metric.py         how displacements of its vertices are compared
    activation.py     how strongly and how jointly people use them
    fitting.py        how far a face uses them, from its coefficients
    naming.py         expression components, named after the units that they are made of
"""

from twodasl_jax.expression_units.fitting import fit_units
from twodasl_jax.expression_units.naming import component_names
from twodasl_jax.expression_units.units import ExpressionUnits

__all__ = ["ExpressionUnits", "component_names", "fit_units"]
