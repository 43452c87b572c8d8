"""The texture that a photo gives to a face.

What the photo does not show gets the colour of its mirror image on the other side of the face, in
the light of its own side, or, where that is not seen either, of the seen surface around. Between
seen and hidden the colours fade into each other.
"""

from typing import NamedTuple

import numpy as np
import scipy.ndimage
import scipy.sparse
import scipy.sparse.csgraph
import scipy.sparse.linalg
import scipy.spatial
from jaxtyping import Float, Float32, Int, UInt8
from PIL import Image

from twodasl_jax.array_types import typed
from twodasl_jax.rendering import rasterizer, uv_maps
from twodasl_jax.rendering.rasterizer import NO_TRIANGLE, Raster
from twodasl_jax.rendering.sampling import sample_bilinear

_NO_COLOUR = np.array([160, 160, 160], np.float32)
# Share of a vertex's own pixel in its colour, by how far its normal turns toward the camera: where
# the surface is seen edge-on, a pixel may already show the background.
_FACING_RISE = (0.1, 0.4)
# A vertex whose mirror image faces the camera better is trusted as if it faced it worse by so much
# of the difference.
_PREFERENCE = 0.4
# A face that is reconstructed not quite exactly ends elsewhere in the photo. Distances from its
# outline, over its size, where the photo begins to count and where it counts wholly.
_OUTLINE_RISE = (0.01, 0.035)
_OUTLINE_RESOLUTION = 256
# Distances from the nearest landmark, over the size of the face, where the photo begins to count
# less and where it no longer counts: there are hair, hat, collar and whatever lies behind them.
_REACH = (0.34, 0.5)
# How strongly vertices without a colour of their own hold together: over about so many edges the
# colours of the seen ones are averaged.
_STIFFNESS = 4.0
_SLIGHT = 1e-6
_BEST_SEEN = 75  # percentile


class Surface(NamedTuple):
    """What all faces of a face model have in common.

    Attributes:
      triangles: vertex indices, counter-clockwise from outside in the model frame.
      mirror: index of the vertex on the other side of the face.
      reach: how far a vertex is part of the face that photos show, from 0 to 1.
    """

    triangles: Int[np.ndarray, "F 3"]
    mirror: Int[np.ndarray, " V"]
    reach: Float32[np.ndarray, " V"]


class _Samples(NamedTuple):
    """Colours of points in the photo, those of their mirror images, and how far both are seen, 0 to 1."""

    own: Float32[np.ndarray, "N 3"]
    other: Float32[np.ndarray, "N 3"]
    own_share: Float32[np.ndarray, " N"]
    other_share: Float32[np.ndarray, " N"]


class _Backing(NamedTuple):
    """Smooth colours: how much lighter points are than their mirror images; where neither is seen."""

    difference: Float32[np.ndarray, "N 3"]
    colour: Float32[np.ndarray, "N 3"]


@typed
def build_surface(
    mean: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    mirror: Int[np.ndarray, " V"],
    landmarks: Float[np.ndarray, "68 3"],
) -> Surface:
    """Measures the mean face.

    Args:
      mean: vertices of the mean face, model frame.
      triangles: vertex indices, counter-clockwise from outside.
      mirror: index of the vertex on the other side of the face.
      landmarks: of the mean face, model frame.
    """
    size = np.sqrt(np.prod(np.ptp(landmarks[:, :2], axis=0)))
    distance, _ = scipy.spatial.KDTree(landmarks).query(mean)
    start, end = _REACH
    return Surface(triangles, mirror, _rise(distance / size, end, start))


@typed
def photo_texture(
    image: UInt8[np.ndarray, "H W 3"],
    vertices: Float[np.ndarray, "V 3"],
    surface: Surface,
    raster: Raster,
) -> UInt8[np.ndarray, "N N 3"]:
    """Takes the texture of a face from the photo.

    A photo that is finer than the texels is averaged, a coarser one interpolated. Texels outside the
    charts continue the colours inside.

    Args:
      image: the photo, RGB.
      vertices: mesh in the image frame, pixels.
      surface: of the face model (`build_surface`).
      raster: of the atlas (`uv_maps.rasterize_atlas`).

    Returns:
      sRGB values; mid grey everywhere if no vertex is seen.
    """
    triangles, mirror, _ = surface
    at_vertices = _at_vertices(image, vertices, surface)
    shares = np.stack([at_vertices.own_share, at_vertices.other_share], axis=-1)
    covered = raster.triangle != NO_TRIANGLE
    own, other, shares, difference, colour = (
        rasterizer.interpolate(raster, triangles, values.astype(np.float32))[covered]
        for values in (vertices, vertices[mirror], shares, *_backing(at_vertices, triangles))
    )
    reduction = _reduction(vertices, triangles, raster)
    blocks = np.asarray(Image.fromarray(image).reduce(reduction))
    # A texel nearer to a hidden vertex than to a seen one counts as hidden.
    own_share, other_share = np.maximum(2 * shares.T - 1, 0)
    samples = _Samples(
        sample_bilinear(blocks, own / reduction),
        sample_bilinear(blocks, other / reduction),
        own_share,
        other_share,
    )
    picture = np.zeros((*covered.shape, 3), np.float32)
    picture[covered] = _blend(samples, _Backing(difference, colour))
    filled = uv_maps.fill_around_charts(picture, covered)
    return np.rint(np.clip(filled, 0, 255)).astype(np.uint8)


