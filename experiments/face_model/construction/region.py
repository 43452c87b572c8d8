"""The part of the base mesh that is the face, with a smooth rim.

The face is the skin inside a superelliptic cylinder across the head. It includes the forehead, both
ears, the chin, the front of the throat and the mouth cavity. Triangles that straddle the cylinder are
cut exactly on it, so the rim is smooth. A vertex of the face is either a vertex of the base mesh or a
point on one of its edges. The face is therefore a sparse matrix times the base mesh, and the same matrix
maps displacements.
"""

import dataclasses

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
import scipy.spatial
from jaxtyping import Float, Int

from .clipping import Cut, clip
from .makehuman import BaseMesh

SKIN, EYE, MOUTH = 0, 1, 2

# The cylinder in mm of the base mesh: centre (y, z), half axes (y, z) and exponent. It has no front,
# because the nose would lie outside. Its back passes behind the ears.
RIM_CENTRE = (713.0, 125.0)
RIM_HALF_AXES = (121.0, 98.0)
RIM_EXPONENT = 2.6
# A vertex nearer to the cut than this share of an edge is moved onto the cut, which avoids slivers.
SNAP = 0.35

NOSE_TIP = 297
# The mouth cavity consists of loops of 38 vertices behind the lips. Loop 0 is the contact of the lips,
# and loop CAP_LOOP is closed with a cap.
CAVITY_FIRST_VERTEX, CAVITY_LOOP_STRIDE = 520, 17
CAVITY_BACK = 707
DARK_LOOP, CAP_LOOP = 2, 5
# A skin vertex in the eye socket, behind the eyeball.
LEFT_SOCKET_BACK = 11915
LEFT_EYE_GROUP = "helper-l-eye"


@dataclasses.dataclass(frozen=True)
class Region:
    """A triangle mesh with vertices that are linear in those of the base mesh.

    Attributes:
      matrix: the linear map from the vertices of the base mesh; its rows sum to one.
      triangles: (F, 3) counter-clockwise seen from outside.
      parts: (F,) SKIN, EYE or MOUTH for each triangle.
      uv: (U, 2) texture coordinates.
      uv_triangles: (F, 3) indices into `uv` of the same corners.
      mirror: (V,) the index of the mirror image of each vertex.
    """

    matrix: scipy.sparse.csr_matrix
    triangles: Int[np.ndarray, "F 3"]
    parts: Int[np.ndarray, " F"]
    uv: Float[np.ndarray, "U 2"]
    uv_triangles: Int[np.ndarray, "F 3"]
    mirror: Int[np.ndarray, " V"]


def face_region(mesh: BaseMesh, mirror: Int[np.ndarray, " N"]) -> Region:
    """Returns the face: skin, the front halves of the eyeballs, and the lining of the mouth.

    Args:
      mesh: the base mesh, mm.
      mirror: (N,) its mirror map.
    """
    skin = _skin(mesh, mirror)
    eyes, uv_eyes = _eyes(mesh, mirror)
    cap = mouth_cap(mesh, mirror)
    triangles = np.concatenate([skin.triangles, eyes, cap])
    uv_triangles = np.concatenate([skin.uv_triangles, uv_eyes, _texture_of_vertices(mesh)[cap]])
    dark = np.concatenate([cavity_loop(mesh, k) for k in range(DARK_LOOP, CAP_LOOP + 1)])
    parts = np.full(len(triangles), SKIN)
    parts[np.all(np.isin(triangles, dark), axis=1)] = MOUTH
    parts[len(skin.triangles) : len(skin.triangles) + len(eyes)] = EYE

    used, triangles = np.unique(triangles, return_inverse=True)
    uv_used, uv_triangles = np.unique(uv_triangles, return_inverse=True)
    matrix = skin.matrix[used]
    return Region(
        matrix=matrix,
        triangles=triangles.reshape(-1, 3),
        parts=parts,
        uv=skin.uv_matrix[uv_used] @ mesh.uv,
        uv_triangles=uv_triangles.reshape(-1, 3),
        mirror=mirrored_vertices(matrix @ mesh.vertices),
    )


