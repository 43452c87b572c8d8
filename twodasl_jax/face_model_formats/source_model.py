"""A face model as its files store it."""

import dataclasses
import pathlib
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int


@dataclasses.dataclass(frozen=True, eq=False)
class Components:
    """K shape or expression components.

    Attributes:
      basis: (V, 3, K) displacements of the vertices.
      std: (K,) standard deviations of the coefficients of `basis`.
      ranked: whether the components are in order of importance, so that the last ones can be left out.
      names: the names of the components; empty if the files have none.
    """

    basis: Float[np.ndarray, "V 3 K"]
    std: Float[np.ndarray, " K"]
    ranked: bool = True
    names: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Texture:
    """Texture coordinates.

    Attributes:
      uv: (U, 2) coordinates in [0, 1]; v points up.
      uv_triangles: (F, 3) rows of `uv` for the corners of each triangle.
    """

    uv: Float[np.ndarray, "U 2"]
    uv_triangles: Int[np.ndarray, "F 3"]


@dataclasses.dataclass(frozen=True, eq=False)
class SourceModel:
    """A face model in the unit and with the origin of its files; vertex indices start at 0.

    All formats have the axes of the model frame: x to the subject's left, y up, z out of the face.

    Attributes:
      path: the file or folder, for error messages.
      mean: (V, 3) the mean face.
      shape: the shape components.
      expression: the expression components.
      triangles: (F, 3) all clockwise or all counter-clockwise, seen from outside.
      millimetres: the length of the files' unit in millimetres.
      landmarks: (68,) the vertices of the iBUG landmarks; None if the files do not contain them.
      points: the vertices of other named points of the files, by name.
      texture: the texture coordinates; None if the files have none.
      has_published_vectors: whether networks of the 3DDFA family predict coefficients of these bases.
    """

    path: pathlib.Path
    mean: Float[np.ndarray, "V 3"]
    shape: Components
    expression: Components
    triangles: Int[np.ndarray, "F 3"]
    millimetres: float
    landmarks: Int[np.ndarray, " 68"] | None = None
    points: Mapping[str, int] = dataclasses.field(default_factory=dict)
    texture: Texture | None = None
    has_published_vectors: bool = False
