"""Image warp of face profiling: rotates the head in a picture to a larger yaw.

`profile_face` computes a mesh over the picture with its vertices before and after the rotation.
`draw_profiled` renders the picture with this mesh.

The mesh has two parts. One is the face model, fitted to the face. The other is a background mesh, a
regular grid behind the face that covers the picture. Its nodes on the visible face move with the
face, and its border is fixed. All other nodes solve Laplace's equation, so the background stretches
evenly. Hair and neck follow the head, distant parts of the background stay in place, and the
picture has no holes.

The yaw can only grow away from the front. Every part of the face that is visible afterwards was
then visible before, at least edge-on.

References:
  Zhu et al., Face Alignment in Full Pose Range: A 3D Total Solution, 2017 (section 5, face
  profiling).
"""

import dataclasses
import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import scipy.ndimage
import scipy.sparse.linalg
from jaxtyping import Bool, Float, Int, Int32, UInt8

from twodasl_jax.array_types import Array, typed
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.decoder import decode, weak_perspective
from twodasl_jax.geometry.frames import box_from_landmarks
from twodasl_jax.geometry.mesh import vertex_normals
from twodasl_jax.geometry.morphable_model import MorphableModel, ShapeSpace, landmark_space
from twodasl_jax.geometry.projection import (
    WeakPerspective,
    affine_from_camera,
    camera_from_affine,
)
from twodasl_jax.geometry.rotation import euler_from_rotation, rotation_from_euler
from twodasl_jax.rendering import rasterizer
from twodasl_jax.rendering.interpolation import sample_bilinear
from twodasl_jax.rendering.visibility import visible_points

# Up to this yaw, in radians, a picture shows both sides of a face, and the yaw can grow in either
# direction.
FRONTAL_YAW = float(np.radians(10.0))
LARGEST_YAW = float(np.radians(90.0))
# The tolerance for float32 angles, which are ill-conditioned near a yaw of 90 degrees.
_YAW_TOLERANCE = 1e-3
# The number of cells of the background mesh along each side.
_CELLS = 36
# The width of the rim of a face with doubtful colours, relative to the longer side of the mesh.
_DOUBTFUL_RIM = 0.04
# The number of samples per pixel and direction.
_SAMPLES = 2


class ProfiledFace(NamedTuple):
    """A face at its new yaw, and the mesh of the warp.

    Attributes:
      coefficients: the coefficients of the face; only the camera has changed.
      landmarks: its (68, 3) landmarks in the picture frame, in pixels.
      visible: a (68,) mask of the landmarks that the face itself does not hide.
      motion: the (3, 4) affine motion of the head, picture frame to picture frame.
      vertices: the (P, 3) vertices of face and background after the rotation, in the picture frame.
        The background is behind the face.
      sources: the (P, 2) positions in the picture from which these vertices take their colours.
      triangles: (T, 3) vertex indices. Face triangles that are turned away from the camera are not
        included.
      content: x0, y0, x1, y1 of the part of the picture that is not black. The result is black
        outside of it too.
    """

    coefficients: Coefficients
    landmarks: Float[np.ndarray, "68 3"]
    visible: Bool[np.ndarray, "68"]
    motion: Float[np.ndarray, "3 4"]
    vertices: Float[np.ndarray, "P 3"]
    sources: Float[np.ndarray, "P 2"]
    triangles: Int[np.ndarray, "T 3"]
    content: Float[np.ndarray, "4"]


@typed
def profiled_coefficients(
    space: ShapeSpace, coefficients: Coefficients, yaw_change: Float[Array, ""] | float
) -> Coefficients:
    """Returns the coefficients of the same face at another yaw.

    In R = Rx(pitch) Ry(yaw) Rz(roll) only the yaw changes. Pitch and roll relative to the picture
    stay the same, and so does the scale. The centre of 3DDFA's crop (`box_from_landmarks`) stays in
    place, so that the profiled face needs no more room in the picture.

    Args:
      space: the shape space of the 68 landmarks (`landmark_space`).
      coefficients: the coefficients of one face, in any picture frame.
      yaw_change: the increase of the yaw, in radians.
    """
    camera = camera_from_affine(coefficients.affine)
    angles = euler_from_rotation(camera.rotation) + jnp.array([1.0, 0.0, 0.0]) * yaw_change
    rotated = WeakPerspective(camera.scale, rotation_from_euler(angles), camera.translation)
    old = weak_perspective(coefficients)
    new = dataclasses.replace(coefficients, affine=affine_from_camera(rotated))
    old_centre, new_centre = (_crop_centre(decode(space, each)) for each in (old, new))
    affine = jnp.asarray(new.affine).at[:2, 3].add(old_centre - new_centre)
    return dataclasses.replace(coefficients, affine=affine)


