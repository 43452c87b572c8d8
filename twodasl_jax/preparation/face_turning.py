"""Turns the head in a picture to a larger yaw, over the depth of the face model that was fitted to it.

    turned_face: a mesh over the picture, where it was and where it goes    draw: the picture of it

The mesh has two parts. The face is the face model's own. Behind it hangs a sheet of rubber over all that the picture
shows: it sticks to the face where the face is seen, its rim stays where it is, and in between it stretches as evenly as
it can. So hair and neck follow the head, what is far from it stays, and the picture has no holes.

Only turns away from the front are made: what they bring into view was in view before, if only edge-on.

References:
  Zhu et al., Face Alignment in Full Pose Range: A 3D Total Solution, 2017 (section 5, face profiling).
"""

import functools
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numba
import numpy as np
import scipy.ndimage
import scipy.sparse.linalg
from jaxtyping import Bool, Float, Int, Int32, UInt8

from twodasl_jax.array_types import Array, typed
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.frames import box_from_landmarks
from twodasl_jax.geometry.mesh import vertex_normals
from twodasl_jax.geometry.morphable_model import (
    MorphableModel,
    ShapeSpace,
    landmark_space,
    synthesize,
)
from twodasl_jax.geometry.projection import (
    WeakPerspective,
    affine_from_camera,
    camera_from_affine,
    picture_from_model_affine,
)
from twodasl_jax.geometry.rotation import euler_from_rotation, rotation_from_euler
from twodasl_jax.rendering import rasterizer

# Radians. A face up to the first yaw shows both of its sides, and may be turned to either.
FRONTAL_YAW = float(np.radians(10.0))
LARGEST_YAW = float(np.radians(90.0))
# Of float32 angles near a profile, where they are ill-conditioned.
_YAW_TOLERANCE = 1e-3
# Cells of the sheet along each side of what the picture shows.
_CELLS = 36
# How far inside its outline a face's colours can be trusted to be the face's, as a share of the mesh's longer side.
_DOUBTFUL_RIM = 0.04
# Each pixel of the result is the mean of so many samples along each side.
_SAMPLES = 2


class TurnedFace(NamedTuple):
    """A face after a turn, and the mesh that carries the picture there.

    Attributes:
      coefficients: the same shape and expression, the new camera to the picture frame.
      landmarks: their 68 landmarks in the picture frame, pixels.
      visible: which landmarks the face itself does not hide.
      motion: of points of the head by the turn, picture frame to picture frame; affine.
      vertices: of face and sheet after the turn, picture frame, pixels; the sheet is behind the face.
      sources: where the colours of these vertices are found in the picture, picture frame, pixels.
      triangles: indices into both, without those of the face that show their back.
      shown: x0, y0, x1, y1 of what the picture shows; what is turned out of it is cut off.
    """

    coefficients: Coefficients
    landmarks: Float[np.ndarray, "68 3"]
    visible: Bool[np.ndarray, "68"]
    motion: Float[np.ndarray, "3 4"]
    vertices: Float[np.ndarray, "P 3"]
    sources: Float[np.ndarray, "P 2"]
    triangles: Int[np.ndarray, "T 3"]
    shown: Float[np.ndarray, "4"]


@typed
def turned_coefficients(
    space: ShapeSpace, coefficients: Coefficients, turn: Float[Array, ""] | float
) -> Coefficients:
    """Returns the coefficients of the same face at another yaw.

    In R = Rx(pitch) Ry(yaw) Rz(roll) the yaw grows by exactly the turn; pitch and roll, which say how far the head is
    tipped and tilted against the upright of the picture, stay, and so does the scale. The centre of 3DDFA's crop
    (`box_from_landmarks`) stays where it is, so that the turned face needs no more room in the picture.

    Args:
      space: the 68 landmarks (`landmark_space`).
      coefficients: of one face, in any picture frame.
      turn: radians.
    """
    camera = camera_from_affine(coefficients.affine)
    angles = euler_from_rotation(camera.rotation) + jnp.array([1.0, 0.0, 0.0]) * turn
    rotated = WeakPerspective(camera.scale, rotation_from_euler(angles), camera.translation)
    points = synthesize(space, coefficients.shape, coefficients.expression)
    before, after = (_crop_centre(affine_from_camera(one), points) for one in (camera, rotated))
    affine = jnp.asarray(affine_from_camera(rotated)).at[:2, 3].add(before - after)
    return Coefficients(affine, coefficients.shape, coefficients.expression)


