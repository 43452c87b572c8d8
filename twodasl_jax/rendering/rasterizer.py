"""Rasterisation of triangle meshes with a z-buffer.

Meshes are in the image frame (`twodasl_jax.geometry`): x right, y down, z toward the camera (larger
z is nearer). The centre of the pixel in row i and column j is the point (j + 0.5, i + 0.5). To
rasterise a part of a picture or a finer grid, move and scale the vertices.
"""

from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numba
import numpy as np
from jaxtyping import Bool, Float, Float32, Int, Int32

from twodasl_jax.array_types import typed
from twodasl_jax.geometry.mesh import check_triangles

NO_TRIANGLE = -1
_STRIP_PIXELS = 2**18


class Raster(NamedTuple):
    """The nearest triangle of a mesh at each pixel.

    Attributes:
      triangle: the index of the nearest triangle, `NO_TRIANGLE` for pixels without one.
      weights: the barycentric weights of the pixel centre in that triangle. They sum to 1, or are 0
        for pixels without a triangle.
      depth: z of that triangle at the pixel centre, -inf for pixels without one.
    """

    triangle: Int32[np.ndarray, "H W"]
    weights: Float32[np.ndarray, "H W 3"]
    depth: Float32[np.ndarray, "H W"]

    @property
    def covered(self) -> Bool[np.ndarray, "H W"]:
        """Which pixels the mesh covers."""
        return self.triangle != NO_TRIANGLE


@typed
def rasterize(
    vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"], height: int, width: int
) -> Raster:
    """Finds the nearest triangle at every pixel centre.

    A triangle covers a pixel if the pixel centre lies inside it or on its border. Back faces count
    too. Among triangles at the same depth the first one wins, so a pixel on a shared edge is
    covered exactly once. Triangles without area or with a vertex that is not finite are skipped.
    The mesh may extend beyond the picture.

    Args:
      vertices: mesh in the image frame, pixels.
      triangles: vertex indices; the orientation does not matter.
      height: the number of rows of the result.
      width: the number of columns of the result.

    Returns:
      The triangle, barycentric weights and depth of every pixel.

    Raises:
      ValueError: if a triangle refers to a vertex that does not exist.
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
    """Interpolates vertex attributes at every pixel.

    Args:
      raster: the result of `rasterize` for these triangles.
      triangles: the vertex indices that were passed to `rasterize`.
      attributes: any values per vertex, such as colours, normals or coordinates.

    Returns:
      The barycentric mean of the three vertices at every pixel, 0 for pixels without a triangle.
    """
    values = np.ascontiguousarray(attributes, np.float32)
    return _interpolate(raster.triangle, raster.weights, _as_index(triangles), values)


@typed
def join_meshes(
    meshes: Sequence[Float[np.ndarray, "V 3"]], triangles: Int[np.ndarray, "F 3"]
) -> tuple[Float[np.ndarray, "N 3"], Int[np.ndarray, "T 3"]]:
    """Joins meshes of one face model into one mesh, each entirely in front of the previous ones.

    Under weak perspective every face has its own origin of z, so the depths of two faces cannot be
    compared. The caller gives the order instead.

    Args:
      meshes: vertices of each mesh in the image frame, pixels; the farthest mesh first.
      triangles: vertex indices, the same for every mesh.

    Returns:
      The vertices and the triangles, mesh by mesh. If necessary, the z of a mesh is shifted by a
      constant to exceed the z of all previous meshes.
    """
    vertices, indices, front = [np.zeros((0, 3))], [np.zeros((0, 3), np.int32)], -np.inf
    for number, mesh in enumerate(meshes):
        z = mesh[np.isfinite(mesh).all(axis=-1), 2].astype(np.float64)
        shift = max(front + 1 - z.min(), 0.0) if len(z) else 0.0
        front = max(front, z.max(initial=-np.inf) + shift)
        vertices.append(mesh + np.array([0, 0, shift]))
        indices.append(_as_index(triangles) + number * len(mesh))
    return np.concatenate(vertices), np.concatenate(indices)


@typed
def strips(raster: Raster) -> Iterator[tuple[slice, Raster]]:
    """Splits a raster into strips of rows, to limit the memory of computations on it."""
    height, width = raster.depth.shape
    count = max(1, _STRIP_PIXELS // max(width, 1))
    for start in range(0, height, count):
        rows = slice(start, start + count)
        yield rows, Raster(*(values[rows] for values in raster))


def _as_index(triangles: np.ndarray) -> np.ndarray:
    return np.ascontiguousarray(triangles, np.int32)


@numba.njit(cache=True, nogil=True)
def _cross(ax, ay, bx, by):
    # Swapping the points changes only the sign, even in floating point. So the two triangles at an
    # edge leave no gap between them.
    return ax * by - ay * bx


@numba.njit(cache=True, nogil=True)
def _pixels_between(low, high, size):
    """Returns the range of pixels of [0, size) with centres in [low, high]."""
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
def _interpolate(triangle_map, weight_map, triangles, attributes):
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
