"""Recovery of expression units from the expression coefficients of random faces."""

from typing import NamedTuple

import numpy as np
import tqdm
from jaxtyping import Float

from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.models.expression_units import ExpressionUnits, fit_units
from twodasl_jax.models.expression_units.activation import EXCLUSIVE_TWINS, scale_of, stem_of
from twodasl_jax.models.expression_units.units import in_metric

SEED = 20261126
MAX_ACTIVE = 4
# The correlation of the normal variables underlying the activations of left and right units.
TWIN_CORRELATION = 0.8
CHUNK = 50
_VISIBLE = 0.05  # activation


class Recovery(NamedTuple):
    """The quality of the recovered activations of one unit.

    Attributes:
      name: the name of the unit, without its side.
      share_active: the share of faces in which the unit is active.
      correlation: the correlation of recovered and true activations.
      active_error: the mean error of the activation if the unit is active.
      inactive_mean: the mean recovered activation if the unit is inactive.
    """

    name: str
    share_active: float
    correlation: float
    active_error: float
    inactive_mean: float


def report(model: MorphableModel, units: ExpressionUnits, count: int, noise: float) -> None:
    """Prints a table of the recovery of each unit.

    Args:
      model: the face model, with the expression components to use.
      units: its expression units.
      count: the number of random faces.
      noise: the error of the coefficients, standard deviations.
    """
    random = np.random.default_rng(SEED)
    true = draw_activations(units.names, count, random)
    expression = nearest_coefficients(units, model, true)
    expression += noise * random.standard_normal(expression.shape)
    chunks = np.array_split(expression.astype(np.float32), -(-count // CHUNK))
    recovered = np.concatenate(
        [fit_units(units, model, chunk) for chunk in tqdm.tqdm(chunks, unit_scale=CHUNK)]
    )
    visible, visible_recovered = (
        (activations > _VISIBLE).sum(axis=1).mean() for activations in (true, recovered)
    )
    print(
        f"{count} faces, {len(model.expression_std)} expression components, error of coefficients {noise:g}\n"
        f"mean error of an activation {np.abs(recovered - true).mean():.3f}; units above {_VISIBLE:g} per face: "
        f"{visible:.1f} true, {visible_recovered:.1f} recovered\n"
        "unit              active  correlation     error if active  mean if inactive"
    )
    for row in recoveries(units.names, true, recovered):
        print(
            f"{row.name:16}{row.share_active:7.1%}{row.correlation:13.2f}"
            f"{row.active_error:20.2f}{row.inactive_mean:18.3f}"
        )


def draw_activations(
    names: tuple[str, ...], count: int, random: np.random.Generator
) -> Float[np.ndarray, "N K"]:
    """Returns the activations of random faces."""
    stems = sorted({stem_of(name) for name in names if scale_of(name) > 0})
    members = {stem: [i for i, name in enumerate(names) if stem_of(name) == stem] for stem in stems}
    activations = np.zeros((count, len(names)))
    for face in activations:
        active = random.integers(1, MAX_ACTIVE, endpoint=True)
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
    """Returns the expression coefficients with the displacements nearest to those of the activations."""
    columns = np.asarray(model.expression_basis) * np.asarray(model.expression_std)
    displacements = units.movements @ (activations - units.at_rest).T
    return np.linalg.lstsq(in_metric(columns, units.metric), displacements)[0].T


def recoveries(
    names: tuple[str, ...], true: Float[np.ndarray, "N K"], recovered: Float[np.ndarray, "N K"]
) -> list[Recovery]:
    """Returns the recovery of each unit, in order of decreasing correlation."""
    result = []
    for stem in dict.fromkeys(stem_of(name) for name in names if scale_of(name) > 0):
        sides = [i for i, name in enumerate(names) if stem_of(name) == stem]
        actual, fitted = true[:, sides].ravel(), recovered[:, sides].ravel()
        active = actual > 0
        varies = actual.any() and fitted.any()
        result.append(
            Recovery(
                name=f"{stem}Left/Right" if names[sides[0]] in EXCLUSIVE_TWINS else stem,
                share_active=active.mean(),
                correlation=np.corrcoef(actual, fitted)[0, 1] if varies else 0.0,
                active_error=np.abs(fitted - actual)[active].mean() if active.any() else np.nan,
                inactive_mean=fitted[~active].mean(),
            )
        )
    return sorted(result, key=lambda recovery: -recovery.correlation)
