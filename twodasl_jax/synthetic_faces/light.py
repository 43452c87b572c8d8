"""Shading under light in second-order spherical harmonics, and the gamma encoding of pictures."""

import numba
import numpy as np
from jaxtyping import Float, Float32

from twodasl_jax.array_types import typed

_GAMMA = 2.2
# The cosine lobe in spherical harmonics, per coefficient (Ramamoorthi and Hanrahan 2001).
_LOBE = np.repeat(np.array([np.pi, 2 * np.pi / 3, np.pi / 4]), [1, 3, 5])
_ENCODING = (255 * (np.arange(4097) / 4096) ** (1 / _GAMMA)).astype(np.float32)
DECODING = ((np.arange(256) / 255) ** _GAMMA).astype(np.float32)


@typed
def ambient_light(colour: Float[np.ndarray, "3"]) -> Float32[np.ndarray, "9 3"]:
    """Returns light with the same irradiance in every direction, given as linear RGB."""
    light = np.zeros((9, 3), np.float32)
    light[0] = colour * np.sqrt(4 * np.pi)
    return light


@typed
def directed_light(
    direction: Float[np.ndarray, "3"], colour: Float[np.ndarray, "3"]
) -> Float32[np.ndarray, "9 3"]:
    """Returns the irradiance of a directional light in second-order spherical harmonics.

    Args:
      direction: the unit vector toward the light, image frame (y down, z toward the camera).
      colour: the irradiance of a surface that faces the light, linear RGB.

    References:
      Ramamoorthi and Hanrahan, An Efficient Representation for Irradiance Environment Maps, 2001.
    """
    lobe = _LOBE * _spherical_harmonics(direction[None])[0]
    return (lobe[:, None] * colour).astype(np.float32)


def _spherical_harmonics(normals: np.ndarray) -> np.ndarray:
    """Returns the real spherical harmonics of unit vectors up to the second order, (N, 9)."""
    values = np.empty((len(normals), 9), normals.dtype)
    for row, normal in enumerate(normals):
        _harmonics(normal[0], normal[1], normal[2], values[row])
    return values


def shade(
    albedo: np.ndarray, normals: np.ndarray, light: np.ndarray, gloss: np.ndarray
) -> np.ndarray:
    """Returns the gamma-encoded colours of lit points, from 0 to 255.

    Args:
      albedo: (N, 3) reflectance, linear RGB.
      normals: (N, 3) normals of any length, image frame.
      light: (9, 3) irradiance in spherical harmonics, linear RGB.
      gloss: (N,) the fraction of specularly reflected light.
    """
    # The first-order coefficients give the dominant direction of the light.
    toward = light[[3, 1, 2]].sum(axis=1)
    strength = np.linalg.norm(toward)
    half = toward / max(float(strength), 1e-6) + np.array([0, 0, 1])
    half = (half / np.linalg.norm(half)).astype(np.float32)
    colours = np.empty((len(albedo), 3), np.float32)
    specular = gloss * np.float32(strength / 3)
    _shade(
        albedo.astype(np.float32, copy=False),
        normals.astype(np.float32, copy=False),
        light.astype(np.float32, copy=False),
        specular.astype(np.float32, copy=False),
        half,
        colours,
    )
    return colours


@numba.njit(cache=True, nogil=True)
def _harmonics(x, y, z, values):
    values[0] = 0.282095
    values[1], values[2], values[3] = 0.488603 * y, 0.488603 * z, 0.488603 * x
    values[4], values[5], values[7] = 1.092548 * x * y, 1.092548 * y * z, 1.092548 * x * z
    values[6] = 0.315392 * (3 * z * z - 1)
    values[8] = 0.546274 * (x * x - y * y)


@numba.njit(cache=True, nogil=True)
def _shade(albedo, normals, light, specular, half, colours):
    basis = np.empty(9, np.float32)
    for row in range(len(albedo)):
        x, y, z = normals[row]
        length = max(np.sqrt(x * x + y * y + z * z), np.float32(1e-6))
        x, y, z = x / length, y / length, z / length
        _harmonics(x, y, z, basis)
        highlight = max(x * half[0] + y * half[1] + z * half[2], np.float32(0))
        for _ in range(4):
            highlight *= highlight  # gives the 16th power
        for channel in range(3):
            irradiance = np.float32(0)
            for term in range(9):
                irradiance += basis[term] * light[term, channel]
            linear = albedo[row, channel] * max(irradiance, np.float32(0.02))
            linear += specular[row] * highlight
            step = int(min(max(linear, np.float32(0)), np.float32(1)) * 4096)
            colours[row, channel] = _ENCODING[step]
