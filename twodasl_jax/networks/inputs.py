"""Input of the regressors: the scaled crop with the landmark map as the fourth channel."""

import jax
import jax.numpy as jnp
from jaxtyping import Float, Num

from twodasl_jax.array_types import Array, typed


@typed
def normalize_image(image: Num[Array, "*batch H W 3"]) -> Float[jax.Array, "*batch H W 3"]:
    """Computes (image - 127.5) / 128, the official scaling, of an RGB image with values from 0 to 255."""
    return (jnp.asarray(image, jnp.float32) - 127.5) / 128.0


@typed
def network_input(
    image: Num[Array, "*batch H W 3"], landmark_map: Float[Array, "*batch H W"]
) -> Float[jax.Array, "*batch H W 4"]:
    """Stacks the channels R, G, B and the landmark map.

    Args:
      image: (..., H, W, 3) RGB crops, 0 to 255.
      landmark_map: (..., H, W) landmark maps in [-1, 1]; -1 everywhere without landmarks.
    """
    return jnp.concatenate([normalize_image(image), landmark_map[..., None]], axis=-1)
