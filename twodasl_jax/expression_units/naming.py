"""Expression components, named after the units that they are made of."""

from collections import Counter
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from twodasl_jax.array_types import typed
from twodasl_jax.expression_units.activation import EXCLUSIVE_TWINS, stem_of, twin_of
from twodasl_jax.expression_units.metric import in_metric
from twodasl_jax.expression_units.units import ExpressionUnits
from twodasl_jax.geometry.morphable_model import ShapeSpace

# A name is complete when its units make so much of the squared displacement, or when it has so many of them.
_ENOUGH, _MOST_UNITS = 0.9, 2


class _Word(NamedTuple):
    """A movement that has a name of its own, the name of its opposite, and how many units these name."""

    movement: Float[np.ndarray, " D"]
    name: str
    opposite: str
    unit_count: int = 1


@typed
def component_names(units: ExpressionUnits, space: ShapeSpace) -> tuple[str, ...]:
    """Names the expression components of a face model after what they do at one standard deviation.

    A name is one or two units, such as "mouthPucker - mouthSmile": those that make most of the displacement, with a
    minus sign where the unit is taken back. The left and the right of a unit that act alike are one word.

    Args:
      units: of the face model.
      space: its vertices, with E expression components.

    Returns:
      E names, no two alike.
    """
    columns = np.asarray(space.expression_basis) * np.asarray(space.expression_std)
    words = list(_words(units))
    names = [_name(words, column) for column in in_metric(columns, units.metric).T]
    return tuple(_numbered(names))


def _words(units: ExpressionUnits) -> Iterator[_Word]:
    """Yields the movements that names are made of: both sides together, against each other, and each by itself."""
    movements = dict(zip(units.names, units.movements.T, strict=True))
    for name, movement in movements.items():
        twin = twin_of(name)
        if not movement.any():
            continue
        if name in EXCLUSIVE_TWINS and twin in movements:
            yield _Word(movement - movements[twin], name, twin)
            continue
        yield _Word(movement, name, f"-{name}")
        if twin > name and twin in movements:
            left, right = movement, movements[twin]
            yield _Word(left + right, stem_of(name), f"-{stem_of(name)}")
            yield _Word(left - right, f"{name} - {twin}", f"{twin} - {name}", unit_count=2)


def _name(words: Sequence[_Word], column: Float[np.ndarray, " D"]) -> str:
    """Returns the words that make most of a displacement, one after the other, each where it adds most."""
    movements = np.stack([word.movement for word in words], axis=1)
    directions = movements / np.linalg.norm(movements, axis=0)
    chosen: list[_Word] = []
    rest, strengths = column, np.zeros(0)
    while sum(word.unit_count for word in chosen) < _MOST_UNITS and rest @ rest > (1 - _ENOUGH) * (
        column @ column
    ):
        chosen.append(words[np.abs(rest @ directions).argmax()])
        basis = np.stack([word.movement for word in chosen], axis=1)
        strengths = np.linalg.lstsq(basis, column)[0]
        rest = column - basis @ strengths
    signed = [
        word.name if strength > 0 else word.opposite
        for word, strength in zip(chosen, strengths, strict=True)
    ]
    # What is added comes before what is taken back; otherwise the stronger one comes first.
    signed.sort(key=lambda name: name.startswith("-"))
    return " + ".join(signed).replace("+ -", "- ")


def _numbered(names: Sequence[str]) -> Iterator[str]:
    """Yields names, with a number after those that there are several of."""
    seen: Counter[str] = Counter()
    for name in names:
        seen[name] += 1
        yield name if names.count(name) == 1 else f"{name} ({seen[name]})"