@typed
def profile_face(
    picture: UInt8[np.ndarray, "H W 3"],
    model: MorphableModel,
    coefficients: Coefficients,
    yaw_change: float,
) -> ProfiledFace:
    """Computes the warp of a picture that rotates its face to a larger yaw.

    Args:
      picture: the RGB picture. Black rows and columns at its edges are empty and stay black.
      model: the face model.
      coefficients: the coefficients of the face in the picture frame.
      yaw_change: the increase of the yaw, in radians.

    Raises:
      ValueError: if the rotation goes toward the front, or beyond a profile.
    """
    old_affine, new, yaw, before, after, landmarks = jax.device_get(
        _rotate(model, coefficients, yaw_change)
    )
    _check_yaw_change(float(yaw), yaw_change)
    triangles = np.asarray(model.triangles)
    content = _content_box(picture)
    linear = new.affine[:, :3] @ np.linalg.inv(old_affine[:, :3])
    motion = np.concatenate([linear, new.affine[:, 3:] - linear @ old_affine[:, 3:]], axis=1)
    visible_before = triangles[_faces_camera(before, triangles)]
    nodes, background = _background(before, after, visible_before, motion, content)
    # The face mesh omits parts outside the picture; the background mesh covers them.
    inside = ((before[:, :2] >= content[:2]) & (before[:, :2] <= content[2:])).all(axis=1)
    drawn = _faces_camera(after, triangles) & inside[triangles].all(axis=1)
    drawn &= ~_behind_background(before, after, background)[triangles].all(axis=1)
    # The grid is coarse, so the background is moved entirely behind the remaining face.
    background[:, 2] += after[:, 2].min() - background[:, 2].max()
    return ProfiledFace(
        coefficients=new,
        landmarks=landmarks,
        visible=visible_points(landmarks, after, triangles),
        motion=motion,
        vertices=np.concatenate([after, background]),
        sources=np.concatenate([_colour_sources(picture, before, after, triangles), nodes]),
        triangles=np.concatenate([triangles[drawn], _background_triangles() + len(after)]),
        content=content,
    )


@typed
def draw_profiled(
    picture: UInt8[np.ndarray, "H W 3"],
    face: ProfiledFace,
    box: Float[np.ndarray, "4"],
    size: int,
) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """Renders a square part of the warped picture; pixels without content are black.

    Args:
      picture: the RGB picture before the warp.
      face: the result of `profile_face` for this picture.
      box: x0, y0, x1, y1 of the square part, in the picture frame.
      size: the side of the result, in pixels.
    """
    side = size * _SAMPLES
    scale = side / (box[2] - box[0])
    raster = rasterizer.rasterize(
        (face.vertices - [*box[:2], 0]) * scale, face.triangles, side, side
    )
    samples = sample_bilinear(picture, rasterizer.interpolate(raster, face.triangles, face.sources))
    x, y = (box[axis] + (np.arange(side) + 0.5) / scale for axis in (0, 1))
    left, top, right, bottom = face.content
    outside = ((y < top) | (y > bottom))[:, None] | ((x < left) | (x > right))
    samples[outside | ~raster.covered] = 0
    blocks = samples.reshape(size, _SAMPLES, size, _SAMPLES, 3)
    return np.rint(blocks.mean(axis=3).mean(axis=1)).astype(np.uint8)


def _crop_centre(landmarks: Float[Array, "68 3"]) -> Float[Array, "2"]:
    box = box_from_landmarks(landmarks[:, :2])
    return (box[:2] + box[2:]) / 2


@jax.jit
def _rotate(
    model: MorphableModel, coefficients: Coefficients, yaw_change: Array
) -> tuple[Any, ...]:
    """Returns old matrix, new coefficients, old yaw, old and new vertices, and new landmarks."""
    # A fitted matrix may not be an exact scaled rotation.
    old = weak_perspective(coefficients)
    space = landmark_space(model)
    new = profiled_coefficients(space, coefficients, yaw_change)
    yaw = euler_from_rotation(camera_from_affine(coefficients.affine).rotation)[0]
    return old.affine, new, yaw, decode(model, old), decode(model, new), decode(space, new)


def _check_yaw_change(yaw: float, yaw_change: float) -> None:
    new = yaw + yaw_change
    requested = (
        f"a yaw change of {np.degrees(yaw_change):.1f} degrees from a yaw of {np.degrees(yaw):.1f}"
    )
    other_side = yaw * new < 0 and abs(yaw) > FRONTAL_YAW
    if abs(new) < abs(yaw) - _YAW_TOLERANCE or other_side:
        raise ValueError(
            f"{requested} needs parts of the face that are not visible: rotate away from the front"
        )
    if abs(new) > LARGEST_YAW + _YAW_TOLERANCE:
        raise ValueError(f"{requested} goes beyond a profile: rotate to 90 degrees at most")


def _content_box(picture: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "4"]:
    """Returns the bounding box of all pixels that are not black, or else the whole picture."""
    lit = picture.max(axis=-1) > 0
    if not lit.any():
        lit = ~lit
    columns, rows = np.flatnonzero(lit.any(axis=0)), np.flatnonzero(lit.any(axis=1))
    return np.array([columns[0], rows[0], columns[-1] + 1, rows[-1] + 1], np.float64)


