"""Helpers for drawing: compositing, mesh samples and Pillow coordinates."""

import numpy as np

from twodasl_jax.rendering import rasterizer


def composite(picture: np.ndarray, layer: np.ndarray) -> None:
    """Composites a layer over an RGB picture in place.

    Args:
      picture: (H, W, 3) RGB.
      layer: (H, W, 4) premultiplied RGB, and opacity from 0 to 1.
    """
    picture *= 1 - layer[..., 3:]
    picture += layer[..., :3]


def covered_samples(
    raster: rasterizer.Raster, triangles: np.ndarray, attributes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Interpolates vertex attributes at the pixels that a mesh covers.

    Returns:
      The mask of the covered pixels (H, W), and the attributes at them (N, C).
    """
    covered = raster.covered
    samples = rasterizer.Raster(*(values[covered][None] for values in raster))
    return covered, rasterizer.interpolate(samples, triangles, attributes)[0]


def as_points(points: np.ndarray) -> list[tuple[float, float]]:
    """Converts (N, 2) points to the form that Pillow accepts."""
    return [(float(x), float(y)) for x, y in points]
