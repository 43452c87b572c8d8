"""The texture of a face, taken from a photo.

Visible texels take the colour of the photo. A hidden texel takes the colour of its mirror image on
the other side of the face, corrected for the lighting of its own side. If that is hidden too, it
takes a smooth continuation of the visible colours. The three colours are blended by confidence.
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
from twodasl_jax.rendering.connectivity import vertex_graph
from twodasl_jax.rendering.interpolation import lerp, sample_bilinear
from twodasl_jax.rendering.photo_confidence import (
    FaceRaster,
    FaceSurface,
    point_confidence,
    rasterize_face,
    vertex_confidence,
)

_NO_COLOUR = np.array([160, 160, 160], np.float32)
# Weight of the smoothness term. It is roughly the number of edges over which colours are averaged.
_STIFFNESS = 4.0
# Weight of the prior, the colour of the skin. It dominates far from visible vertices.
_PRIOR_WEIGHT = 0.02
# Standard deviation of the Gaussian weight of colours around the skin colour, and the smallest
# weight. The low weights keep hair, hats and shadows from spreading down the neck.
_SKIN_DEVIATION = 40.0
_LEAST_WEIGHT = 0.05
# Factors of red, green and blue that turn the colour of the skin into that of a cavity.
_CAVITY_TINT = np.array([0.42, 0.18, 0.17], np.float32)


class _PhotoColours(NamedTuple):
    """Colours of points in the photo, and their confidence from 0 to 1."""

    colour: Float32[np.ndarray, "N 3"]
    confidence: Float32[np.ndarray, " N"]


class _Fallback(NamedTuple):
    """Smooth colours for hidden points.

    Attributes:
      difference: the colour of a point minus that of its mirror image.
      colour: the colour of points that are hidden together with their mirror image.
    """

    difference: Float32[np.ndarray, "N 3"]
    colour: Float32[np.ndarray, "N 3"]


@typed
def pixels_per_texel(
    vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"], atlas: Atlas, size: int
) -> float:
    """Returns the mean side of a texel in pixels of the photo, over triangles that face the camera.

    Args:
      vertices: mesh in the image frame, pixels.
      triangles: vertex indices, counter-clockwise from outside in the model frame.
      atlas: the layout of the surface.
      size: N, the side of the texture in texels.
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
    surface: FaceSurface,
    atlas: Atlas,
    size: int,
) -> UInt8[np.ndarray, "N N 3"]:
    """Computes the texture of a face from a photo.

    A photo that is finer than the texture is averaged, a coarser one is interpolated. Texels
    outside the charts continue the colours inside.

    Args:
      image: the photo, RGB.
      vertices: mesh in the image frame, pixels.
      surface: surface properties of the face model (`photo_confidence.build_face_surface`).
      atlas: the layout of the surface.
      size: N, the side of the texture in texels; a power of two.

    Returns:
      sRGB values; mid grey everywhere if no vertex is visible.
    """
    triangles, mirror = surface.triangles, surface.mirror
    face = rasterize_face(vertices, triangles)
    confidence = vertex_confidence(vertices, surface, face)
    at_vertices = _sample_photo(image, 1, face, vertices, confidence)
    fallback = _fallback(at_vertices, surface)
    raster = uv_maps.rasterize_atlas(atlas, size)

    def texels(values: np.ndarray) -> Float32[np.ndarray, "P C"]:
        at_texels = rasterizer.interpolate(raster, triangles, values.astype(np.float32))
        return at_texels[raster.covered]

    reduction = max(1, round(pixels_per_texel(vertices, triangles, atlas, size)))
    own, mirrored = (
        _sample_photo(
            image, reduction, face, texels(vertices[rows]), texels(confidence[rows, None])[:, 0]
        )
        for rows in (np.arange(len(vertices)), mirror)
    )
    picture = np.zeros((size, size, 3), np.float32)
    picture[raster.covered] = _blend(own, mirrored, _Fallback(*map(texels, fallback)))
    filled = uv_maps.fill_around_charts(picture, raster.covered)
    return np.rint(np.clip(filled, 0, 255)).astype(np.uint8)


def _sample_photo(
    image: UInt8[np.ndarray, "H W 3"],
    reduction: int,
    face: FaceRaster,
    points: Float[np.ndarray, "N 3"],
    confidence: Float32[np.ndarray, " N"],
) -> _PhotoColours:
    """Samples a photo at points of the face, after averaging blocks of pixels.

    Args:
      image: the photo, RGB.
      reduction: the side of a block, pixels.
      face: the raster of the face.
      points: points on the surface, image frame.
      confidence: the `vertex_confidence` at the points.
    """
    blocks = np.asarray(Image.fromarray(image).reduce(reduction))
    visible = point_confidence(points, face, *image.shape[:2])
    return _PhotoColours(sample_bilinear(blocks, points / reduction), confidence * visible)


def _fallback(own: _PhotoColours, surface: FaceSurface) -> _Fallback:
    """Extends the colours of visible vertices smoothly over the whole surface."""
    mirrored = _PhotoColours(own.colour[surface.mirror], own.confidence[surface.mirror])
    confidence = np.maximum(own.confidence, mirrored.confidence)
    known = confidence > 0.5
    if not known.any():
        return _Fallback(np.zeros_like(own.colour), np.tile(_NO_COLOUR, (len(own.colour), 1)))
    difference = _smoothed(
        own.colour - mirrored.colour,
        own.confidence * mirrored.confidence,
        surface.triangles,
        np.zeros(3),
    )
    colour = lerp(mirrored.colour + difference, own.colour, own.confidence)
    skin = np.median(colour[known], axis=0)
    squared = ((colour - skin) ** 2).sum(axis=-1) / _SKIN_DEVIATION**2
    weights = confidence * np.maximum(np.exp(-squared / 2), _LEAST_WEIGHT)
    smooth = _smoothed(colour, weights, surface.triangles, skin)
    return _Fallback(difference, lerp(smooth, smooth * _CAVITY_TINT, surface.cavity))


def _smoothed(
    values: Float32[np.ndarray, "V 3"],
    weights: Float32[np.ndarray, " V"],
    triangles: Int[np.ndarray, "F 3"],
    prior: Float[np.ndarray, "3"],
) -> Float32[np.ndarray, "V 3"]:
    """Returns the smooth values that fit weighted values at the vertices best.

    They minimise the sum of the weighted squared deviations, of `_STIFFNESS` times the squared
    differences along the edges, and of `_PRIOR_WEIGHT` times the squared deviations from `prior`.
    """
    edges = vertex_graph(triangles, len(values))
    stiffness = scipy.sparse.csgraph.laplacian(edges + edges.T) * (_STIFFNESS / 2)
    system = stiffness + scipy.sparse.diags_array(weights + _PRIOR_WEIGHT)
    target = weights[:, None] * values + _PRIOR_WEIGHT * prior
    return scipy.sparse.linalg.splu(system.tocsc()).solve(target).astype(np.float32)


def _blend(
    own: _PhotoColours, mirrored: _PhotoColours, fallback: _Fallback
) -> Float32[np.ndarray, "N 3"]:
    relit = mirrored.colour + fallback.difference
    hidden = lerp(fallback.colour, relit, mirrored.confidence)
    return lerp(hidden, own.colour, own.confidence)