def rim_field(vertices: Float[np.ndarray, "N 3"]) -> Float[np.ndarray, " N"]:
    """Returns a smooth dimensionless field: positive inside the rim, zero on it, negative outside.

    Args:
      vertices: (N, 3) points of the base mesh in mm.
    """
    up = (vertices[:, 1] - RIM_CENTRE[0]) / RIM_HALF_AXES[0]
    back = np.maximum(RIM_CENTRE[1] - vertices[:, 2], 0.0) / RIM_HALF_AXES[1]
    radius = np.abs(up) ** RIM_EXPONENT + back**RIM_EXPONENT
    return 1.0 - radius ** (1.0 / RIM_EXPONENT)


def edge_loop(quads: Int[np.ndarray, "Q 4"], first: int, second: int) -> Int[np.ndarray, " n"]:
    """Returns the vertices of the closed edge loop through an edge of a quad mesh, in order.

    Args:
      quads: (Q, 4) vertex indices.
      first: the first vertex of the loop.
      second: its neighbour in the direction of the loop.

    Raises:
      ValueError: the loop reaches a vertex without a unique opposite edge.
    """
    loop = [first, second]
    while True:
        around = quads[np.any(quads == loop[-1], axis=1)]
        beside = around[np.any(around == loop[-2], axis=1)]
        row, column = np.nonzero(around == loop[-1])
        neighbours = np.concatenate([around[row, column - 1], around[row, (column + 1) % 4]])
        ahead = np.setdiff1d(neighbours, beside)
        if len(ahead) != 1:
            raise ValueError(f"The edge loop has no unique next vertex after {loop[-1]}.")
        if ahead[0] == first:
            return np.array(loop)
        loop.append(int(ahead[0]))


def cavity_loop(mesh: BaseMesh, number: int) -> Int[np.ndarray, " 38"]:
    """Returns a loop of the mouth cavity, from its upper midline vertex through the right side."""
    first = CAVITY_FIRST_VERTEX + CAVITY_LOOP_STRIDE * number
    return edge_loop(mesh.quads[mesh.group("body")], first, first + 1)


def triangulate(
    vertices: Float[np.ndarray, "N 3"], quads: Int[np.ndarray, "Q 4"]
) -> Int[np.ndarray, "T 3"]:
    """Returns two triangles per quad, split along the shorter diagonal.

    Args:
      vertices: (N, 3) positions.
      quads: (Q, 4) vertex indices.

    Returns:
      (2 Q, 3) corners 0 to 3 of the quads; rows 2 i and 2 i + 1 belong to quad i.
    """
    corners = vertices[quads]
    first = np.linalg.norm(corners[:, 0] - corners[:, 2], axis=-1)
    second = np.linalg.norm(corners[:, 1] - corners[:, 3], axis=-1)
    split = np.where(
        (first <= second)[:, None, None], [[0, 1, 2], [0, 2, 3]], [[0, 1, 3], [1, 2, 3]]
    )
    return split.reshape(-1, 3)


def _triangle_soup(
    mesh: BaseMesh, quad_index: np.ndarray
) -> tuple[Int[np.ndarray, "T 3"], Int[np.ndarray, "T 3"]]:
    """Returns the vertex and texture indices of the triangles of some quads."""
    quads, uv_quads = mesh.quads[quad_index], mesh.uv_quads[quad_index]
    split = triangulate(mesh.vertices, quads)
    row = np.repeat(np.arange(len(quads)), 2)[:, None]
    return quads[row, split], uv_quads[row, split]


def flood(quads: Int[np.ndarray, "Q 4"], seed: int, allowed: np.ndarray) -> Int[np.ndarray, " n"]:
    """Returns the vertices that are connected to a seed by edges between allowed vertices, ascending.

    Args:
      quads: (Q, 4) vertex indices.
      seed: the first vertex.
      allowed: (N,) whether each vertex is allowed.
    """
    start = quads.ravel()
    end = np.roll(quads, -1, axis=1).ravel()
    open_edge = allowed[start] & allowed[end]
    graph = scipy.sparse.coo_matrix(
        (np.ones(open_edge.sum()), (start[open_edge], end[open_edge])), (len(allowed),) * 2
    )
    _, component = scipy.sparse.csgraph.connected_components(graph, directed=False)
    return np.flatnonzero(component == component[seed])