@typed
def turned_face(
    picture: UInt8[np.ndarray, "H W 3"],
    model: MorphableModel,
    coefficients: Coefficients,
    turn: float,
) -> TurnedFace:
    """Turns the face of a picture; `draw` shows it.

    Args:
      picture: RGB; rows and columns at its edges that are all black show nothing and stay as they are.
      model: face model.
      coefficients: of the face, in the frame of the picture.
      turn: by which the yaw grows, radians.

    Raises:
      ValueError: the turn leads toward the front, or beyond a profile.
    """
    old, new, yaw, before, after, landmarks = jax.device_get(_move(model, coefficients, turn))
    _check_turn(float(yaw), turn)
    triangles = np.asarray(model.triangles)
    box = _shown_box(picture)
    linear = new.affine[:, :3] @ np.linalg.inv(old[:, :3])
    motion = np.concatenate([linear, new.affine[:, 3:] - linear @ old[:, 3:]], axis=1)
    seen = triangles[_faces_camera(before, triangles)]
    nodes, sheet = _sheet(before, after, seen, motion, box)
    # Parts of the face that the picture does not show are left to the sheet.
    inside = ((before[:, :2] >= box[:2]) & (before[:, :2] <= box[2:])).all(axis=1)
    drawn = _faces_camera(after, triangles) & inside[triangles].all(axis=1)
    drawn &= ~_behind_head(before, after, sheet)[triangles].all(axis=1)
    # What is left of the face is before the sheet, however coarse that is.
    sheet[:, 2] += after[:, 2].min() - sheet[:, 2].max()
    return TurnedFace(
        coefficients=new,
        landmarks=landmarks,
        visible=rasterizer.unhidden_points(landmarks, after, triangles),
        motion=motion,
        vertices=np.concatenate([after, sheet]),
        sources=np.concatenate([_sources(picture, before, after, triangles), nodes]),
        triangles=np.concatenate([triangles[drawn], _sheet_triangles() + len(after)]),
        shown=box,
    )


@typed
def draw(
    picture: UInt8[np.ndarray, "H W 3"], face: TurnedFace, box: Float[np.ndarray, "4"], size: int
) -> UInt8[np.ndarray, "{size} {size} 3"]:
    """Returns a square part of the picture after the turn; black where there is nothing.

    Args:
      picture: RGB, that from which the face was turned.
      face: what `turned_face` made of it.
      box: x0, y0, x1, y1 of the part, picture frame; a square.
      size: side of the result in pixels.
    """
    side = size * _SAMPLES
    scale = side / (box[2] - box[0])
    raster = rasterizer.rasterize(
        (face.vertices - [*box[:2], 0]) * scale, face.triangles, side, side
    )
    places = rasterizer.interpolate(raster, face.triangles, face.sources)
    samples = _bilinear(picture, places)
    x, y = (box[axis] + (np.arange(side) + 0.5) / scale for axis in (0, 1))
    left, top, right, bottom = face.shown
    beyond = ((y < top) | (y > bottom))[:, None] | ((x < left) | (x > right))
    samples[beyond | (raster.triangle == rasterizer.NO_TRIANGLE)] = 0
    blocks = samples.reshape(size, _SAMPLES, size, _SAMPLES, 3)
    return np.rint(blocks.mean(axis=3).mean(axis=1)).astype(np.uint8)


