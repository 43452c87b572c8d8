"""Small arithmetic of layers and colours."""

import numpy as np

from twodasl_jax.rendering import rasterizer


def rise(values: np.ndarray, low: float, high: float) -> np.ndarray:
    """0 below `low`, 1 above `high`, linear between."""
    return np.clip((values - low) / (high - low), 0, 1)


def mix(colour: np.ndarray, other: np.ndarray, share: np.ndarray) -> np.ndarray:
    """The first colour where the share is 0, the other where it is 1; (N, 3) and (N,)."""
    return colour + share[:, None] * (other - colour)


def lay_over(picture: np.ndarray, layer: np.ndarray) -> None:
    """Mixes a layer, premultiplied by its opacity, into an RGB picture in place."""
    picture *= 1 - layer[..., 3:]
    picture += layer[..., :3]


def samples_of(
    raster: rasterizer.Raster, triangles: np.ndarray, attributes: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Returns which pixels see the mesh, (H, W), and the attributes at these, (N, C)."""
    covered = raster.triangle != rasterizer.NO_TRIANGLE
    seen = rasterizer.Raster(*(values[covered][None] for values in raster))
    return covered, rasterizer.interpolate(seen, triangles, attributes)[0]


def as_points(points: np.ndarray) -> list[tuple[float, float]]:
    """The form of (N, 2) points that Pillow draws."""
    return [(float(x), float(y)) for x, y in points]
