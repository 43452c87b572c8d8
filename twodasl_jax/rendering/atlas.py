"""Where on a square picture each part of a face's surface lies.

The texture coordinates of a face model may have been made for the picture of a whole body. Here its
charts, the pieces that the surface was cut into, are brought to one scale, turned upright and
packed into a square of their own. The layout depends on the model alone: all faces share it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
import scipy.sparse
from jaxtyping import Float, Float32, Int
from scipy.sparse.csgraph import connected_components
from scipy.spatial.transform import Rotation

from twodasl_jax.array_types import typed
from twodasl_jax.rendering import rasterizer

# Share of the square's side between two charts, and between them and the border: six texels of 512.
_GAP = 0.012
_GROWTH = 1.01
_FINE = 512
_ON_EDGE = 1e-3


class Atlas(NamedTuple):
    """A mesh that was cut along the borders of its charts; there one vertex becomes several rows.

    Attributes:
      uv: texture coordinates of each row in [0, 1], v up.
      vertices: index of the vertex of each row.
      triangles: row indices, triangle by triangle and corner by corner as in the mesh.
    """

    uv: Float32[np.ndarray, "U 2"]
    vertices: Int[np.ndarray, " U"]
    triangles: Int[np.ndarray, "F 3"]


@typed
def build_atlas(
    points: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    uv: Float[np.ndarray, "T 2"],
    uv_triangles: Int[np.ndarray, "F 3"],
) -> Atlas:
    """Packs the charts of a face model into one square.

    Every chart keeps its form. It is scaled to the area that it has on the mean face, and turned so
    that what is above another thing on the face is above it in the square too. Triangles that share
    their place in a chart with others get charts of their own.

    Args:
      points: vertices of the mean face, model frame.
      triangles: vertex indices.
      uv: the model's texture coordinates, v up.
      uv_triangles: indices into `uv`, corner by corner as in `triangles`.
    """
    uv, uv_triangles = _without_overlaps(points, triangles, uv, uv_triangles)
    vertices, cut, rows = _cut_at_seams(triangles, uv_triangles)
    chart_of_row = _pieces(rows, len(vertices))
    placed = np.empty((len(vertices), 2))
    charts = [np.flatnonzero(chart_of_row == chart) for chart in range(chart_of_row.max() + 1)]
    for members in charts:
        own = rows[chart_of_row[rows[:, 0]] == chart_of_row[members[0]]]
        scale = np.sqrt(_area(points[vertices][own]) / _area(uv[cut][own]))
        turned = uv[cut[members]] @ _upright(uv[cut[members]], points[vertices[members], :2])
        placed[members] = scale * (turned - turned.min(axis=0))
    corners, side = _pack([placed[members].max(axis=0) for members in charts])
    for members, corner in zip(charts, corners, strict=True):
        placed[members] += corner
    return Atlas((placed / side).astype(np.float32), vertices, rows.astype(np.int32))


def _without_overlaps(
    points: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    uv: Float[np.ndarray, "T 2"],
    uv_triangles: Int[np.ndarray, "F 3"],
) -> tuple[Float[np.ndarray, "W 2"], Int[np.ndarray, "F 3"]]:
    """Lays triangles that cover others of their chart out anew: each connected group flat, as it is seen."""
    chart = _pieces(uv_triangles, len(uv))[uv_triangles[:, 0]]
    charts = [np.flatnonzero(chart == one) for one in np.unique(chart)]
    moved = np.concatenate([members[_covering(uv[uv_triangles[members]])] for members in charts])
    group = _pieces(triangles[moved], len(points))[triangles[moved, 0]]
    uv, uv_triangles = uv.copy(), uv_triangles.copy()
    for one in np.unique(group):
        members = moved[group == one]
        vertices, flat = np.unique(triangles[members], return_inverse=True)
        uv_triangles[members] = len(uv) + flat.reshape(-1, 3)
        uv = np.concatenate([uv, _flattened(points[vertices], points[triangles[members]])])
    return uv, uv_triangles


def _covering(corners: Float[np.ndarray, "F 3 2"]) -> Int[np.ndarray, " N"]:
    """Returns the triangles in the plane that cover a triangle before them in the list."""
    low = corners.min(axis=(0, 1))
    scale = _FINE / max(float(np.ptp(corners, axis=(0, 1)).max()), float(np.finfo(np.float32).tiny))
    flat = np.pad((corners - low) * scale, ((0, 0), (0, 0), (0, 1))).reshape(-1, 3)
    triangles = np.arange(len(flat)).reshape(-1, 3)
    first, last = (
        rasterizer.rasterize(flat, order, _FINE, _FINE) for order in (triangles, triangles[::-1])
    )
    # On the edge between two neighbours either may be seen.
    inside = np.minimum(first.weights, last.weights).min(axis=-1) > _ON_EDGE
    latter = len(triangles) - 1 - last.triangle[inside]
    return np.unique(latter[latter != first.triangle[inside]])


def _flattened(
    points: Float[np.ndarray, "N 3"], corners: Float[np.ndarray, "F 3 3"]
) -> Float[np.ndarray, "N 2"]:
    """The points as they are seen from where their triangles face."""
    a, b, c = np.moveaxis(corners, 1, 0)
    view, _ = Rotation.align_vectors([[0, 0, 1]], [np.cross(b - a, c - a).sum(axis=0)])
    return view.apply(points)[:, :2]


def _cut_at_seams(
    triangles: Int[np.ndarray, "F 3"], uv_triangles: Int[np.ndarray, "F 3"]
) -> tuple[Int[np.ndarray, " U"], Int[np.ndarray, " U"], Int[np.ndarray, "F 3"]]:
    """Returns every pair of vertex and texture coordinate that a corner has, and the corners' pairs."""
    corners = np.stack([triangles.ravel(), uv_triangles.ravel()], axis=-1)
    pairs, rows = np.unique(corners, axis=0, return_inverse=True)
    return pairs[:, 0], pairs[:, 1], rows.reshape(triangles.shape)


