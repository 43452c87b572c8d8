"""A face model as its files have it."""

import dataclasses
import pathlib
from collections.abc import Mapping

import numpy as np
from jaxtyping import Float, Int


@dataclasses.dataclass(frozen=True, eq=False)
class Components:
    """K directions in which a face changes.

    Attributes:
      basis: (V, 3, K) displacement of each vertex.
      std: (K,) standard deviation of what is multiplied with it.
      ranked: whether the first ones matter most, so that the others can be left out.
      names: of what each does where it is multiplied with one; empty where the files give none.
    """

    basis: Float[np.ndarray, "V 3 K"]
    std: Float[np.ndarray, " K"]
    ranked: bool = True
    names: tuple[str, ...] = ()


@dataclasses.dataclass(frozen=True, eq=False)
class Texture:
    """Texture coordinates, (U, 2) in [0, 1] with v up, and for each triangle those of its corners, (F, 3)."""

    uv: Float[np.ndarray, "U 2"]
    uv_triangles: Int[np.ndarray, "F 3"]


@dataclasses.dataclass(frozen=True, eq=False)
class SourceModel:
    """A face model in the unit and with the origin of its files; vertices are counted from 0.

    The axes of all formats are those of the model frame: x to the subject's left, y up, z out of the face.

    Attributes:
      path: of its files, for messages.
      mean: (V, 3) the mean face.
      shape: components of identity.
      expression: components of expression.
      triangles: (F, 3) all clockwise or all counter-clockwise seen from outside.
      millimetres: the length of the files' unit.
      landmarks: (68,) vertices of the iBUG landmarks; None where the files do not say.
      points: other points that the files give names to, and their vertices.
      texture: None where the files have none.
      has_published_vectors: whether networks of the 3DDFA family predict multiples of the bases as they are.
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
