"""The reconstructed mesh as a lit, half-transparent surface over the photo."""

import numpy as np
import scipy.spatial
from jaxtyping import Float, Float32, Int, UInt8

from twodasl_jax.array_types import typed
from twodasl_jax.geometry.mesh import vertex_normals
from twodasl_jax.rendering import rasterizer
from twodasl_jax.rendering.interpolation import linear_step
from twodasl_jax.rendering.layers import Layer, window_around
from twodasl_jax.rendering.marks import face_size
from twodasl_jax.rendering.supersampling import SAMPLES, sum_of_samples, supersampled_strips

_MESH_COLOUR = np.array([212, 226, 244], np.float32)
_MESH_OPACITY = 0.76
# Distances from the nearest landmark, relative to the size of the face, between which the mesh
# fades out. Skull and throat would hide the photo without showing anything useful.
_FADE = (0.22, 0.46)
_AMBIENT_LIGHT = 0.24
# Unit vectors toward the lights, image frame (y down), and their strengths: a key light from the
# upper left of the camera and a weak fill light from the other side.
_LIGHTS = (
    (np.array([-0.40, -0.52, 0.755], np.float32), 0.76),
    (np.array([0.80, 0.00, 0.600], np.float32), 0.20),
)


@typed
def opacity_around(
    vertices: Float[np.ndarray, "V 3"], landmarks: Float[np.ndarray, "68 3"]
) -> Float[np.ndarray, " V"]:
    """Returns the opacity of each vertex: 1 near the landmarks, fading to 0 far from them.

    Args:
      vertices: vertices of the mean face, model frame.
      landmarks: landmarks of the mean face, model frame.
    """
    distance, _ = scipy.spatial.KDTree(landmarks).query(vertices)
    start, end = _FADE
    remaining = linear_step(distance / face_size(landmarks), end, start)
    # Smoothstep.
    return (remaining**2 * (3 - 2 * remaining)).astype(np.float32)


@typed
def mesh_layer(
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    opacity: Float[np.ndarray, " V"],
    height: int,
    width: int,
) -> Layer:
    """Draws a mesh as a smoothly shaded surface with antialiased edges.

    Args:
      vertices: mesh in the image frame, pixels.
      triangles: vertex indices, counter-clockwise from outside in the model frame.
      opacity: the opacity of each vertex, from 0 to 1.
      height: the height of the photo, pixels.
      width: the width of the photo, pixels.
    """
    window = window_around(vertices, 0.0, height, width)
    normals = vertex_normals(vertices, triangles)
    attributes = np.concatenate([normals, opacity[:, None]], axis=1).astype(np.float32)
    rgba = np.zeros((window.height, window.width, 4), np.uint8)
    for rows, raster in supersampled_strips(vertices, triangles, window):
        samples = rasterizer.interpolate(raster, triangles, attributes)
        rgba[rows] = _resolve(_lambert(samples[..., :3]), samples[..., 3])
    return Layer(window.row, window.column, rgba)


def _lambert(normals: Float32[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "h w"]:
    """Returns the brightness of a matt surface; the normals need not have unit length."""
    squared = np.einsum("hwc,hwc->hw", normals, normals)
    lengths = np.sqrt(np.maximum(squared, np.finfo(np.float32).tiny))
    light = np.full_like(lengths, _AMBIENT_LIGHT)
    for direction, strength in _LIGHTS:
        light += strength * np.maximum(normals @ direction, 0) / lengths
    return light


def _resolve(
    light: Float32[np.ndarray, "h w"], opacity: Float32[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h/2 w/2 4"]:
    """Reduces the samples of each pixel to a mean colour and an opacity."""
    total = sum_of_samples(opacity)
    brightness = sum_of_samples(light * opacity) / np.maximum(total, np.finfo(np.float32).tiny)
    colour = np.minimum(brightness[..., None] * _MESH_COLOUR, 255)
    opacity = total * (255 * _MESH_OPACITY / SAMPLES**2)
    return np.rint(np.concatenate([colour, opacity[..., None]], axis=-1)).astype(np.uint8)
