"""Names of expression components, composed of the names of expression units."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from twodasl_jax.array_types import typed
from twodasl_jax.geometry.morphable_model import ShapeSpace
from twodasl_jax.models.expression_units.activation import EXCLUSIVE_TWINS, stem_of, twin_of
from twodasl_jax.models.expression_units.units import ExpressionUnits, in_metric

# A name is complete if its units explain this share of the squared displacement, or if it has this many units.
_EXPLAINED_SHARE, _MAX_UNITS = 0.9, 2


class _Term(NamedTuple):
    """A movement that can be part of a name.

    Attributes:
      movement: (D,) the displacements in the metric.
      name: the name of the movement.
      opposite: the name of the opposite movement.
      unit_count: the number of units in the name.
    """

    movement: Float[np.ndarray, " D"]
    name: str
    opposite: str
    unit_count: int = 1


@typed
def component_names(units: ExpressionUnits, space: ShapeSpace) -> tuple[str, ...]:
    """Names the expression components of a face model after their displacements.

    A name contains one or two units, such as "mouthPucker - mouthSmile": the units that explain most of the
    displacement by one standard deviation. A minus sign marks a negative activation. A left and a right unit with equal
    activations share one term without a side.

    Args:
      units: the units of the face model.
      space: the face model, with E expression components.

    Returns:
      E different names.
    """
    columns = np.asarray(space.expression_basis) * np.asarray(space.expression_std)
    terms = list(_terms(units))
    names = [_name(terms, column) for column in in_metric(columns, units.metric).T]
    return tuple(_numbered(names))


def _terms(units: ExpressionUnits) -> Iterator[_Term]:
    """Yields each unit, and the sum and the difference of each left and right unit."""
    movements = dict(zip(units.names, units.movements.T, strict=True))
    for name, movement in movements.items():
        twin = twin_of(name)
        if not movement.any():
            continue
        if name in EXCLUSIVE_TWINS and twin in movements:
            yield _Term(movement - movements[twin], name, twin)
            continue
        yield _Term(movement, name, f"-{name}")
        if twin > name and twin in movements:
            left, right = movement, movements[twin]
            yield _Term(left + right, stem_of(name), f"-{stem_of(name)}")
            yield _Term(left - right, f"{name} - {twin}", f"{twin} - {name}", unit_count=2)


def _name(terms: Sequence[_Term], column: Float[np.ndarray, " D"]) -> str:
    """Returns the name of a displacement, by orthogonal matching pursuit over the terms."""
    movements = np.stack([term.movement for term in terms], axis=1)
    directions = movements / np.linalg.norm(movements, axis=0)
    chosen: list[_Term] = []
    residual, amplitudes = column, np.zeros(0)
    largest_residual = (1 - _EXPLAINED_SHARE) * (column @ column)
    while (
        sum(term.unit_count for term in chosen) < _MAX_UNITS
        and residual @ residual > largest_residual
    ):
        chosen.append(terms[np.abs(residual @ directions).argmax()])
        basis = np.stack([term.movement for term in chosen], axis=1)
        amplitudes = np.linalg.lstsq(basis, column)[0]
        residual = column - basis @ amplitudes
    signed = [
        term.name if amplitude > 0 else term.opposite
        for term, amplitude in zip(chosen, amplitudes, strict=True)
    ]
    # Positive terms come first; the sort keeps the order of the pursuit otherwise.
    signed.sort(key=lambda name: name.startswith("-"))
    return " + ".join(signed).replace("+ -", "- ")


def _numbered(names: Sequence[str]) -> Iterator[str]:
    """Yields the names, with a number after each name that occurs more than once."""
    counts: Counter[str] = Counter()
    for name in names:
        counts[name] += 1
        yield name if names.count(name) == 1 else f"{name} ({counts[name]})"
