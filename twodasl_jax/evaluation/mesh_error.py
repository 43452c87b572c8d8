"""How far a reconstructed surface is from a true one, whatever their topologies: ICP and nearest points.

The true surface (a scan, a true mesh) is the one to be covered: each of its vertices looks for the nearest vertex of
the reconstruction, which may therefore reach beyond a scan that was cropped, but not leave parts of it out.
All arrays are NumPy's, computed in float64; lengths keep the true surface's unit.
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
# A correspondence that is so many times as long as the median one does not pull: it is hair, or a hole.
_LONGEST = 4.0


class Surface(NamedTuple):
    """A triangle mesh.

    Attributes:
      vertices: (V, 3).
      triangles: (F, 3) vertex indices, counter-clockwise from outside.
    """

    vertices: Float[np.ndarray, "V 3"]
    triangles: Int[np.ndarray, "F 3"]


class SurfaceFit(NamedTuple):
    """A reconstruction laid onto a true surface, and how far each true vertex is from it.

    Attributes:
      transform: from the frame of the reconstruction to the surface's.
      point_to_point: (V,) distance to the nearest reconstructed vertex.
      point_to_plane: (V,) the same step measured along the true surface's normal, so that sliding is no error; the
        whole step for a vertex without a normal (scans have triangles without area).
    """

    transform: Similarity
    point_to_point: Float[np.ndarray, " V"]
    point_to_plane: Float[np.ndarray, " V"]


@typed
def crop_around(surface: Surface, centre: Float[np.ndarray, "3"], radius: float) -> Surface:
    """Returns the part of a surface whose vertices are within a distance of a point.

    Raises:
      DatasetError: no triangle is left.
    """
    near = np.linalg.norm(surface.vertices - centre, axis=1) <= radius
    triangles = surface.triangles[near[surface.triangles].all(axis=1)]
    if not len(triangles):
        raise DatasetError(
            f"no triangle of the mesh lies within {radius:g} of {np.round(centre, 1).tolist()}: "
            "the unit or the point does not fit"
        )
    used, compact = np.unique(triangles, return_inverse=True)
    return Surface(surface.vertices[used], compact.reshape(triangles.shape))


@typed
def fit_to_surface(
    vertices: Float[np.ndarray, "R 3"], surface: Surface, start: Similarity, with_scale: bool
) -> SurfaceFit:
    """Lays a reconstruction onto a true surface by iterative closest points, and measures what is left.

    Every step solves for the small motion that brings nearest vertices onto the tangent planes of the true surface.

    Args:
      vertices: of the reconstruction, in its own frame.
      surface: the true one.
      start: a rough alignment from that frame to the surface's, for example by landmarks.
      with_scale: whether the scale may change; without it, that of `start` stays.

    References:
      Chen, Medioni, Object modelling by registration of multiple range images (1992).
    """
    # Neither option changes what is found; with them a tree takes three times as long to build.
    tree = scipy.spatial.cKDTree(vertices, balanced_tree=False, compact_nodes=False)
    every = _Targets(
        surface.vertices.astype(np.float64),
        vertex_normals(surface.vertices, surface.triangles).astype(np.float64),
    )
    step = max(1, len(surface.vertices) // _MATCHED_VERTICES)
    some = _Targets(every.points[::step], every.normals[::step])
    transform = _align(tree, some, start, with_scale)
    match = _match(tree, every, transform)
    has_normal = every.normals.any(axis=1)
    heights = np.where(has_normal, np.abs(match.heights), match.distances)
    return SurfaceFit(transform, match.distances, heights)


@typed
def bounding_box_size(vertices: Float[np.ndarray, "V 3"]) -> float:
    """Returns sqrt(width * height) of a surface that faces along z."""
    width, height, _ = np.ptp(vertices, axis=0)
    return float(np.sqrt(width * height))


class _Targets(NamedTuple):
    points: Float[np.ndarray, "N 3"]
    normals: Float[np.ndarray, "N 3"]


class _Match(NamedTuple):
    """The nearest reconstructed vertices of some targets, in the targets' frame, and how far they are."""

    moved: Float[np.ndarray, "N 3"]
    distances: Float[np.ndarray, " N"]
    heights: Float[np.ndarray, " N"]


def _align(
    tree: scipy.spatial.cKDTree, targets: _Targets, start: Similarity, with_scale: bool
) -> Similarity:
    transform, last = start, np.inf
    for _ in range(_MAX_STEPS):
        match = _match(tree, targets, transform)
        pulling = match.distances <= _LONGEST * np.median(match.distances)
        error = float(np.mean(np.abs(match.heights[pulling])))
        if abs(last - error) <= _TOLERANCE * error:
            break
        last = error
        moved, normals, heights = (
            values[pulling] for values in (match.moved, targets.normals, match.heights)
        )
        transform = _after(transform, _motion(moved, normals, heights, with_scale))
    return transform


def _match(tree: scipy.spatial.cKDTree, targets: _Targets, transform: Similarity) -> _Match:
    """Finds nearest vertices in the reconstruction's own frame, whose tree then serves every step."""
    scale = float(transform.scale)
    rotation = np.asarray(transform.rotation, np.float64)
    distances, nearest = tree.query((targets.points - transform.translation) @ rotation / scale)
    moved = _apply(transform, tree.data[nearest])
    heights = np.einsum("nd,nd->n", moved - targets.points, targets.normals)
    return _Match(moved, scale * distances, heights)


def _apply(transform: Similarity, points: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, "N 3"]:
    rotated = points @ np.asarray(transform.rotation, np.float64).T
    return float(transform.scale) * rotated + np.asarray(transform.translation)


def _motion(
    moved: Float[np.ndarray, "N 3"],
    normals: Float[np.ndarray, "N 3"],
    heights: Float[np.ndarray, " N"],
    with_scale: bool,
) -> Similarity:
    """Returns the small similarity about the points' centre that makes their heights least in the mean square."""
    centre = moved.mean(axis=0)
    arms = moved - centre
    columns = [np.cross(arms, normals), normals]
    if with_scale:
        columns.append(np.einsum("nd,nd->n", arms, normals)[:, None])
    solution, *_ = np.linalg.lstsq(np.concatenate(columns, axis=1), -heights, rcond=None)
    rotation = Rotation.from_rotvec(solution[:3]).as_matrix()
    scale = np.exp(solution[6] if with_scale else np.zeros(()))
    shift = centre + solution[3:6] - scale * rotation @ centre
    return Similarity(np.asarray(scale), rotation, shift)


def _after(first: Similarity, then: Similarity) -> Similarity:
    """Returns the similarity that does `first` and then `then`."""
    return Similarity(
        scale=np.asarray(first.scale * then.scale),
        rotation=then.rotation @ np.asarray(first.rotation, np.float64),
        translation=_apply(then, np.asarray(first.translation, np.float64)[None])[0],
    )
