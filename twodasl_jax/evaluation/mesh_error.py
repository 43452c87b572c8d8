"""Distances of a reconstructed surface from a true one with another topology, after ICP.

Each vertex of the true surface (a scan or a mesh) is matched with the nearest vertex of the
reconstruction. The reconstruction may therefore extend beyond a cropped scan, but it must cover the
scan. Arrays are NumPy arrays, and the computation is in float64. Lengths have the unit of the true
surface.
"""

from typing import NamedTuple

import numpy as np
import scipy.spatial
from jaxtyping import Float, Int
from scipy.spatial.transform import Rotation

from twodasl_jax.array_types import typed
from twodasl_jax.errors import DatasetError
from twodasl_jax.geometry.alignment import Similarity
from twodasl_jax.geometry.mesh import vertex_normals

_MATCHED_VERTICES = 3000
_MAX_STEPS = 40
_TOLERANCE = 1e-4
# Correspondences beyond this multiple of the median distance are outliers, such as hair or a hole.
_OUTLIER_DISTANCE = 4.0


class Surface(NamedTuple):
    """A triangle mesh.

    Attributes:
      vertices: (V, 3) the vertices.
      triangles: (F, 3) the vertex indices of the triangles, counter-clockwise seen from outside.
    """

    vertices: Float[np.ndarray, "V 3"]
    triangles: Int[np.ndarray, "F 3"]


class SurfaceFit(NamedTuple):
    """The alignment of a reconstruction with a true surface, and the distance of each true vertex.

    Attributes:
      transform: the similarity from the frame of the reconstruction to that of the true surface.
      point_to_point: (V,) the distance to the nearest vertex of the reconstruction.
      point_to_plane: (V,) the part of that distance along the normal of the true surface, which
        ignores tangential offsets. It is the whole distance for a vertex without a normal (scans
        have triangles without area).
    """

    transform: Similarity
    point_to_point: Float[np.ndarray, " V"]
    point_to_plane: Float[np.ndarray, " V"]


@typed
def crop_around(surface: Surface, centre: Float[np.ndarray, "3"], radius: float) -> Surface:
    """Returns the triangles of a surface within a distance of a point.

    Args:
      surface: the surface.
      centre: (3,) the point, in the frame of the surface.
      radius: the largest distance of a vertex from the point, in the unit of the surface.

    Raises:
      DatasetError: if no triangle remains.
    """
    near = np.linalg.norm(surface.vertices - centre, axis=1) <= radius
    triangles = surface.triangles[near[surface.triangles].all(axis=1)]
    if not len(triangles):
        raise DatasetError(
            f"no triangle of the mesh lies within {radius:g} of {np.round(centre, 1).tolist()}: "
            "check the unit of the mesh and the point"
        )
    used, compact = np.unique(triangles, return_inverse=True)
    return Surface(surface.vertices[used], compact.reshape(triangles.shape))