def _crop_centre(affine: Float[Array, "3 4"], points: Float[Array, "68 3"]) -> Float[Array, "2"]:
    box = box_from_landmarks(picture_from_model_affine(affine, points)[:, :2])
    return (box[:2] + box[2:]) / 2


@jax.jit
def _move(model: MorphableModel, coefficients: Coefficients, turn: Array) -> tuple[Any, ...]:
    """Returns old affine, new coefficients, old yaw, vertices before and after, landmarks after."""
    camera = camera_from_affine(coefficients.affine)
    # Without what a fit's matrix may hold beyond a scaled rotation.
    old = affine_from_camera(camera)
    space = landmark_space(model)
    new = turned_coefficients(space, coefficients, turn)
    points = synthesize(model, new.shape, new.expression)
    before, after = (picture_from_model_affine(affine, points) for affine in (old, new.affine))
    landmarks = synthesize(space, new.shape, new.expression)
    yaw = euler_from_rotation(camera.rotation)[0]
    return old, new, yaw, before, after, picture_from_model_affine(new.affine, landmarks)


def _check_turn(yaw: float, turn: float) -> None:
    new = yaw + turn
    asked = f"a turn by {np.degrees(turn):.1f} degrees from a yaw of {np.degrees(yaw):.1f}"
    other_side = yaw * new < 0 and abs(yaw) > FRONTAL_YAW
    if abs(new) < abs(yaw) - _YAW_TOLERANCE or other_side:
        raise ValueError(f"{asked} shows what the picture does not: turn away from the front")
    if abs(new) > LARGEST_YAW + _YAW_TOLERANCE:
        raise ValueError(f"{asked} goes beyond the profile: turn to 90 degrees at most")


def _shown_box(picture: UInt8[np.ndarray, "H W 3"]) -> Float[np.ndarray, "4"]:
    """Returns the edges of what is not black; of the whole picture if all is."""
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


def _sheet(
    before: Float[np.ndarray, "V 3"],
    after: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    motion: Float[np.ndarray, "3 4"],
    box: Float[np.ndarray, "4"],
) -> tuple[Float[np.ndarray, "N 2"], Float[np.ndarray, "N 3"]]:
    """Returns the nodes of the sheet before and after the turn, row by row.

    Args:
      before: vertices of the face before the turn, picture frame.
      after: and after it.
      triangles: which of the face are seen before the turn.
      motion: from `before` to `after`, affine.
      box: where the sheet hangs, picture frame.
    """
    row, column = np.indices((_CELLS + 1, _CELLS + 1)).reshape(2, -1)
    step = (box[2:] - box[:2]) / _CELLS
    nodes = np.stack([column, row], axis=-1) * step + box[:2]
    # A grid whose pixel centres are the nodes.
    on_grid = (before - [*box[:2], 0]) / [*step, 1] + [0.5, 0.5, 0]
    depth = rasterizer.rasterize(on_grid, triangles, _CELLS + 1, _CELLS + 1).depth.ravel()
    rim = (row % _CELLS == 0) | (column % _CELLS == 0)
    stuck = np.isfinite(depth) & ~rim
    moved = np.concatenate([nodes, np.full((len(nodes), 1), after[:, 2].min())], axis=-1)
    points = np.concatenate([nodes[stuck], depth[stuck, None]], axis=-1)
    moved[stuck] = points @ motion[:, :3].T + motion[:, 3]
    return nodes, _stretch(moved, rim | stuck)


def _behind_head(
    before: Float[np.ndarray, "V 3"],
    after: Float[np.ndarray, "V 3"],
    sheet: Float[np.ndarray, "N 3"],
) -> Bool[np.ndarray, " V"]:
    """Tells which vertices go away and behind the sheet.

    A face model is no whole head: where it has no skull, the far ear would look over the forehead.
    """
    before_sheet = rasterizer.unhidden_points(
        after, sheet, _sheet_triangles(), resolution=2 * _CELLS
    )
    return (after[:, 2] < before[:, 2]) & ~before_sheet


