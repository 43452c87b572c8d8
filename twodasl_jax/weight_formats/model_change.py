"""One face model described twice: what coefficients of one description are in the other."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from twodasl_jax.array_types import typed
from twodasl_jax.geometry.morphable_model import ShapeSpace


class ModelChange(NamedTuple):
    """How coefficient vectors change with the description of their face model.

    Attributes:
      matrix: (C, C) from vectors of the official layout, unwhitened, to those of the other description.
      misfit: the largest distance of a point of the mean face from where it should be, relative to the face, or of a
        component, relative to its length. For one model that is described twice it is rounding; nan where a component
        moves no point.
    """

    matrix: Float[np.ndarray, "C C"]
    misfit: float


@typed
def change_of_model(own: ShapeSpace, other: ShapeSpace) -> ModelChange:
    """Finds how the coefficients of one description of a face model become those of another.

    Units, axes and origin may differ, own = L other + o, and the amplitudes of the components. A row (p, t) of a
    projection, p own + t, becomes (p L, p o + t).

    Args:
      own: points of the model whose coefficients are known.
      other: the same points of the model whose coefficients are wanted, with as many components.
    """
    points, others = (np.asarray(space.mean, np.float64) for space in (own, other))
    homogeneous = np.concatenate([others, np.ones((len(others), 1))], axis=1)
    placement = np.linalg.lstsq(homogeneous, points)[0].T  # (3, 4): L and o
    gaps = np.linalg.norm(homogeneous @ placement.T - points, axis=1)
    ours = _components(own)
    theirs = np.einsum("dc,pck->pdk", placement[:, :3], _components(other))
    with np.errstate(invalid="ignore"):
        amplitudes = np.sum(ours * theirs, axis=(0, 1)) / np.sum(theirs**2, axis=(0, 1))
        differences = np.linalg.norm(ours - theirs * amplitudes, axis=(0, 1))
        relative = differences / np.linalg.norm(ours, axis=(0, 1))
    misfits = [gaps.max() / np.linalg.norm(np.ptp(points, axis=0)), *relative]
    return ModelChange(_matrix(placement, amplitudes), float(np.max(misfits)))


def _components(space: ShapeSpace) -> Float[np.ndarray, "P 3 K"]:
    """Returns what each coefficient, being one, moves the points by."""
    bases = (space.shape_basis * space.shape_std, space.expression_basis * space.expression_std)
    return np.concatenate([np.asarray(basis, np.float64) for basis in bases], axis=-1)


def _matrix(
    placement: Float[np.ndarray, "3 4"], amplitudes: Float[np.ndarray, " K"]
) -> Float[np.ndarray, "C C"]:
    rows = np.concatenate([placement, [[0.0, 0.0, 0.0, 1.0]]])
    pose = np.kron(np.eye(3), rows.T)
    count, size = len(pose), len(pose) + len(amplitudes)
    matrix = np.zeros((size, size))
    matrix[:count, :count] = pose
    matrix[range(count, size), range(count, size)] = amplitudes
    return matrix