def _faces_camera(
    vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"]
) -> Bool[np.ndarray, " F"]:
    a, b, c = (vertices[triangles[:, corner], :2] for corner in range(3))
    (ux, uy), (vx, vy) = (c - a).T, (b - a).T
    # Counter-clockwise with y up is clockwise with y down.
    return ux * vy - uy * vx > 0


def _background(
    before: Float[np.ndarray, "V 3"],
    after: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    motion: Float[np.ndarray, "3 4"],
    content: Float[np.ndarray, "4"],
) -> tuple[Float[np.ndarray, "N 2"], Float[np.ndarray, "N 3"]]:
    """Returns the nodes of the background mesh before and after the rotation, row by row.

    Args:
      before: the vertices of the face before the rotation, in the picture frame.
      after: the vertices of the face after the rotation, in the picture frame.
      triangles: the triangles of the face that are visible before the rotation.
      motion: the affine motion from `before` to `after`.
      content: x0, y0, x1, y1 of the mesh, in the picture frame.
    """
    row, column = np.indices((_CELLS + 1, _CELLS + 1)).reshape(2, -1)
    step = (content[2:] - content[:2]) / _CELLS
    nodes = np.stack([column, row], axis=-1) * step + content[:2]
    # In this raster the pixel centres are the nodes.
    on_grid = (before - [*content[:2], 0]) / [*step, 1] + [0.5, 0.5, 0]
    depth = rasterizer.rasterize(on_grid, triangles, _CELLS + 1, _CELLS + 1).depth.ravel()
    border = (row % _CELLS == 0) | (column % _CELLS == 0)
    on_face = np.isfinite(depth) & ~border
    moved = np.concatenate([nodes, np.full((len(nodes), 1), after[:, 2].min())], axis=-1)
    points = np.concatenate([nodes[on_face], depth[on_face, None]], axis=-1)
    moved[on_face] = points @ motion[:, :3].T + motion[:, 3]
    return nodes, _stretch(moved, border | on_face)


def _behind_background(
    before: Float[np.ndarray, "V 3"],
    after: Float[np.ndarray, "V 3"],
    background: Float[np.ndarray, "N 3"],
) -> Bool[np.ndarray, " V"]:
    """Returns which vertices of the face move away from the camera and behind the background mesh.

    A face model is not a complete head. Without this test the far ear would appear in front of the
    forehead where the model has no skull.
    """
    in_front = visible_points(after, background, _background_triangles(), resolution=2 * _CELLS)
    return (after[:, 2] < before[:, 2]) & ~in_front


def _stretch(
    nodes: Float[np.ndarray, "N 3"], fixed: Bool[np.ndarray, " N"]
) -> Float[np.ndarray, "N 3"]:
    """Solves Laplace's equation on the grid: each free node becomes the mean of its neighbours."""
    free_rows = scipy.sparse.diags_array((~fixed).astype(float))
    fixed_rows = scipy.sparse.diags_array(fixed.astype(float))
    system = (free_rows @ _laplacian() + fixed_rows).tocsc()
    return scipy.sparse.linalg.spsolve(system, fixed_rows @ nodes)


@functools.cache
def _laplacian() -> scipy.sparse.csr_array:
    """Returns four times each inner node minus its neighbours, as a matrix."""
    line = scipy.sparse.diags_array(
        [-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(_CELLS + 1, _CELLS + 1)
    )
    return scipy.sparse.kronsum(line, line, format="csr")


@functools.cache
def _background_triangles() -> Int32[np.ndarray, "T 3"]:
    index = np.arange((_CELLS + 1) ** 2, dtype=np.int32).reshape(_CELLS + 1, _CELLS + 1)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    return np.stack([a, b, c, a, c, d], axis=-1).reshape(-1, 3)


def _colour_sources(
    picture: UInt8[np.ndarray, "H W 3"],
    before: Float[np.ndarray, "V 3"],
    after: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
) -> Float[np.ndarray, "V 2"]:
    """Returns the positions in the picture from which the vertices of the face take their colours.

    Most vertices take the colour at their own position. A cheek that is visible edge-on is only a
    few pixels wide, and the rotation spreads these pixels over half of the head. Blur and an
    inexact fit would then show large patches of background. Vertices on such a rim take their
    colours from further inside.
    """
    height, width = picture.shape[:2]
    covered = rasterizer.rasterize(before, triangles, height, width).covered
    inside = scipy.ndimage.distance_transform_edt(covered)
    column, row = np.clip(before[:, :2], 0, [width - 1, height - 1]).astype(int).T
    doubtful = _DOUBTFUL_RIM * np.ptp(before[:, :2], axis=0).max()
    old, new = (vertex_normals(vertices, triangles) for vertices in (before, after))
    spread = np.maximum(new[:, 2] - np.maximum(old[:, 2], 0), 0)
    # At full spread, depths of 0 to twice the rim are mapped to depths of once to twice the rim.
    distance = spread * np.maximum(doubtful - inside[row, column] / 2, 0)
    length = np.linalg.norm(old[:, :2], axis=-1)
    outward = old[:, :2] / np.where(length > 0, length, 1)[:, None]
    return before[:, :2] - distance[:, None] * outward
