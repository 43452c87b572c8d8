"""Turntable animation of a textured head."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Int, UInt8
from PIL import Image

from twodasl_jax.array_types import typed
from twodasl_jax.geometry.mesh import vertex_normals
from twodasl_jax.rendering import rasterizer, uv_maps
from twodasl_jax.rendering.atlas import Atlas

_LARGEST_YAW = 60.0  # degrees
_SAMPLES = 2  # per pixel and direction
_BACKGROUND = np.array([236, 236, 234], np.float32)
_MARGIN = 0.06  # relative to the side of the picture
# Brightness that a surface seen edge-on loses, as under a soft light from the camera.
_FALL_OFF = 0.35


@typed
def turntable_frames(
    points: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    atlas: Atlas,
    texture: UInt8[np.ndarray, "N N 3"],
    *,
    size: int = 360,
    count: int = 48,
) -> Iterator[UInt8[np.ndarray, "H W 3"]]:
    """Renders a head that turns to one side, to the other and back.

    Args:
      points: vertices of the upright head in any unit; x to the subject's left, y up, z out of the
        face.
      triangles: vertex indices, counter-clockwise from outside.
      atlas: the layout of the surface in the texture.
      texture: the texture of the surface, sRGB.
      size: the side of the pictures, pixels.
      count: the number of pictures in a loop.

    Yields:
      RGB pictures; the first one shows the head from the front.
    """
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    centred = points - middle
    reach = max(np.hypot(centred[:, 0], centred[:, 2]).max(), np.abs(centred[:, 1]).max())
    scale = size * _SAMPLES * (0.5 - _MARGIN) / reach
    for phase in 2 * np.pi * np.arange(count) / count:
        yaw = np.radians(_LARGEST_YAW) * np.sin(phase)
        yield _render(_rotated(centred, yaw) * scale, triangles, atlas, texture, size)


def _rotated(points: Float[np.ndarray, "V 3"], yaw: float) -> Float[np.ndarray, "V 3"]:
    """Rotates points about the y axis and converts them to the image frame (y down)."""
    x, y, z = points.T
    return np.stack(
        [np.cos(yaw) * x - np.sin(yaw) * z, -y, np.sin(yaw) * x + np.cos(yaw) * z], axis=-1
    )


def _render(
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    atlas: Atlas,
    texture: UInt8[np.ndarray, "N N 3"],
    size: int,
) -> UInt8[np.ndarray, "H W 3"]:
    fine = size * _SAMPLES
    raster = rasterizer.rasterize(vertices + np.array([fine, fine, 0]) / 2, triangles, fine, fine)
    covered = raster.covered
    uv = rasterizer.interpolate(raster, atlas.triangles, atlas.uv)[covered]
    normals = vertex_normals(vertices, triangles)
    facing = rasterizer.interpolate(raster, triangles, normals[:, 2:])[covered]
    samples = np.tile(_BACKGROUND, (fine, fine, 1))
    brightness = 1 - _FALL_OFF * (1 - np.clip(facing, 0, 1))
    samples[covered] = uv_maps.sample_texture(texture, uv) * brightness
    return np.asarray(Image.fromarray(np.rint(samples).astype(np.uint8)).reduce(_SAMPLES))
