"""The z-buffer: which triangle of a mesh each pixel sees, and what follows from it.

Meshes are in the image frame (`twodasl_jax.geometry`): x right, y down, z toward the camera (bigger
z is nearer), and the centre of the pixel in row i and column j is the point (j + 0.5, i + 0.5). All
functions map arrays to arrays; a part of a picture, or a finer grid, is rasterised by moving and
scaling the vertices.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numba
import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Int32

from twodasl_jax.array_types import typed
from twodasl_jax.geometry.mesh import check_triangles, vertex_normals

NO_TRIANGLE = -1
_STRIP_PIXELS = 2**18


class Raster(NamedTuple):
    """What each pixel of a picture sees of a mesh.

    Attributes:
      triangle: index of the nearest triangle, `NO_TRIANGLE` where there is none.
      weights: barycentric weights of the pixel centre in that triangle; they sum to 1, or are 0
        where there is no triangle.
      depth: z of that triangle at the pixel centre, -inf where there is none.
    """

    triangle: Int32[np.ndarray, "H W"]
    weights: Float32[np.ndarray, "H W 3"]
    depth: Float32[np.ndarray, "H W"]


@typed
def rasterize(
    vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"], height: int, width: int
) -> Raster:
    """Finds the nearest triangle at every pixel centre.

    A pixel belongs to a triangle when its centre lies inside or on the border, from either side;
    of two triangles at the same depth the first in the list wins, so that a pixel on a shared
    edge is covered exactly once. Triangles without area or with a vertex that is not finite are
    left out. The mesh may leave the picture.

    Args:
      vertices: mesh in the image frame, pixels.
      triangles: vertex indices; the orientation does not matter.
      height: number of rows of the result.
      width: number of columns of the result.

    Returns:
      The triangle, barycentric weights and depth that every pixel sees.

    Raises:
      ValueError: a triangle names a vertex that does not exist.
    """
    check_triangles(triangles, len(vertices))
    raster = Raster(
        triangle=np.full((height, width), NO_TRIANGLE, np.int32),
        weights=np.zeros((height, width, 3), np.float32),
        depth=np.full((height, width), -np.inf, np.float32),
    )
    _fill(np.ascontiguousarray(vertices, np.float64), _as_index(triangles), *raster)
    return raster


@typed
def interpolate(
    raster: Raster, triangles: Int[np.ndarray, "F 3"], attributes: Float[np.ndarray, "V C"]
) -> Float32[np.ndarray, "H W C"]:
    """Spreads values given at the vertices over the pixels.

    Args:
      raster: what `rasterize` returned for these triangles.
      triangles: vertex indices, as given to `rasterize`.
      attributes: any values per vertex: colours, normals, coordinates.

    Returns:
      The barycentric mean of the three vertices at every pixel, 0 where there is no triangle.
    """
    values = np.ascontiguousarray(attributes, np.float32)
    return _spread(raster.triangle, raster.weights, _as_index(triangles), values)


@typed
def join_meshes(
    meshes: Sequence[Float[np.ndarray, "V 3"]], triangles: Int[np.ndarray, "F 3"]
) -> tuple[Float[np.ndarray, "N 3"], Int[np.ndarray, "T 3"]]:
    """Makes meshes of one face model one mesh, each wholly in front of those before it.

    Under weak perspective the z of a face has an origin of its own, so that those of two faces
    cannot be compared; the order has to be given.

    Args:
      meshes: vertices in the image frame, pixels; the farthest mesh first.
      triangles: vertex indices of every mesh.

    Returns:
      The vertices, of which all z of a mesh but the first were moved by one number so that they are
      greater than those before it, and the triangles; both mesh by mesh.
    """
    vertices, indices, front = [np.zeros((0, 3))], [np.zeros((0, 3), np.int32)], -np.inf
    for number, mesh in enumerate(meshes):
        z = mesh[np.isfinite(mesh).all(axis=-1), 2].astype(np.float64)
        move = max(front + 1 - z.min(), 0.0) if len(z) else 0.0
        front = max(front, z.max(initial=-np.inf) + move)
        vertices.append(mesh + np.array([0, 0, move]))
        indices.append(_as_index(triangles) + number * len(mesh))
    return np.concatenate(vertices), np.concatenate(indices)


@typed
def strips(raster: Raster) -> Iterator[tuple[slice, Raster]]:
    """Splits a raster into strips of rows, so that what is computed of them needs little memory."""
    height, width = raster.depth.shape
    count = max(1, _STRIP_PIXELS // max(width, 1))
    for start in range(0, height, count):
        rows = slice(start, start + count)
        yield rows, Raster(*(values[rows] for values in raster))


@typed
def visible_vertices(
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    *,
    resolution: int = 256,
    tolerance: float = 0.02,
) -> Bool[np.ndarray, " V"]:
    """Tells which vertices the camera sees, whether or not they lie inside a picture.

    A vertex is seen when it faces the camera and no part of the mesh lies in front of it. The test
    runs on a z-buffer of its own, so that its cost and outcome do not depend on the photo's size.

    Args:
      vertices: mesh in the image frame, pixels.
      triangles: vertex indices.
      resolution: pixels of the z-buffer along the longer side of the mesh.
      tolerance: how far a vertex may lie behind the z-buffer, as a share of the longer side.

    Returns:
      True where a vertex is seen; False for every vertex that is not finite.
    """
    finite = np.isfinite(vertices).all(axis=-1)
    if not finite.any():
        return finite
    low, high = vertices[finite].min(axis=0), vertices[finite].max(axis=0)
    side = max(float((high - low)[:2].max()), float(np.finfo(np.float32).tiny))
    on_grid = (vertices - low) * (resolution / side)
    depth = rasterize(on_grid, triangles, resolution, resolution).depth
    column, row, z = np.where(finite, on_grid.T, 0)
    last = resolution - 1
    nearest = depth[np.minimum(row, last).astype(int), np.minimum(column, last).astype(int)]
    facing = vertex_normals(vertices, triangles)[:, 2] > 0
    return finite & facing & (z >= nearest - tolerance * resolution)


@typed
def unhidden_points(
    points: Float[np.ndarray, "P 3"],
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    *,
    resolution: int = 256,
    tolerance: float = 0.02,
) -> Bool[np.ndarray, " P"]:
    """Tells before which points no part of a mesh lies, whether or not they are inside a picture.

    Normals are not asked, unlike in `visible_vertices`: those at the corners of eyes and lips point
    into the fold.

    Args:
      points: image frame, pixels.
      vertices: mesh in the image frame, pixels, all finite.
      triangles: vertex indices.
      resolution: pixels of the z-buffer along the longer side of the mesh.
      tolerance: how far a point may lie behind the z-buffer, as a share of the longer side.
    """
    low = vertices.min(axis=0)
    scale = resolution / np.ptp(vertices[:, :2], axis=0).max()
    x, y, z = ((points - low) * scale).T
    beside = (np.minimum(x, y) < 0) | (np.maximum(x, y) > resolution)
    if beside.all():
        return beside
    depth = rasterize((vertices - low) * scale, triangles, resolution, resolution).depth
    column, row = np.clip(np.stack([x, y]), 0, resolution - 1).astype(int)
    return beside | (z >= depth[row, column] - tolerance * resolution)


def _as_index(triangles: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(triangles, np.int32)


@numba.njit(cache=True, nogil=True)
def _cross(ax, ay, bx, by):
    # Swapping the points changes the sign and nothing else, also in floating point: seen from its
    # two triangles, an edge leaves no gap.
    return ax * by - ay * bx


@numba.njit(cache=True, nogil=True)
def _pixels_between(low, high, size):
    """Range of the pixels of [0, size) whose centres lie in [low, high]."""
    first = np.ceil(min(max(low - 0.5, 0.0), float(size)))
    last = np.floor(min(max(high - 0.5, -1.0), float(size - 1)))
    return range(int(first), int(last) + 1)


@numba.njit(cache=True, nogil=True)
def _fill(vertices, triangles, triangle_map, weight_map, depth_map):
    height, width = depth_map.shape
    for index in range(len(triangles)):
        a, b, c = vertices[triangles[index]]
        if not np.isfinite(a.sum() + b.sum() + c.sum()):
            continue
        rows = _pixels_between(min(a[1], b[1], c[1]), max(a[1], b[1], c[1]), height)
        columns = _pixels_between(min(a[0], b[0], c[0]), max(a[0], b[0], c[0]), width)
        for row in rows:
            y = row + 0.5
            ay, by, cy = a[1] - y, b[1] - y, c[1] - y
            for column in columns:
                x = column + 0.5
                ax, bx, cx = a[0] - x, b[0] - x, c[0] - x
                wa, wb, wc = _cross(bx, by, cx, cy), _cross(cx, cy, ax, ay), _cross(ax, ay, bx, by)
                total = wa + wb + wc
                inside = (wa >= 0 and wb >= 0 and wc >= 0) or (wa <= 0 and wb <= 0 and wc <= 0)
                if not inside or total == 0:
                    continue
                wa, wb, wc = wa / total, wb / total, wc / total
                depth = np.float32(wa * a[2] + wb * b[2] + wc * c[2])
                if depth > depth_map[row, column]:
                    depth_map[row, column] = depth
                    triangle_map[row, column] = index
                    weight_map[row, column, 0] = wa
                    weight_map[row, column, 1] = wb
                    weight_map[row, column, 2] = wc


@numba.njit(cache=True, nogil=True)
def _spread(triangle_map, weight_map, triangles, attributes):
    height, width = triangle_map.shape
    channels = attributes.shape[1]
    result = np.zeros((height, width, channels), np.float32)
    for row in range(height):
        for column in range(width):
            index = triangle_map[row, column]
            if index == NO_TRIANGLE:
                continue
            for corner in range(3):
                vertex = triangles[index, corner]
                weight = weight_map[row, column, corner]
                for channel in range(channels):
                    result[row, column, channel] += weight * attributes[vertex, channel]
    return result
