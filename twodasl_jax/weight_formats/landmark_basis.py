"""The 68 landmark rows of the face model that published coefficients belong to, and their whitening.

2DASL, 3DDFA and 3DDFA_V2 publish 62 whitened numbers for each face. One `.npz` file contains the arrays that decode
them: `mean` (204,), `shape_basis` (204, 40), `expression_basis` (204, 10), `param_mean` and `param_std` (62,).
"""

import pathlib

import numpy as np

from twodasl_jax.files.array_files import read_rows
from twodasl_jax.geometry.coefficients import Whitening
from twodasl_jax.geometry.morphable_model import ShapeSpace

_LANDMARK_COUNT = 68


def read_landmark_basis(path: pathlib.Path) -> tuple[ShapeSpace, Whitening]:
    """Returns the 68 landmarks, with standard deviations of one, and the whitening of the vectors.

    Raises:
      DatasetError: the file is missing, damaged, or lacks an array.
    """
    rows = read_rows(
        path, {"mean": (), "shape_basis": (-1,), "expression_basis": (-1,)}
    ) | read_rows(path, {"param_mean": (), "param_std": ()})
    shape, expression = (
        rows[name].reshape(_LANDMARK_COUNT, 3, -1).astype(np.float32)
        for name in ("shape_basis", "expression_basis")
    )
    space = ShapeSpace(
        mean=rows["mean"].reshape(_LANDMARK_COUNT, 3).astype(np.float32),
        shape_basis=shape,
        shape_std=np.ones(shape.shape[-1], np.float32),
        expression_basis=expression,
        expression_std=np.ones(expression.shape[-1], np.float32),
    )
    return space, Whitening(rows["param_mean"], rows["param_std"])
