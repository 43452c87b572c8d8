"""The texture atlas of a face model: the charts of its surface, packed into a square.

A chart is a connected piece of the surface in texture space. The texture coordinates of a face
model may be laid out for a whole body. The atlas therefore brings the charts to one scale, rotates
them upright and packs them into a square. The layout depends only on the face model, so all faces
share it.
"""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float, Float32, Int
from scipy.spatial.transform import Rotation

from twodasl_jax.array_types import typed
from twodasl_jax.rendering import rasterizer
from twodasl_jax.rendering.connectivity import component_labels

# Gap between two charts and between a chart and the border, relative to the side of the square. It
# is six texels of 512.
_GAP = 0.012
_GROWTH = 1.01
_OVERLAP_RESOLUTION = 512
_ON_EDGE = 1e-3


class Atlas(NamedTuple):
    """A mesh that is cut along the borders of its charts.

    A vertex on such a border becomes several rows.

    Attributes:
      uv: the texture coordinates of each row in [0, 1], v up.
      vertices: the vertex index of each row.
      triangles: row indices, in the order of the triangles and corners of the mesh.
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

    Every chart keeps its shape. It is scaled to its area on the mean face and rotated so that up on
    the face is up in the square. Triangles that overlap others of their chart get charts of their
    own.

    Args:
      points: vertices of the mean face, model frame.
      triangles: vertex indices.
      uv: the model's texture coordinates, v up.
      uv_triangles: indices into `uv`, in the order of the triangles and corners of `triangles`.
    """
    uv, uv_triangles = _without_overlaps(points, triangles, uv, uv_triangles)
    vertices, cut, rows = _cut_at_seams(triangles, uv_triangles)
    chart_of_row = component_labels(rows, len(vertices))
    placed = np.empty((len(vertices), 2))
    charts = [np.flatnonzero(chart_of_row == chart) for chart in range(chart_of_row.max() + 1)]
    for members in charts:
        own = rows[chart_of_row[rows[:, 0]] == chart_of_row[members[0]]]
        scale = np.sqrt(_area(points[vertices][own]) / _area(uv[cut][own]))
        upright = uv[cut[members]] @ _rotation_to(uv[cut[members]], points[vertices[members], :2])
        placed[members] = scale * (upright - upright.min(axis=0))
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
    """Gives new texture coordinates to triangles that overlap others of their chart.

    Each connected group of such triangles is projected along its mean normal.
    """
    chart = component_labels(uv_triangles, len(uv))[uv_triangles[:, 0]]
    charts = [np.flatnonzero(chart == one) for one in np.unique(chart)]
    moved = np.concatenate([members[_overlapping(uv[uv_triangles[members]])] for members in charts])
    group = component_labels(triangles[moved], len(points))[triangles[moved, 0]]
    uv, uv_triangles = uv.copy(), uv_triangles.copy()
    for one in np.unique(group):
        members = moved[group == one]
        vertices, flat = np.unique(triangles[members], return_inverse=True)
        uv_triangles[members] = len(uv) + flat.reshape(-1, 3)
        uv = np.concatenate([uv, _flattened(points[vertices], points[triangles[members]])])
    return uv, uv_triangles


def _overlapping(corners: Float[np.ndarray, "F 3 2"]) -> Int[np.ndarray, " N"]:
    """Returns the indices of plane triangles that overlap an earlier triangle."""
    low = corners.min(axis=(0, 1))
    extent = max(float(np.ptp(corners, axis=(0, 1)).max()), float(np.finfo(np.float32).tiny))
    scale = _OVERLAP_RESOLUTION / extent
    flat = np.pad((corners - low) * scale, ((0, 0), (0, 0), (0, 1))).reshape(-1, 3)
    triangles = np.arange(len(flat)).reshape(-1, 3)
    # All depths are 0, so the first of the triangles that cover a pixel wins.
    first, last = (
        rasterizer.rasterize(flat, order, _OVERLAP_RESOLUTION, _OVERLAP_RESOLUTION)
        for order in (triangles, triangles[::-1])
    )
    # Pixels on a shared edge belong to either neighbour.
    inside = np.minimum(first.weights, last.weights).min(axis=-1) > _ON_EDGE
    later = len(triangles) - 1 - last.triangle[inside]
    return np.unique(later[later != first.triangle[inside]])


def _flattened(
    points: Float[np.ndarray, "N 3"], corners: Float[np.ndarray, "F 3 3"]
) -> Float[np.ndarray, "N 2"]:
    """Projects points along the mean normal of triangles."""
    a, b, c = np.moveaxis(corners, 1, 0)
    to_normal, _ = Rotation.align_vectors([[0, 0, 1]], [np.cross(b - a, c - a).sum(axis=0)])
    return to_normal.apply(points)[:, :2]


def _cut_at_seams(
    triangles: Int[np.ndarray, "F 3"], uv_triangles: Int[np.ndarray, "F 3"]
) -> tuple[Int[np.ndarray, " U"], Int[np.ndarray, " U"], Int[np.ndarray, "F 3"]]:
    """Returns the distinct pairs of vertex and texture coordinate, and the pair of each corner."""
    corners = np.stack([triangles.ravel(), uv_triangles.ravel()], axis=-1)
    pairs, rows = np.unique(corners, axis=0, return_inverse=True)
    return pairs[:, 0], pairs[:, 1], rows.reshape(triangles.shape)


def _area(corners: Float[np.ndarray, "F 3 D"]) -> float:
    """Returns the total area of triangles in the plane or in space; always positive."""
    a, b = corners[:, 1] - corners[:, 0], corners[:, 2] - corners[:, 0]
    squared = (a**2).sum(axis=-1) * (b**2).sum(axis=-1) - (a * b).sum(axis=-1) ** 2
    return max(float(np.sqrt(np.maximum(squared, 0)).sum()) / 2, float(np.finfo(np.float32).tiny))


def _rotation_to(
    coordinates: Float[np.ndarray, "N 2"], target: Float[np.ndarray, "N 2"]
) -> Float[np.ndarray, "2 2"]:
    """Returns the least-squares rotation from one point set to another, for row vectors."""
    centred = coordinates - coordinates.mean(axis=0)
    (xx, xy), (yx, yy) = centred.T @ (target - target.mean(axis=0))
    angle = np.arctan2(xy - yx, xx + yy)
    return np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])


def _pack(
    sizes: Sequence[Float[np.ndarray, "2"]],
) -> tuple[list[Float[np.ndarray, "2"]], float]:
    """Packs rectangles into a square.

    Returns:
      The lower left corner of each rectangle, and the side of the square.
    """
    area = float(sum(np.prod(size) for size in sizes))
    side = max(np.sqrt(area), float(np.finfo(np.float32).tiny))
    while (corners := _pack_shelves(sizes, side, _GAP * side)) is None:
        side *= _GROWTH
    return corners, side


def _pack_shelves(
    sizes: Sequence[Float[np.ndarray, "2"]], side: float, gap: float
) -> list[Float[np.ndarray, "2"]] | None:
    """Packs rectangles on shelves from top to bottom, the tallest first.

    Returns:
      The lower left corner of each rectangle, or None if they do not fit.
    """
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
