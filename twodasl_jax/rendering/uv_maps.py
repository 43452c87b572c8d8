"""Pictures in texture coordinates: position maps, texture sampling and hole filling.

The texel in row i and column j of a square picture of N x N texels has its centre at
u = (j + 0.5) / N, v = 1 - (i + 0.5) / N, the convention of OBJ and glTF viewers.
"""

import numpy as np
from jaxtyping import Bool, Float, Float32, Int, UInt8

from twodasl_jax.array_types import typed
from twodasl_jax.rendering import rasterizer
from twodasl_jax.rendering.atlas import Atlas
from twodasl_jax.rendering.interpolation import sample_bilinear


@typed
def rasterize_atlas(atlas: Atlas, size: int) -> rasterizer.Raster:
    """Rasterises the triangles of the mesh in texture space.

    Args:
      atlas: the layout of the surface.
      size: N, the side of the picture in texels.

    Returns:
      The triangle and barycentric weights of each texel. They interpolate values at the vertices of
      the mesh as well as values at the rows of the atlas. The depth has no meaning.
    """
    u, v = atlas.uv.T
    texels = np.stack([u * size, (1 - v) * size, np.zeros_like(u)], axis=-1)
    return rasterizer.rasterize(texels, atlas.triangles, size, size)


@typed
def position_map(
    raster: rasterizer.Raster,
    triangles: Int[np.ndarray, "F 3"],
    vertices: Float[np.ndarray, "V 3"],
) -> Float32[np.ndarray, "N N 3"]:
    """Returns the surface point at every texel; nan outside the charts.

    Args:
      raster: the raster of the atlas (`rasterize_atlas`).
      triangles: vertex indices of the mesh.
      vertices: mesh in any frame, which is also the frame of the result.

    References:
      Feng et al., Joint 3D Face Reconstruction and Dense Alignment with Position Map Regression
      Network, 2018.
    """
    positions = rasterizer.interpolate(raster, triangles, vertices)
    positions[~raster.covered] = np.nan
    return positions


@typed
def vertex_colours(
    texture: UInt8[np.ndarray, "N N 3"], atlas: Atlas, count: int
) -> UInt8[np.ndarray, "{count} 3"]:
    """Returns the colour of a texture at each vertex.

    A vertex on a seam takes the colour of one of its rows.

    Args:
      texture: the texture of the surface, sRGB.
      atlas: the layout of the surface.
      count: the number of vertices; a vertex without a triangle is black.
    """
    colours = np.zeros((count, 3), np.uint8)
    colours[atlas.vertices] = np.rint(sample_texture(texture, atlas.uv))
    return colours


@typed
def sample_texture(
    texture: UInt8[np.ndarray, "N N 3"], uv: Float[np.ndarray, "P 2"]
) -> Float32[np.ndarray, "P 3"]:
    """Interpolates a texture bilinearly at texture coordinates."""
    u, v = uv.T
    return sample_bilinear(texture, np.stack([u, 1 - v], axis=-1) * len(texture))


@typed
def fill_around_charts(
    picture: Float32[np.ndarray, "N N C"], covered: Bool[np.ndarray, "N N"]
) -> Float32[np.ndarray, "N N C"]:
    """Extends the colours of the charts over all other texels (pull-push).

    This avoids artefacts at seams when a viewer filters or shrinks the picture. A texel outside the
    charts takes its value from the finest level of a mean pyramid that reaches a chart.

    Args:
      picture: the values of the texels; values outside the charts are ignored. N is a power of two.
      covered: which texels lie in a chart.

    Returns:
      A new picture; 0 everywhere if there are no charts.

    References:
      Gortler et al., The Lumigraph, 1996 (pull-push).
    """
    weighted = np.where(covered[..., None], picture, 0).astype(np.float32)
    return _pull_push(weighted, covered[..., None].astype(np.float32))


def _pull_push(
    weighted: Float32[np.ndarray, "N N C"], weight: Float32[np.ndarray, "N N 1"]
) -> Float32[np.ndarray, "N N C"]:
    """Returns weighted / weight, with values of coarser levels for texels of weight 0."""
    values = weighted / np.maximum(weight, np.finfo(np.float32).tiny)
    if len(weighted) == 1:
        return values
    coarse = _pull_push(_sum_blocks(weighted), _sum_blocks(weight))
    return np.where(weight > 0, values, _double(coarse))


def _sum_blocks(values: Float32[np.ndarray, "N N C"]) -> Float32[np.ndarray, "N/2 N/2 C"]:
    rows = values[0::2] + values[1::2]
    return rows[:, 0::2] + rows[:, 1::2]


def _double(values: Float32[np.ndarray, "N N C"]) -> Float32[np.ndarray, "2*N 2*N C"]:
    """Doubles the resolution: each texel is 3/4 of the nearer and 1/4 of the next one, per axis."""
    for axis in (0, 1):
        along = np.moveaxis(values, axis, 0)
        before, after = (
            np.concatenate([along[:1], along[:-1]]),
            np.concatenate([along[1:], along[-1:]]),
        )
        pairs = np.stack([0.75 * along + 0.25 * before, 0.75 * along + 0.25 * after], axis=1)
        values = np.moveaxis(pairs.reshape(-1, *along.shape[1:]), 0, axis)
    return values
