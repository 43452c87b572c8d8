"""Detection of intersections between the lips."""

import dataclasses

import numpy as np
from jaxtyping import Bool, Float, Int

# The lips are the rings of triangles around the contact line, without the vertices next to each corner
# of the mouth, because the skin of both lips is connected there.
LIP_RINGS = 4
CORNER_VERTICES = 3


@dataclasses.dataclass(frozen=True)
class Lips:
    """The triangles of the upper and the lower lip."""

    upper: Int[np.ndarray, "U 3"]
    lower: Int[np.ndarray, "L 3"]


def find_lips(triangles: Int[np.ndarray, "F 3"], contact: Int[np.ndarray, " n"]) -> Lips:
    """Returns the lips on both sides of the contact line.

    Args:
      triangles: (F, 3) the triangles of the face.
      contact: (n,) the vertices of the closed contact line, from the upper midline vertex through one
        corner of the mouth to the lower midline vertex and back through the other corner.

    Returns:
      The triangles within `LIP_RINGS` rings of the contact line, without the corners.
    """
    quarter, half = (len(contact) + 2) // 4, len(contact) // 2
    place = np.arange(len(contact))
    from_corner = np.minimum(
        np.abs(place - quarter + 0.5), np.abs(place + quarter - 0.5 - 2 * half)
    )
    at_corner = from_corner < CORNER_VERTICES
    is_upper = np.minimum(place, len(contact) - place) < quarter
    corner = _grown(triangles, contact[at_corner], 1, np.array([], dtype=int))
    upper, lower = contact[is_upper & ~at_corner], contact[~is_upper & ~at_corner]
    upper_lip = _grown(triangles, upper, LIP_RINGS, np.union1d(corner, lower))
    lower_lip = _grown(triangles, lower, LIP_RINGS, np.union1d(corner, upper))
    return Lips(_inside(triangles, upper_lip), _inside(triangles, lower_lip))


def _grown(triangles: np.ndarray, seed: np.ndarray, rings: int, barrier: np.ndarray) -> np.ndarray:
    """Returns the vertices within some rings of triangles around a seed, without crossing a barrier."""
    for _ in range(rings):
        touched = np.any(np.isin(triangles, np.setdiff1d(seed, barrier)), axis=1)
        seed = np.union1d(seed, np.setdiff1d(triangles[touched], barrier))
    return seed


def _inside(triangles: np.ndarray, vertices: np.ndarray) -> np.ndarray:
    return triangles[np.all(np.isin(triangles, vertices), axis=1)]


def count_crossings(vertices: Float[np.ndarray, "V 3"], lips: Lips) -> int:
    """Returns the number of intersections of edges of one lip with triangles of the other.

    It is zero if the lips are apart or only touch.

    Args:
      vertices: (V, 3) the face in mm.
      lips: the lips.
    """
    pairs = ((lips.upper, lips.lower), (lips.lower, lips.upper))
    return sum(int(_pierced(vertices[_edges(a)], vertices[b]).sum()) for a, b in pairs)


def _edges(triangles: np.ndarray) -> Int[np.ndarray, "E 2"]:
    edges = np.concatenate([triangles[:, [0, 1]], triangles[:, [1, 2]], triangles[:, [2, 0]]])
    return np.unique(np.sort(edges, axis=1), axis=0)


def _pierced(
    segments: Float[np.ndarray, "E 2 3"], triangles: Float[np.ndarray, "F 3 3"]
) -> Bool[np.ndarray, "E F"]:
    """Returns whether each segment passes through each triangle (Moeller and Trumbore, 1997)."""
    direction = (segments[:, 1] - segments[:, 0])[:, None]
    first, second = triangles[:, 1] - triangles[:, 0], triangles[:, 2] - triangles[:, 0]
    across = np.cross(direction, second)
    determinant = np.sum(first * across, axis=-1)
    parallel = np.abs(determinant) < 1e-12
    scale = 1.0 / np.where(parallel, 1.0, determinant)
    offset = segments[:, 0][:, None] - triangles[:, 0]
    normal = np.cross(offset, first)
    u = scale * np.sum(offset * across, axis=-1)
    v = scale * np.sum(direction * normal, axis=-1)
    along = scale * np.sum(second * normal, axis=-1)
    inside = (u > 0) & (v > 0) & (u + v < 1)
    return inside & (along > 0) & (along < 1) & ~parallel
