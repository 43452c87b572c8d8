"""The self-critic of 2DASL (section 3.4): do an image and a coefficient vector belong together?"""

from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from twodasl_jax.networks.pooling import max_pool

# Each with ReLU and max pooling: maps of 60, 30, 15, 7, 3 and 1 from a 120x120 crop.
_CONVOLUTIONS = 6
_HIDDEN = (512, 1024, 1024)


class SelfCritic(nn.Module):
    """Scores pairs; `encode` and `score` apart, because one image may stand in several pairs.

    Attributes:
      dtype: of the computation; parameters stay float32.
      width: channels of the first convolution; they double as the map shrinks. The paper gives none (our choice).
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
        """Returns the logit of each pair being consistent; see `encode` and `score`."""
        return self.score(self.encode(image), vector)

    def encode(self, image: Float[Array, "B 120 120 3"]) -> Float[Array, "B L"]:
        """Returns the latent of each image, scaled as by `normalize_image`."""
        x = image
        for convolution in self.convolutions:
            x = max_pool(nn.relu(convolution(x)), window=2, stride=2)
        return x.reshape(x.shape[0], -1)

    def score(self, latent: Float[Array, "B L"], vector: Float[Array, "B C"]) -> Float[Array, " B"]:
        """Returns the logit of each pair of an image's latent and a whitened coefficient vector."""
        x = jnp.concatenate([latent, vector.astype(latent.dtype)], axis=-1)
        for layer in self.hidden:
            x = nn.relu(layer(x))
        return self.logit(x)[:, 0].astype(jnp.float32)
