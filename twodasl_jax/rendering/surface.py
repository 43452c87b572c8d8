"""The reconstructed surface, lit and half transparent, over the photo."""

import numpy as np
import scipy.spatial
from jaxtyping import Float, Float32, Int, UInt8

from twodasl_jax.array_types import typed
from twodasl_jax.geometry.mesh import vertex_normals
from twodasl_jax.rendering import rasterizer
from twodasl_jax.rendering.layers import Layer, window_around
from twodasl_jax.rendering.marks import face_size
from twodasl_jax.rendering.sampling import SAMPLES, sampled_strips, sum_of_samples

_MESH_COLOUR = np.array([212, 226, 244], np.float32)
_MESH_OPACITY = 0.76
# Distance from the nearest landmark, over the size of the face, where the mesh begins to fade and
# where it is gone: skull and throat would hide more of the photo than they tell.
_FADE = (0.22, 0.46)
_AMBIENT_LIGHT = 0.24
# Unit vectors toward the lights in the image frame (y down) and their strengths: a key light from
# the upper left of the camera, and a weak one from the other side that opens the shadows.
_LIGHTS = (
    (np.array([-0.40, -0.52, 0.755], np.float32), 0.76),
    (np.array([0.80, 0.00, 0.600], np.float32), 0.20),
)


@typed
def opacity_around(
    vertices: Float[np.ndarray, "V 3"], landmarks: Float[np.ndarray, "68 3"]
) -> Float[np.ndarray, " V"]:
    """Returns how opaque each vertex is drawn: the face wholly, and what is far from it not at all.

    Args:
      vertices: of the mean face, model frame.
      landmarks: of the mean face, model frame.
    """
    distance, _ = scipy.spatial.KDTree(landmarks).query(vertices)
    start, end = _FADE
    remaining = np.clip((end - distance / face_size(landmarks)) / (end - start), 0, 1)
    return (remaining**2 * (3 - 2 * remaining)).astype(np.float32)


@typed
def mesh_layer(
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    opacity: Float[np.ndarray, " V"],
    height: int,
    width: int,
) -> Layer:
    """Draws a mesh as a smooth, lit surface with smooth edges.

    Args:
      vertices: mesh in the image frame, pixels.
      triangles: vertex indices, counter-clockwise from outside in the model frame.
      opacity: of each vertex, from 0 to 1.
      height: of the photo, pixels.
      width: of the photo, pixels.
    """
    window = window_around(vertices, 0.0, height, width)
    normals = vertex_normals(vertices, triangles)
    attributes = np.concatenate([normals, opacity[:, None]], axis=1).astype(np.float32)
    rgba = np.zeros((window.height, window.width, 4), np.uint8)
    for rows, raster in sampled_strips(vertices, triangles, window):
        samples = rasterizer.interpolate(raster, triangles, attributes)
        rgba[rows] = _resolve(_lambert(samples[..., :3]), samples[..., 3])
    return Layer(window.row, window.column, rgba)


def _lambert(normals: Float32[np.ndarray, "h w 3"]) -> Float32[np.ndarray, "h w"]:
    """Brightness of a matt surface; the normals need not have unit length."""
    squared = np.einsum("hwc,hwc->hw", normals, normals)
    lengths = np.sqrt(np.maximum(squared, np.finfo(np.float32).tiny))
    light = np.full_like(lengths, _AMBIENT_LIGHT)
    for direction, strength in _LIGHTS:
        light += strength * np.maximum(normals @ direction, 0) / lengths
    return light


def _resolve(
    light: Float32[np.ndarray, "h w"], opacity: Float32[np.ndarray, "h w"]
) -> UInt8[np.ndarray, "h/2 w/2 4"]:
    """Turns the samples of each pixel into its mean colour and its opacity."""
    total = sum_of_samples(opacity)
    brightness = sum_of_samples(light * opacity) / np.maximum(total, np.finfo(np.float32).tiny)
    colour = np.minimum(brightness[..., None] * _MESH_COLOUR, 255)
    opacity = total * (255 * _MESH_OPACITY / SAMPLES**2)
    return np.rint(np.concatenate([colour, opacity[..., None]], axis=-1)).astype(np.uint8)
