"""The self-critic of 2DASL (section 3.4), which scores the consistency of image and coefficients."""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from twodasl_jax.networks.pooling import max_pool

# Each convolution has a ReLU and max pooling: maps of 60, 30, 15, 7, 3 and 1 from a 120x120 crop.
_CONVOLUTIONS = 6
_HIDDEN = (512, 1024, 1024)


class SelfCritic(nn.Module):
    """Scores pairs of an image and a coefficient vector.

    `encode` and `score` are separate methods, because one image may occur in several pairs.

    Attributes:
      dtype: the type of the computation; parameters stay float32.
      width: the number of channels of the first convolution; each further convolution doubles it.
        The paper does not give it (our choice).
    """

    dtype: Any = jnp.float32
    width: int = 16

    def setup(self):
        self.convolutions = [
            nn.Conv(self.width * 2**stage, (3, 3), padding=1, dtype=self.dtype)
            for stage in range(_CONVOLUTIONS)
        ]
        self.hidden = [nn.Dense(size, dtype=self.dtype) for size in _HIDDEN]
        self.logit = nn.Dense(1, dtype=self.dtype)

    def __call__(
        self, image: Float[Array, "B 120 120 3"], vector: Float[Array, "B C"]
    ) -> Float[Array, " B"]:
        """Computes the logit of the consistency of each pair; see `encode` and `score`."""
        return self.score(self.encode(image), vector)

    def encode(self, image: Float[Array, "B 120 120 3"]) -> Float[Array, "B L"]:
        """Computes the latent vector of each image; images are scaled by `normalize_image`."""
        x = image
        for convolution in self.convolutions:
            x = max_pool(nn.relu(convolution(x)), window=2, stride=2)
        return x.reshape(x.shape[0], -1)

    def score(self, latent: Float[Array, "B L"], vector: Float[Array, "B C"]) -> Float[Array, " B"]:
        """Computes the logit of each pair of a latent vector and a whitened coefficient vector."""
        x = jnp.concatenate([latent, vector.astype(latent.dtype)], axis=-1)
        for layer in self.hidden:
            x = nn.relu(layer(x))
        return self.logit(x)[:, 0].astype(jnp.float32)
