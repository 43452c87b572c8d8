"""Light on matt surfaces: second-order spherical harmonics, and the encoding of a picture."""

import numpy as np
from jaxtyping import Float, Float32

from twodasl_jax.array_types import typed

_GAMMA = 2.2  # of the picture's encoding
# Cosine lobe in spherical harmonics, by order (Ramamoorthi and Hanrahan 2001).
_LOBE = np.repeat(np.array([np.pi, 2 * np.pi / 3, np.pi / 4]), [1, 3, 5])
_ENCODING = (255 * (np.arange(4097) / 4096) ** (1 / _GAMMA)).astype(np.float32)
DECODING = ((np.arange(256) / 255) ** _GAMMA).astype(np.float32)


@typed
def ambient_light(colour: Float[np.ndarray, "3"]) -> Float32[np.ndarray, "9 3"]:
    """Returns light that lends every surface the same irradiance, given as linear RGB."""
    light = np.zeros((9, 3), np.float32)
    light[0] = colour * np.sqrt(4 * np.pi)
    return light


@typed
def directed_light(
    direction: Float[np.ndarray, "3"], colour: Float[np.ndarray, "3"]
) -> Float32[np.ndarray, "9 3"]:
    """Returns light from one direction in second-order spherical harmonics.

    Args:
      direction: unit vector toward the light, image frame (y down, z toward the camera).
      colour: linear RGB of a surface at right angles to the light.

    References:
      Ramamoorthi and Hanrahan, An Efficient Representation for Irradiance Environment Maps, 2001.
    """
    lobe = _LOBE * harmonics(direction[None])[0]
    return (lobe[:, None] * colour).astype(np.float32)


def harmonics(normals: np.ndarray) -> np.ndarray:
    """Real spherical harmonics up to the second order, (N, 9)."""
    x, y, z = normals.T
    values = np.empty((len(normals), 9), normals.dtype)
    values[:, 0] = 0.282095
    for column, value in enumerate((y, z, x), 1):
        values[:, column] = 0.488603 * value
    for column, value in zip((4, 5, 7), (x * y, y * z, x * z), strict=True):
        values[:, column] = 1.092548 * value
    values[:, 6] = 0.315392 * (3 * z * z - 1)
    values[:, 8] = 0.546274 * (x * x - y * y)
    return values


def shade(
    albedo: np.ndarray, normals: np.ndarray, light: np.ndarray, gloss: np.ndarray | float
) -> np.ndarray:
    """Colours of lit surfaces, from 0 to 255 as in a picture.

    Args:
      albedo: (N, 3) reflectance, linear.
      normals: (N, 3) of any length, image frame.
      light: (9, 3).
      gloss: (N,) or one for all.
    """
    lengths = np.sqrt(np.einsum("nd,nd->n", normals, normals))
    unit = normals / np.maximum(lengths, 1e-6)[:, None]
    irradiance = np.maximum(harmonics(unit) @ light, 0.02)
    # The first order points to where most of the light comes from.
    toward = light[[3, 1, 2]].sum(axis=1)
    strength = np.linalg.norm(toward)
    half = toward / max(float(strength), 1e-6) + np.array([0, 0, 1])
    mirrored = np.maximum(unit @ (half / np.linalg.norm(half)).astype(np.float32), 0) ** 16
    linear = albedo * irradiance + (gloss * mirrored * np.float32(strength / 3))[:, None]
    return _encode(linear)


def _encode(linear: np.ndarray) -> np.ndarray:
    return _ENCODING[(np.clip(linear, 0, 1) * 4096).astype(np.int32)]
