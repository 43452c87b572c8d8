"""The texture that a photo gives to a face.

What the photo does not show gets the colour of its mirror image on the other side of the face, in
the light of its own side, or, where that is not seen either, of the seen surface around. Between
seen and hidden the colours fade into each other.
"""

from typing import NamedTuple

import numpy as np
import scipy.sparse
import scipy.sparse.csgraph
import scipy.sparse.linalg
from jaxtyping import Float, Float32, Int, UInt8
from PIL import Image

from twodasl_jax.array_types import typed
from twodasl_jax.rendering import rasterizer, uv_maps
from twodasl_jax.rendering.atlas import Atlas
from twodasl_jax.rendering.bilinear import sample_bilinear
from twodasl_jax.rendering.photo_trust import (
    PhotoView,
    Surface,
    trust_in_points,
    trust_in_surface,
    view_face,
)
from twodasl_jax.rendering.rasterizer import NO_TRIANGLE

_NO_COLOUR = np.array([160, 160, 160], np.float32)
# How strongly vertices without a colour of their own hold together: over about so many edges the
# colours of the seen ones are averaged.
_STIFFNESS = 4.0
# How strongly they are drawn to the colour of the skin, so that it prevails some edges farther away.
_PULL = 0.02
# How far colours may be from that of the skin to spread like it, and how little others do: hair,
# hat and shadow do not run down the neck.
_SKIN_SPREAD = 40.0
_LEAST_WEIGHT = 0.05
# What a hole leaves of the red, green and blue of the skin.
_HOLLOW_TINT = np.array([0.42, 0.18, 0.17], np.float32)


class _Looks(NamedTuple):
    """Colours of points in the photo and how far they can be trusted, from 0 to 1."""

    colour: Float32[np.ndarray, "N 3"]
    trust: Float32[np.ndarray, " N"]


class _Backing(NamedTuple):
    """Smooth colours: how much lighter points are than their mirror images; where neither is seen."""

    difference: Float32[np.ndarray, "N 3"]
    colour: Float32[np.ndarray, "N 3"]


@typed
def pixels_per_texel(
    vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"], atlas: Atlas, size: int
) -> float:
    """Returns how many pixels of the photo lie along a texel, on average over what faces the camera.

    Args:
      vertices: mesh in the image frame, pixels.
      triangles: vertex indices, counter-clockwise from outside in the model frame.
      atlas: layout of the surface.
      size: N, texels on a side.
    """
    pixels = -_signed_areas(vertices[triangles, :2])
    texels = np.abs(_signed_areas(atlas.uv[atlas.triangles])) * size**2
    facing = pixels > 0
    return float(np.sqrt(pixels[facing].sum() / max(texels[facing].sum(), 1)))


def _signed_areas(corners: Float[np.ndarray, "F 3 2"]) -> Float[np.ndarray, " F"]:
    a, b, c = np.moveaxis(corners, 1, 0)
    (across_x, across_y), (along_x, along_y) = (b - a).T, (c - a).T
    return (across_x * along_y - across_y * along_x) / 2


@typed
def photo_texture(
    image: UInt8[np.ndarray, "H W 3"],
    vertices: Float[np.ndarray, "V 3"],
    surface: Surface,
    atlas: Atlas,
    size: int,
) -> UInt8[np.ndarray, "N N 3"]:
    """Takes the texture of a face from the photo.

    A photo that is finer than the texels is averaged, a coarser one interpolated. Texels outside the
    charts continue the colours inside.

    Args:
      image: the photo, RGB.
      vertices: mesh in the image frame, pixels.
      surface: of the face model (`photo_trust.build_surface`).
      atlas: layout of the surface.
      size: N, texels on a side; a power of two.

    Returns:
      sRGB values; mid grey everywhere if no vertex is seen.
    """
    triangles, mirror = surface.triangles, surface.mirror
    view = view_face(vertices, triangles)
    trust = trust_in_surface(vertices, surface, view)
    at_vertices = _look(image, 1, view, vertices, trust)
    backing = _backing(at_vertices, surface)
    raster = uv_maps.rasterize_atlas(atlas, size)
    covered = raster.triangle != NO_TRIANGLE

    def texels(values: np.ndarray) -> Float32[np.ndarray, "P C"]:
        return rasterizer.interpolate(raster, triangles, values.astype(np.float32))[covered]

    reduction = max(1, round(pixels_per_texel(vertices, triangles, atlas, size)))
    own, other = (
        _look(image, reduction, view, texels(vertices[rows]), texels(trust[rows, None])[:, 0])
        for rows in (np.arange(len(vertices)), mirror)
    )
    picture = np.zeros((*covered.shape, 3), np.float32)
    picture[covered] = _blend(own, other, _Backing(*map(texels, backing)))
    filled = uv_maps.fill_around_charts(picture, covered)
    return np.rint(np.clip(filled, 0, 255)).astype(np.uint8)


