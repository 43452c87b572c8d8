"""Measures which facial units a face model's expression components can tell from each other.

  python experiments/face_model/measure_expression_units.py [--expression_count=20] [--noise=0.3] [--face_model=FILE.npz]

Random faces use one to four units, as strongly as people usually do; left and right mostly act together. Their
expression becomes the coefficients that are nearest to it, with --noise standard deviations of error on each, and
`fit_units` has only these to find the units again. For every unit, left and right in one row, the table says how often
it acted, how found and true activations correlate over all faces, the mean error where it acted, and the mean of what
was found where it did not.
"""

from typing import NamedTuple

import numpy as np
import tqdm
from absl import flags
from jaxtyping import Float

from twodasl_jax.commands import entry_points
from twodasl_jax.errors import ConfigError, FaceModelError
from twodasl_jax.expression_units import ExpressionUnits, fit_units
from twodasl_jax.expression_units.activation import EXCLUSIVE_TWINS, scale_of, stem_of
from twodasl_jax.expression_units.metric import in_metric
from twodasl_jax.geometry.morphable_model import MorphableModel, truncate
from twodasl_jax.models.face_model import (
    chosen_expression_units,
    embedded_face_model,
    load_face_model,
)

SEED = 20261126
MOST_ACTIVE = 4
# Of the normal variables behind the activations of left and right.
TWIN_CORRELATION = 0.8
CHUNK = 50

_FACE_MODEL = flags.DEFINE_string(
    "face_model", None, "A face model's .npz instead of the embedded one."
)
_EXPRESSION_COUNT = flags.DEFINE_integer(
    "expression_count", 10, "How many of its expression components to use.", lower_bound=1
)
_NOISE = flags.DEFINE_float(
    "noise", 0.0, "Error of the coefficients, standard deviations.", lower_bound=0.0
)
_FACES = flags.DEFINE_integer("faces", 2000, "How many faces to draw.", lower_bound=2)


class Recovery(NamedTuple):
    """How well a unit is found: see the head of this file."""

    name: str
    share_active: float
    correlation: float
    error_where_active: float
    found_where_inactive: float


def draw_activations(
    names: tuple[str, ...], count: int, random: np.random.Generator
) -> Float[np.ndarray, "N K"]:
    """Returns the activations of random faces."""
    stems = sorted({stem_of(name) for name in names if scale_of(name) > 0})
    members = {stem: [i for i, name in enumerate(names) if stem_of(name) == stem] for stem in stems}
    activations = np.zeros((count, len(names)))
    for face in activations:
        active = random.integers(1, MOST_ACTIVE, endpoint=True)
        for stem in random.choice(stems, active, replace=False):
            sides = members[stem]
            if names[sides[0]] in EXCLUSIVE_TWINS:
                sides = [random.choice(sides)]
            shared, own = random.standard_normal(), random.standard_normal(len(sides))
            strength = np.sqrt(TWIN_CORRELATION) * shared + np.sqrt(1 - TWIN_CORRELATION) * own
            face[sides] = np.abs(strength) * [scale_of(names[i]) for i in sides]
    return np.minimum(activations, 1.0)


def nearest_coefficients(
    units: ExpressionUnits, model: MorphableModel, activations: Float[np.ndarray, "N K"]
) -> Float[np.ndarray, "N E"]:
    """Returns the expression coefficients whose displacements are nearest to those of activations."""
    columns = np.asarray(model.expression_basis) * np.asarray(model.expression_std)
    moved = units.movements @ (activations - units.at_rest).T
    return np.linalg.lstsq(in_metric(columns, units.metric), moved)[0].T


def recoveries(
    names: tuple[str, ...], true: Float[np.ndarray, "N K"], found: Float[np.ndarray, "N K"]
) -> list[Recovery]:
    """Returns how well each unit is found, the best first."""
    result = []
    for stem in dict.fromkeys(stem_of(name) for name in names if scale_of(name) > 0):
        sides = [i for i, name in enumerate(names) if stem_of(name) == stem]
        actual, fitted = true[:, sides].ravel(), found[:, sides].ravel()
        active = actual > 0
        name = f"{stem}Left/Right" if names[sides[0]] in EXCLUSIVE_TWINS else stem
        varies = actual.any() and fitted.any()
        result.append(
            Recovery(
                name,
                active.mean(),
                np.corrcoef(actual, fitted)[0, 1] if varies else 0.0,
                np.abs(fitted - actual)[active].mean() if active.any() else np.nan,
                fitted[~active].mean(),
            )
        )
    return sorted(result, key=lambda recovery: -recovery.correlation)


def read_model() -> tuple[MorphableModel, ExpressionUnits]:
    """Returns the face model and the units that the flags name.

    Raises:
      FaceModelError: the face model's file cannot be read, or holds no units.
      ConfigError: it has fewer components than asked for.
    """
    path, count = _FACE_MODEL.value, _EXPRESSION_COUNT.value
    model = load_face_model(path) if path else embedded_face_model(expression_count=20)
    held = len(model.expression_std)
    if count > held:
        raise ConfigError(f"--expression_count={count}: the face model has {held} components.")
    units = chosen_expression_units(path)
    if units is None:
        raise FaceModelError(f"{path} holds no expression units: give a face model that has some.")
    return truncate(model, len(model.shape_std), count), units


def main() -> None:
    model, units = read_model()
    random = np.random.default_rng(SEED)
    true = draw_activations(units.names, _FACES.value, random)
    expression = nearest_coefficients(units, model, true)
    expression += _NOISE.value * random.standard_normal(expression.shape)
    chunks = np.array_split(expression.astype(np.float32), -(-len(expression) // CHUNK))
    fits = [fit_units(units, model, chunk) for chunk in tqdm.tqdm(chunks, unit_scale=CHUNK)]
    found = np.concatenate(fits)
    clear, clearly_found = ((some > 0.05).sum(axis=1).mean() for some in (true, found))
    print(
        f"{len(true)} faces, {_EXPRESSION_COUNT.value} expression components, error of coefficients {_NOISE.value:g}\n"
        f"mean error of an activation {np.abs(found - true).mean():.3f}; above 0.05 are {clear:.1f} units of a face, "
        f"and {clearly_found:.1f} of those found\n"
        "unit              active  correlation  error where active  found where not"
    )
    for row in recoveries(units.names, true, found):
        print(
            f"{row.name:16}{row.share_active:7.1%}{row.correlation:13.2f}"
            f"{row.error_where_active:20.2f}{row.found_where_inactive:17.3f}"
        )


if __name__ == "__main__":
    entry_points.run(main)
