"""Clipping of a triangle mesh along the zero line of a scalar field, without slivers or jagged edges."""

import dataclasses
import itertools
from collections.abc import Iterable

import numpy as np
import scipy.sparse
from jaxtyping import Float, Int


@dataclasses.dataclass(frozen=True)
class Cut:
    """The part of a mesh in which a field is positive.

    The original vertices keep their indices, although some have moved onto the cut and many are unused.
    The points at which the cut crosses an edge follow them. Texture coordinates are treated alike.

    Attributes:
      matrix: the linear map from the original vertices to all vertices.
      triangles: (F, 3) rows of `matrix`.
      uv_matrix: the linear map from the original texture coordinates to all texture coordinates.
      uv_triangles: (F, 3) rows of `uv_matrix`.
    """

    matrix: scipy.sparse.csr_matrix
    triangles: Int[np.ndarray, "F 3"]
    uv_matrix: scipy.sparse.csr_matrix
    uv_triangles: Int[np.ndarray, "F 3"]


def clip(
    field: Float[np.ndarray, " N"],
    triangles: Int[np.ndarray, "T 3"],
    uv_triangles: Int[np.ndarray, "T 3"],
    num_uv: int,
    snap: float,
) -> Cut:
    """Returns the part of a mesh in which a field, linear on each edge, is positive.

    Args:
      field: (N,) the value at each vertex.
      triangles: (T, 3) vertex indices.
      uv_triangles: (T, 3) texture indices of the same corners.
      num_uv: the number of texture coordinates.
      snap: a share of the edge length. A vertex nearer to the cut is moved along the crossed edge onto
        the cut, and the edge is not split.

    Returns:
      The clipped mesh; triangles keep their orientation.
    """
    partner, share = _snapped(field, triangles, snap)
    field = np.where(share > 0, 0.0, field)
    uv_partner = _uv_partner(partner, triangles, uv_triangles, num_uv)
    uv_share = np.zeros(num_uv)
    uv_share[uv_triangles] = share[triangles]
    points = _Points(partner, share)
    uv_points = _Points(uv_partner, uv_share)

    inside = np.any(field[triangles] > 0, axis=1)
    straddling = inside & np.any(field[triangles] < 0, axis=1)
    whole = np.flatnonzero(inside & ~straddling)
    faces, uv_faces = list(triangles[whole]), list(uv_triangles[whole])
    for triangle, uv_triangle in zip(triangles[straddling], uv_triangles[straddling], strict=True):
        polygon = _positive_part(field[triangle])
        faces += _fan(points.on_edge(triangle[i], triangle[j], t) for i, j, t in polygon)
        uv_faces += _fan(
            uv_points.on_edge(uv_triangle[i], uv_triangle[j], t) for i, j, t in polygon
        )
    return Cut(points.matrix(), np.array(faces), uv_points.matrix(), np.array(uv_faces))


def _snapped(
    field: np.ndarray, triangles: np.ndarray, snap: float
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the neighbour that each vertex moves toward, and the share of the edge (0 if it does not move)."""
    start, end = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    start, end = np.concatenate([start, end]), np.concatenate([end, start])
    crossed = field[start] * field[end] < 0
    start, end = start[crossed], end[crossed]
    distance = field[start] / (field[start] - field[end])
    near = distance < snap
    start, end, distance = start[near], end[near], distance[near]
    partner, share = np.arange(len(field)), np.zeros(len(field))
    for i in np.argsort(-distance, kind="stable"):  # so that the nearest crossing wins
        partner[start[i]], share[start[i]] = end[i], distance[i]
    return partner, share


def _uv_partner(
    partner: np.ndarray, triangles: np.ndarray, uv_triangles: np.ndarray, num_uv: int
) -> Int[np.ndarray, " num_uv"]:
    """Returns the texture point that each texture point moves toward."""
    result = np.arange(num_uv)
    for step in (1, 2):
        towards = np.roll(triangles, -step, axis=1) == partner[triangles]
        result[uv_triangles[towards]] = np.roll(uv_triangles, -step, axis=1)[towards]
    return result


def _positive_part(field: Float[np.ndarray, " 3"]) -> list[tuple[int, int, float]]:
    """Returns the polygon in which the field of a triangle is positive.

    Args:
      field: (3,) the values at the corners of the triangle.

    Returns:
      The points of the polygon in the orientation of the triangle. Each is a start corner, an end corner
      and the share of the edge between them.
    """
    polygon = []
    for i, j in ((0, 1), (1, 2), (2, 0)):
        if field[i] >= 0:
            polygon.append((i, i, 0.0))
        if field[i] * field[j] < 0:
            polygon.append((i, j, field[i] / (field[i] - field[j])))
    return polygon


def _fan(numbers: Iterable[int]) -> list[list[int]]:
    """Returns the triangles of a convex polygon."""
    first, *rest = numbers
    return [[first, second, third] for second, third in itertools.pairwise(rest)]


class _Points:
    """The points of a clipped mesh: the original vertices, then points on their edges."""

    def __init__(self, partner: np.ndarray, share: np.ndarray) -> None:
        self._num_old = len(partner)
        self._ends = list(enumerate(partner.tolist()))
        self._shares = list(share)
        self._numbers: dict[tuple[int, int], int] = {}

    def on_edge(self, start: int, end: int, share: float) -> int:
        """Returns the index of the point at `share` of the edge from `start` to `end`; adds it if needed."""
        if start == end:
            return start
        key = (min(start, end), max(start, end))
        if key not in self._numbers:
            self._numbers[key] = len(self._ends)
            self._ends.append((start, end))
            self._shares.append(share)
        return self._numbers[key]

    def matrix(self) -> scipy.sparse.csr_matrix:
        """Returns the linear map from the original vertices to all points."""
        share, column = np.array(self._shares), np.array(self._ends)
        row = np.arange(len(share))
        entries = np.concatenate([1.0 - share, share])
        place = (np.concatenate([row, row]), column.T.ravel())
        return scipy.sparse.csr_matrix((entries, place), shape=(len(share), self._num_old))
