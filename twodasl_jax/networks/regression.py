"""Inference with a regressor, from image and landmark map to official coefficient vectors."""

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Float, Num, PyTree

from twodasl_jax.array_types import Array
from twodasl_jax.geometry.coefficients import Whitening, unwhiten
from twodasl_jax.networks.inputs import network_input


def regress(
    network: nn.Module,
    variables: PyTree,
    whitening: Whitening,
    image: Num[Array, "B H W 3"],
    landmark_map: Float[Array, "B H W"],
) -> Float[Array, "B C"]:
    """Predicts coefficient vectors in the official layout.

    Args:
      network: a regressor of `twodasl_jax.networks`.
      variables: the parameters and the BatchNorm statistics of the network.
      whitening: the whitening of the vectors that the network was trained on.
      image: (B, H, W, 3) RGB crops, 0 to 255.
      landmark_map: (B, H, W) landmark maps in [-1, 1]; see `draw_landmark_map`.

    Returns:
      (B, C) vectors, not whitened.
    """
    whitened = network.apply(variables, network_input(image, landmark_map), train=False)
    return unwhiten(jnp.asarray(whitened), whitening)
