"""Cutting a triangle mesh along the zero line of a scalar field, without slivers or teeth."""

import dataclasses
import itertools
from collections.abc import Iterable

import numpy as np
import scipy.sparse
from jaxtyping import Float, Int


@dataclasses.dataclass(frozen=True)
class Cut:
    """The part of a mesh where the field is positive.

    The old vertices keep their numbers (some have moved onto the cut, many are now unused); the
    points where the cut crosses an edge follow them. The same holds for texture coordinates.

    Attributes:
      matrix: old and new vertices from the old ones.
      triangles: indices into the rows of `matrix`.
      uv_matrix: old and new texture coordinates from the old ones.
      uv_triangles: indices into the rows of `uv_matrix`.
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
    """Keeps the part of a mesh where a field, linear on each edge, is positive.

    Args:
      field: value at each vertex.
      triangles: vertex indices.
      uv_triangles: texture indices, corner by corner.
      num_uv: the number of texture coordinates.
      snap: a vertex nearer to the cut than this share of a crossed edge is moved along that edge
          onto the cut instead of cutting the edge there.

    Returns:
      The cut mesh; triangles keep their orientation.
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
    """For each vertex the neighbour it moves towards and how far (0 = it stays)."""
    start, end = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    start, end = np.concatenate([start, end]), np.concatenate([end, start])
    crossed = field[start] * field[end] < 0
    start, end = start[crossed], end[crossed]
    distance = field[start] / (field[start] - field[end])
    near = distance < snap
    start, end, distance = start[near], end[near], distance[near]
    partner, share = np.arange(len(field)), np.zeros(len(field))
    for i in np.argsort(-distance, kind="stable"):  # the nearest crossing is written last
        partner[start[i]], share[start[i]] = end[i], distance[i]
    return partner, share


def _uv_partner(
    partner: np.ndarray, triangles: np.ndarray, uv_triangles: np.ndarray, num_uv: int
) -> Int[np.ndarray, " num_uv"]:
    """For each texture point of a moved vertex the texture point it moves towards."""
    result = np.arange(num_uv)
    for step in (1, 2):
        towards = np.roll(triangles, -step, axis=1) == partner[triangles]
        result[uv_triangles[towards]] = np.roll(uv_triangles, -step, axis=1)[towards]
    return result


def _positive_part(field: Float[np.ndarray, " 3"]) -> list[tuple[int, int, float]]:
    """Returns the corners of the part of a triangle where the field is positive.

    Args:
      field: values at the triangle's corners.

    Returns:
      Points on its edges in its orientation: from which corner, to which, and how far.
    """
    polygon = []
    for i, j in ((0, 1), (1, 2), (2, 0)):
        if field[i] >= 0:
            polygon.append((i, i, 0.0))
        if field[i] * field[j] < 0:
            polygon.append((i, j, field[i] / (field[i] - field[j])))
    return polygon


def _fan(numbers: Iterable[int]) -> list[list[int]]:
    """Splits a convex polygon into triangles."""
    first, *rest = numbers
    return [[first, second, third] for second, third in itertools.pairwise(rest)]


class _Points:
    """Numbered points of a mesh: the old vertices first, then points on their edges."""

    def __init__(self, partner: np.ndarray, share: np.ndarray) -> None:
        self._num_old = len(partner)
        self._ends = list(enumerate(partner.tolist()))
        self._shares = list(share)
        self._numbers: dict[tuple[int, int], int] = {}

    def on_edge(self, start: int, end: int, share: float) -> int:
        """The number of the point that lies `share` of the way from `start` to `end`."""
        if start == end:
            return start
        key = (min(start, end), max(start, end))
        if key not in self._numbers:
            self._numbers[key] = len(self._ends)
            self._ends.append((start, end))
            self._shares.append(share)
        return self._numbers[key]

    def matrix(self) -> scipy.sparse.csr_matrix:
        """The points from the old vertices."""
        share, column = np.array(self._shares), np.array(self._ends)
        row = np.arange(len(share))
        entries = np.concatenate([1.0 - share, share])
        place = (np.concatenate([row, row]), column.T.ravel())
        return scipy.sparse.csr_matrix((entries, place), shape=(len(share), self._num_old))