@typed
def fit_to_surface(
    vertices: Float[np.ndarray, "R 3"], surface: Surface, start: Similarity, with_scale: bool
) -> SurfaceFit:
    """Aligns a reconstruction with a true surface by ICP and computes the remaining distances.

    Each step of ICP (iterative closest points) computes the small motion that moves the nearest
    vertices onto the tangent planes of the true surface.

    Args:
      vertices: (R, 3) the vertices of the reconstruction, in its own frame.
      surface: the true surface.
      start: a rough alignment from the frame of the reconstruction to that of the true surface, for
        example from landmarks.
      with_scale: whether to optimise the scale; if not, the scale of `start` is kept.

    References:
      Chen, Medioni, Object modelling by registration of multiple range images (1992).
    """
    # The default options give the same neighbours, but the tree takes three times as long to build.
    tree = scipy.spatial.cKDTree(vertices, balanced_tree=False, compact_nodes=False)
    targets = _Targets(
        surface.vertices.astype(np.float64),
        vertex_normals(surface.vertices, surface.triangles).astype(np.float64),
    )
    step = max(1, len(surface.vertices) // _MATCHED_VERTICES)
    subset = _Targets(targets.points[::step], targets.normals[::step])
    transform = _align(tree, subset, start, with_scale)
    match = _match(tree, targets, transform)
    has_normal = targets.normals.any(axis=1)
    heights = np.where(has_normal, np.abs(match.heights), match.distances)
    return SurfaceFit(transform, match.distances, heights)


@typed
def bounding_box_size(vertices: Float[np.ndarray, "V 3"]) -> float:
    """Computes sqrt(width * height) of the bounding box of a surface that faces along z."""
    width, height, _ = np.ptp(vertices, axis=0)
    return float(np.sqrt(width * height))


class _Targets(NamedTuple):
    """Vertices of the true surface and their normals."""

    points: Float[np.ndarray, "N 3"]
    normals: Float[np.ndarray, "N 3"]


class _Match(NamedTuple):
    """The nearest vertices of the reconstruction to N targets, in the frame of the targets.

    Attributes:
      points: (N, 3) the nearest vertices.
      distances: (N,) their distances from the targets.
      heights: (N,) their signed distances from the tangent planes of the targets.
    """

    points: Float[np.ndarray, "N 3"]
    distances: Float[np.ndarray, " N"]
    heights: Float[np.ndarray, " N"]


def _align(
    tree: scipy.spatial.cKDTree, targets: _Targets, start: Similarity, with_scale: bool
) -> Similarity:
    transform, last = start, np.inf
    for _ in range(_MAX_STEPS):
        match = _match(tree, targets, transform)
        inliers = match.distances <= _OUTLIER_DISTANCE * np.median(match.distances)
        error = float(np.mean(np.abs(match.heights[inliers])))
        if abs(last - error) <= _TOLERANCE * error:
            break
        last = error
        points, normals, heights = (
            values[inliers] for values in (match.points, targets.normals, match.heights)
        )
        transform = _compose(transform, _motion(points, normals, heights, with_scale))
    return transform


def _match(tree: scipy.spatial.cKDTree, targets: _Targets, transform: Similarity) -> _Match:
    """Matches targets in the frame of the reconstruction, so all steps use one tree."""
    scale = float(transform.scale)
    rotation = np.asarray(transform.rotation, np.float64)
    distances, nearest = tree.query((targets.points - transform.translation) @ rotation / scale)
    points = _apply(transform, tree.data[nearest])
    heights = np.einsum("nd,nd->n", points - targets.points, targets.normals)
    return _Match(points, scale * distances, heights)


def _apply(transform: Similarity, points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
    rotated = points @ np.asarray(transform.rotation, np.float64).T
    return float(transform.scale) * rotated + np.asarray(transform.translation)


def _motion(
    points: Float[np.ndarray, "N 3"],
    normals: Float[np.ndarray, "N 3"],
    heights: Float[np.ndarray, " N"],
    with_scale: bool,
) -> Similarity:
    """Computes the small similarity about the mean of the points that minimises squared heights."""
    centre = points.mean(axis=0)
    arms = points - centre
    columns = [np.cross(arms, normals), normals]
    if with_scale:
        columns.append(np.einsum("nd,nd->n", arms, normals)[:, None])
    solution, *_ = np.linalg.lstsq(np.concatenate(columns, axis=1), -heights, rcond=None)
    rotation = Rotation.from_rotvec(solution[:3]).as_matrix()
    scale = np.exp(solution[6] if with_scale else np.zeros(()))
    shift = centre + solution[3:6] - scale * rotation @ centre
    return Similarity(np.asarray(scale), rotation, shift)


def _compose(first: Similarity, second: Similarity) -> Similarity:
    """Returns the similarity that applies `first`, then `second`."""
    return Similarity(
        scale=np.asarray(first.scale * second.scale),
        rotation=second.rotation @ np.asarray(first.rotation, np.float64),
        translation=_apply(second, np.asarray(first.translation, np.float64)[None])[0],
    )