def _pieces(triangles: Int[np.ndarray, "F 3"], count: int) -> Int[np.ndarray, " N"]:
    """Numbers the connected pieces of a mesh and says to which one each of its N vertices belongs."""
    starts, ends = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    edges = scipy.sparse.coo_array((np.ones(len(starts)), (starts, ends)), shape=(count, count))
    return connected_components(edges, directed=False)[1]


def _area(corners: Float[np.ndarray, "F 3 D"]) -> float:
    """The area of triangles in the plane or in space; not zero, so that one can divide by it."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    squared = (a**2).sum(axis=-1) * (b**2).sum(axis=-1) - (a * b).sum(axis=-1) ** 2
    return max(float(np.sqrt(np.maximum(squared, 0)).sum()) / 2, float(np.finfo(np.float32).tiny))


def _upright(
    coordinates: Float[np.ndarray, "N 2"], target: Float[np.ndarray, "N 2"]
) -> Float[np.ndarray, "2 2"]:
    """The rotation, for products from the right, that best brings the one set of points to the other."""
    centred = coordinates - coordinates.mean(axis=0)
    (xx, xy), (yx, yy) = centred.T @ (target - target.mean(axis=0))
    angle = np.arctan2(xy - yx, xx + yy)
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _pack(
    sizes: Sequence[Float[np.ndarray, "2"]],
) -> tuple[list[Float[np.ndarray, "2"]], float]:
    """Returns the lower left corners of rectangles in a square, and the side of that square."""
    area = float(sum(np.prod(size) for size in sizes))
    side = max(np.sqrt(area), float(np.finfo(np.float32).tiny))
    while (corners := _shelve(sizes, side, _GAP * side)) is None:
        side *= _GROWTH
    return corners, side


def _shelve(
    sizes: Sequence[Float[np.ndarray, "2"]], side: float, gap: float
) -> list[Float[np.ndarray, "2"]] | None:
    """Puts rectangles on shelves from top to bottom, the high ones first; None if they do not fit."""
    corners = [np.zeros(2) for _ in sizes]
    left, top, bottom = gap, side - gap, side - gap
    for index in sorted(range(len(sizes)), key=lambda index: -sizes[index][1]):
        width, height = sizes[index]
        if left + width > side - gap and left > gap:
            left, top = gap, bottom - gap
        if left + width > side - gap or top - height < gap:
            return None
        corners[index] = np.array([left, top - height])
        left, bottom = left + width + gap, min(bottom, top - height)
    return corners
