"""What the networks see: the scaled crop with the landmark map as its fourth channel."""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Num

from twodasl_jax.array_types import Array, typed


@typed
def normalize_image(image: Num[Array, "*batch H W 3"]) -> Float[jax.Array, "*batch H W 3"]:
    """Returns (image - 127.5) / 128 of an RGB picture with values from 0 to 255 (the official scaling)."""
    return (jnp.asarray(image, jnp.float32) - 127.5) / 128.0


@typed
def network_input(
    image: Num[Array, "*batch H W 3"], landmark_map: Float[Array, "*batch H W"]
) -> Float[jax.Array, "*batch H W 4"]:
    """Returns the four channels R, G, B and landmark map of a batch of crops.

    Args:
      image: (..., H, W, 3) RGB crop, 0 to 255.
      landmark_map: (..., H, W) in [-1, 1]; -1 everywhere where no landmarks are known.
    """
    return jnp.concatenate([normalize_image(image), landmark_map[..., None]], axis=-1)