def _at_vertices(
    image: UInt8[np.ndarray, "H W 3"], vertices: Float[np.ndarray, "V 3"], surface: Surface
) -> _Samples:
    height, width, _ = image.shape
    x, y, _ = vertices.T
    inside = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
    own = sample_bilinear(image, vertices)
    share = _seen_share(vertices, surface) * inside
    return _Samples(own, own[surface.mirror], share, share[surface.mirror])


def _seen_share(vertices: Float[np.ndarray, "V 3"], surface: Surface) -> Float32[np.ndarray, " V"]:
    """How far a photo that shows the whole face can be trusted at each vertex, from 0 to 1."""
    triangles, mirror, reach = surface
    visible = rasterizer.visible_vertices(vertices, triangles)
    toward_camera = rasterizer.vertex_normals(vertices, triangles)[:, 2]
    other_better = np.maximum(toward_camera[mirror] - toward_camera, 0) * visible[mirror]
    facing = _rise(toward_camera - _PREFERENCE * other_better, *_FACING_RISE)
    inner = _rise(_distance_from_outline(vertices, triangles), *_OUTLINE_RISE)
    return visible * facing * inner * reach


def _distance_from_outline(
    vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"]
) -> Float[np.ndarray, " V"]:
    """Distances in the picture from where the mesh ends, in units of its larger side."""
    resolution = _OUTLINE_RESOLUTION
    low, size = vertices.min(axis=0), np.ptp(vertices[:, :2], axis=0).max()
    on_grid = (vertices - low) * (resolution / size) + 1
    raster = rasterizer.rasterize(on_grid, triangles, resolution + 2, resolution + 2)
    pixels = scipy.ndimage.distance_transform_edt(raster.triangle != NO_TRIANGLE)
    rows_columns = on_grid[:, 1::-1].T - 0.5
    return scipy.ndimage.map_coordinates(pixels, rows_columns, order=1) / resolution


def _reduction(
    vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"], raster: Raster
) -> int:
    """How many pixels of the photo lie along a texel where the face is seen best, at least 1."""
    a, b, c = np.moveaxis(vertices[triangles, :2], 1, 0)
    (across_x, across_y), (along_x, along_y) = (b - a).T, (c - a).T
    pixels = np.abs(across_x * along_y - across_y * along_x) / 2
    seen = raster.triangle[raster.triangle != NO_TRIANGLE]
    texels = np.bincount(seen, minlength=len(triangles))
    pixels_per_texel = np.percentile((pixels / np.maximum(texels, 1))[seen], _BEST_SEEN)
    return max(1, round(float(np.sqrt(pixels_per_texel))))


def _backing(samples: _Samples, triangles: Int[np.ndarray, "F 3"]) -> _Backing:
    """Carries what is known at some vertices over the whole surface."""
    seen_share = np.maximum(samples.own_share, samples.other_share)
    if not (seen_share > 0.5).any():
        return _Backing(np.zeros_like(samples.own), np.tile(_NO_COLOUR, (len(samples.own), 1)))
    both = samples.own_share * samples.other_share
    difference = _spread(samples.own - samples.other, both, triangles, np.zeros(3))
    relit = samples.other + difference
    known = relit + samples.own_share[:, None] * (samples.own - relit)
    mean = np.average(known, axis=0, weights=seen_share)
    return _Backing(difference, _spread(known, seen_share, triangles, mean))


def _spread(
    values: Float32[np.ndarray, "V 3"],
    weights: Float32[np.ndarray, " V"],
    triangles: Int[np.ndarray, "F 3"],
    rest: Float[np.ndarray, "3"],
) -> Float32[np.ndarray, "V 3"]:
    """Returns the smooth values that lie nearest to the given ones where these have weight.

    They minimise the sum of weighted squares of the deviations and, with `_STIFFNESS`, of the
    differences along the edges. Parts of the mesh without any weight come to rest at `rest`.
    """
    count = len(values)
    starts, ends = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    edges = scipy.sparse.coo_array((np.ones(len(starts)), (starts, ends)), shape=(count, count))
    stiffness = scipy.sparse.csgraph.laplacian(edges + edges.T) * (_STIFFNESS / 2)
    system = stiffness + scipy.sparse.diags_array(weights + _SLIGHT)
    target = weights[:, None] * values + _SLIGHT * rest
    return scipy.sparse.linalg.splu(system.tocsc()).solve(target).astype(np.float32)


def _blend(samples: _Samples, backing: _Backing) -> Float32[np.ndarray, "N 3"]:
    relit = samples.other + backing.difference
    other_side = backing.colour + samples.other_share[:, None] * (relit - backing.colour)
    return other_side + samples.own_share[:, None] * (samples.own - other_side)


def _rise(values: Float[np.ndarray, " N"], start: float, end: float) -> Float32[np.ndarray, " N"]:
    """0 up to `start`, 1 from `end` on, linear between; `start` may be the larger one."""
    return np.clip((values - start) / (end - start), 0, 1).astype(np.float32)