def _look(
    image: UInt8[np.ndarray, "H W 3"],
    reduction: int,
    view: PhotoView,
    points: Float[np.ndarray, "N 3"],
    trust: Float32[np.ndarray, " N"],
) -> _Looks:
    """Looks points up in a photo, in which blocks of so many pixels on a side count as one."""
    blocks = np.asarray(Image.fromarray(image).reduce(reduction))
    seen = trust_in_points(points, view, *image.shape[:2])
    return _Looks(sample_bilinear(blocks, points / reduction), trust * seen)


def _backing(own: _Looks, surface: Surface) -> _Backing:
    """Carries what is known at some vertices over the whole surface."""
    other = _Looks(own.colour[surface.mirror], own.trust[surface.mirror])
    trust = np.maximum(own.trust, other.trust)
    seen = trust > 0.5
    if not seen.any():
        return _Backing(np.zeros_like(own.colour), np.tile(_NO_COLOUR, (len(own.colour), 1)))
    difference = _spread(
        own.colour - other.colour, own.trust * other.trust, surface.triangles, np.zeros(3)
    )
    known = _mix(other.colour + difference, own.colour, own.trust)
    skin = np.median(known[seen], axis=0)
    squared = ((known - skin) ** 2).sum(axis=-1) / _SKIN_SPREAD**2
    weights = trust * np.maximum(np.exp(-squared / 2), _LEAST_WEIGHT)
    colour = _spread(known, weights, surface.triangles, skin)
    return _Backing(difference, _mix(colour, colour * _HOLLOW_TINT, surface.hollow))


def _spread(
    values: Float32[np.ndarray, "V 3"],
    weights: Float32[np.ndarray, " V"],
    triangles: Int[np.ndarray, "F 3"],
    rest: Float[np.ndarray, "3"],
) -> Float32[np.ndarray, "V 3"]:
    """Returns the smooth values that lie nearest to the given ones where these have weight.

    They minimise the sum of weighted squares of the deviations and, with `_STIFFNESS`, of the
    differences along the edges. Far from all weight they come to `rest`.
    """
    count = len(values)
    starts, ends = triangles.ravel(), np.roll(triangles, -1, axis=1).ravel()
    edges = scipy.sparse.coo_array((np.ones(len(starts)), (starts, ends)), shape=(count, count))
    stiffness = scipy.sparse.csgraph.laplacian(edges + edges.T) * (_STIFFNESS / 2)
    system = stiffness + scipy.sparse.diags_array(weights + _PULL)
    target = weights[:, None] * values + _PULL * rest
    return scipy.sparse.linalg.splu(system.tocsc()).solve(target).astype(np.float32)


def _blend(own: _Looks, other: _Looks, backing: _Backing) -> Float32[np.ndarray, "N 3"]:
    relit = other.colour + backing.difference
    return _mix(_mix(backing.colour, relit, other.trust), own.colour, own.trust)


def _mix(
    first: Float32[np.ndarray, "N 3"],
    second: Float32[np.ndarray, "N 3"],
    share: Float32[np.ndarray, " N"],
) -> Float32[np.ndarray, "N 3"]:
    return first + share[:, None] * (second - first)