def _stretch(
    nodes: Float[np.ndarray, "N 3"], held: Bool[np.ndarray, " N"]
) -> Float[np.ndarray, "N 3"]:
    """Returns the sheet with each node that is not held in the middle of its neighbours."""
    free = scipy.sparse.diags_array((~held).astype(float))
    fixed = scipy.sparse.diags_array(held.astype(float))
    system = (free @ _laplacian() + fixed).tocsc()
    return scipy.sparse.linalg.spsolve(system, fixed @ nodes)


@functools.cache
def _laplacian() -> scipy.sparse.csr_array:
    """Four times a node minus its neighbours, for each node that is not on the rim."""
    line = scipy.sparse.diags_array(
        [-1.0, 2.0, -1.0], offsets=[-1, 0, 1], shape=(_CELLS + 1, _CELLS + 1)
    )
    return scipy.sparse.kronsum(line, line, format="csr")


@functools.cache
def _sheet_triangles() -> Int32[np.ndarray, "T 3"]:
    index = np.arange((_CELLS + 1) ** 2, dtype=np.int32).reshape(_CELLS + 1, _CELLS + 1)
    a, b, c, d = index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]
    return np.stack([a, b, c, a, c, d], axis=-1).reshape(-1, 3)


def _sources(
    picture: UInt8[np.ndarray, "H W 3"],
    before: Float[np.ndarray, "V 3"],
    after: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
) -> Float[np.ndarray, "V 2"]:
    """Returns where the picture holds the colours of the vertices: at the vertices, but not at the very outline.

    A cheek that is seen edge-on is a few pixels wide. Where the turn spreads these over half of the head, blur and an
    inexact fit would show as large patches of background; there the colours are taken from further inside.
    """
    height, width = picture.shape[:2]
    covered = rasterizer.rasterize(before, triangles, height, width).triangle
    inside = scipy.ndimage.distance_transform_edt(covered != rasterizer.NO_TRIANGLE)
    column, row = np.clip(before[:, :2], 0, [width - 1, height - 1]).astype(int).T
    doubtful = _DOUBTFUL_RIM * np.ptp(before[:, :2], axis=0).max()
    old, new = (vertex_normals(vertices, triangles) for vertices in (before, after))
    spread = np.maximum(new[:, 2] - np.maximum(old[:, 2], 0), 0)
    # Fully spread, what lies up to twice the doubtful distance inside is taken from between once and twice of it.
    distance = spread * np.maximum(doubtful - inside[row, column] / 2, 0)
    length = np.linalg.norm(old[:, :2], axis=-1)
    outward = old[:, :2] / np.where(length > 0, length, 1)[:, None]
    return before[:, :2] - distance[:, None] * outward


@numba.njit(cache=True, nogil=True)
def _bilinear(picture, places):
    """Colours (N, M, 3) of a picture at points (N, M, 2) in its frame; beyond its edges those of the edge."""
    height, width, _ = picture.shape
    colours = np.empty((*places.shape[:2], 3), np.float32)
    for row in range(places.shape[0]):
        for column in range(places.shape[1]):
            x = min(max(places[row, column, 0] - 0.5, 0.0), width - 1.0)
            y = min(max(places[row, column, 1] - 0.5, 0.0), height - 1.0)
            left, top = int(x), int(y)
            right, bottom = min(left + 1, width - 1), min(top + 1, height - 1)
            across, down = x - left, y - top
            for channel in range(3):
                upper = picture[top, left, channel] * (1 - across)
                upper += picture[top, right, channel] * across
                lower = picture[bottom, left, channel] * (1 - across)
                lower += picture[bottom, right, channel] * across
                colours[row, column, channel] = upper * (1 - down) + lower * down
    return colours