def hidden_skin(mesh: BaseMesh, mirror: Int[np.ndarray, " N"]) -> Int[np.ndarray, " n"]:
    """Returns the skin vertices that are hidden in every view: behind the eyeballs and deep in the mouth."""
    skin = mesh.quads[mesh.group("body")]
    eye = mesh.vertices[np.unique(mesh.quads[mesh.group(LEFT_EYE_GROUP)])]
    behind_eye = mesh.vertices[:, 2] < eye[:, 2].mean()
    socket = flood(skin, LEFT_SOCKET_BACK, behind_eye)
    in_front_of_cap = np.ones(len(mesh.vertices), dtype=bool)
    in_front_of_cap[cavity_loop(mesh, CAP_LOOP)] = False
    cavity = flood(skin, CAVITY_BACK, in_front_of_cap)
    return np.concatenate([socket, mirror[socket], cavity])


def mouth_cap(mesh: BaseMesh, mirror: Int[np.ndarray, " N"]) -> Int[np.ndarray, "T 3"]:
    """Returns mirror-symmetric triangles that close the mouth cavity and face forward.

    Args:
      mesh: the base mesh.
      mirror: (N,) its mirror map.
    """
    loop = cavity_loop(mesh, CAP_LOOP)
    right = loop[: len(loop) // 2 + 1]  # from top to bottom through the right corner
    top, bottom = right[: len(right) // 2], right[: len(right) // 2 - 1 : -1]
    quads = np.stack([top[:-1], top[1:], bottom[1:], bottom[:-1]], axis=1)
    triangles = np.concatenate([quads[:, [0, 1, 2]], quads[:, [0, 2, 3]]])
    return np.concatenate([triangles, mirror[triangles][:, ::-1]])


def _skin(mesh: BaseMesh, mirror: Int[np.ndarray, " N"]) -> Cut:
    """Returns the skin inside the rim, without hidden skin."""
    field = rim_field(mesh.vertices)
    quads = mesh.group("body")
    face = np.zeros(len(mesh.vertices), dtype=bool)
    near_face = np.zeros_like(face)
    near_face[mesh.quads[quads][np.any(field[mesh.quads[quads]] > 0, axis=1)]] = True
    face[flood(mesh.quads[quads], NOSE_TIP, near_face)] = True
    face[hidden_skin(mesh, mirror)] = False
    quads = quads[np.all(face[mesh.quads[quads]], axis=1)]
    return clip(field, *_triangle_soup(mesh, quads), len(mesh.uv), SNAP)


def _eyes(mesh: BaseMesh, mirror: Int[np.ndarray, " N"]) -> tuple[np.ndarray, np.ndarray]:
    """Returns the vertex and texture indices of the front halves of the eyeballs."""
    quads = mesh.group(LEFT_EYE_GROUP)
    depth = mesh.vertices[mesh.quads[quads], 2]
    front = quads[np.all(depth > depth.mean() - 1.0, axis=1)]
    triangles, uv_triangles = _triangle_soup(mesh, front)
    right = mirror[triangles][:, ::-1]
    return np.concatenate([triangles, right]), np.concatenate(
        [uv_triangles, _texture_of_vertices(mesh)[right]]
    )


def _texture_of_vertices(mesh: BaseMesh) -> Int[np.ndarray, " N"]:
    """Returns one texture index for each vertex; on a seam, the index of one side."""
    texture = np.zeros(len(mesh.vertices), dtype=np.int64)
    texture[mesh.quads] = mesh.uv_quads
    return texture


def mirrored_vertices(vertices: Float[np.ndarray, "V 3"]) -> Int[np.ndarray, " V"]:
    """Returns the index of the mirror image of each point.

    Args:
      vertices: (V, 3) points in mm, symmetric in x to 0.01 mm.

    Raises:
      ValueError: a point has no mirror image, or two points have the same one.
    """
    distance, mirror = scipy.spatial.cKDTree(vertices).query(vertices * [-1.0, 1.0, 1.0])
    if distance.max() > 0.01:
        worst = vertices[distance.argmax()]
        raise ValueError(f"The vertex at {worst} mm has no mirror image ({distance.max():.3f} mm).")
    if not np.array_equal(mirror[mirror], np.arange(len(mirror))):
        raise ValueError("Two vertices coincide, so the mirror map is not an involution.")
    return mirror
