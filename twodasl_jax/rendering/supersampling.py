"""Supersampling: several samples of a mesh per pixel, for smooth edges."""

from collections.abc import Iterator

import numpy as np
from jaxtyping import Float, Float32, Int

from twodasl_jax.array_types import typed
from twodasl_jax.rendering import rasterizer
from twodasl_jax.rendering.layers import Window

SAMPLES = 2  # per pixel and direction
_STRIP_SAMPLES = 2**20


@typed
def supersampled_strips(
    vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"], window: Window
) -> Iterator[tuple[slice, rasterizer.Raster]]:
    """Rasterises a window of a picture on a finer grid, in strips of rows to limit memory.

    Args:
      vertices: mesh in the image frame, pixels.
      triangles: vertex indices.
      window: the window of the picture to rasterise.

    Yields:
      A range of window rows and their raster, with `SAMPLES` x `SAMPLES` samples per pixel.
    """
    count = max(1, _STRIP_SAMPLES // (max(window.width, 1) * SAMPLES**2))
    for start in range(0, window.height, count):
        stop = min(start + count, window.height)
        corner = np.array([window.column, window.row + start, 0], vertices.dtype)
        on_grid = (vertices - corner) * SAMPLES
        size = (stop - start) * SAMPLES, window.width * SAMPLES
        yield slice(start, stop), rasterizer.rasterize(on_grid, triangles, *size)


@typed
def sum_of_samples(samples: Float32[np.ndarray, "h w"]) -> Float32[np.ndarray, "a b"]:
    """Returns the sum of the samples of each pixel."""
    height, width = samples.shape
    blocks = samples.reshape(height // SAMPLES, SAMPLES, width // SAMPLES, SAMPLES)
    return np.einsum("hawb->hw", blocks)
