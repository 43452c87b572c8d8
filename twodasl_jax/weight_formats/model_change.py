"""Conversion of coefficient vectors between two descriptions of one face model."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from twodasl_jax.array_types import typed
from twodasl_jax.geometry.morphable_model import ShapeSpace


class ModelChange(NamedTuple):
    """A linear map of coefficient vectors from one description of a face model to another.

    Attributes:
      matrix: (C, C) the map of unwhitened vectors in the official layout.
      misfit: the largest difference between the two descriptions, over points of the mean face (relative to the size of
        the face) and components (relative to their length). It is a rounding error if both describe the same model, and
        nan if a component displaces no point.
    """

    matrix: Float[np.ndarray, "C C"]
    misfit: float


@typed
def change_of_model(own: ShapeSpace, other: ShapeSpace) -> ModelChange:
    """Computes the map from coefficients of one description of a face model to coefficients of another.

    The descriptions may differ in unit, axes and origin, own = L other + o, and in the lengths of the components. A row
    (p, t) of a projection, p own + t, becomes (p L, p o + t).

    Args:
      own: the points of the description that the given vectors belong to.
      other: the same points, with the same number of components, in the description of the resulting vectors.
    """
    points, others = (np.asarray(space.mean, np.float64) for space in (own, other))
    homogeneous = np.concatenate([others, np.ones((len(others), 1))], axis=1)
    placement = np.linalg.lstsq(homogeneous, points)[0].T  # (3, 4): L and o
    gaps = np.linalg.norm(homogeneous @ placement.T - points, axis=1)
    own_components = _components(own)
    other_components = np.einsum("dc,pck->pdk", placement[:, :3], _components(other))
    with np.errstate(invalid="ignore"):
        amplitudes = np.sum(own_components * other_components, axis=(0, 1)) / np.sum(
            other_components**2, axis=(0, 1)
        )
        differences = np.linalg.norm(own_components - other_components * amplitudes, axis=(0, 1))
        relative = differences / np.linalg.norm(own_components, axis=(0, 1))
    misfits = [gaps.max() / np.linalg.norm(np.ptp(points, axis=0)), *relative]
    return ModelChange(_matrix(placement, amplitudes), float(np.max(misfits)))


def _components(space: ShapeSpace) -> Float[np.ndarray, "P 3 K"]:
    """Returns the displacements of the points per unit of each coefficient."""
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
