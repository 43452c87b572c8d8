"""A small regressor for CPUs, the architecture of the embedded weights (our choice)."""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from twodasl_jax.geometry.coefficients import VECTOR_SIZE
from twodasl_jax.networks.normalization import BatchGroups, BatchNorm

# The number of residual blocks in each of the five stages. A stage halves the resolution (60, 30, 15,
# 8 and 4 pixels from a 120x120 crop) and doubles the channels. Large maps have no residual blocks.
# Convolutions are plain, because depthwise ones are slow in XLA on CPUs.
_BLOCKS = (0, 0, 1, 1, 0)
_HIDDEN = 256


class CompactNet(nn.Module):
    """Five strided 3x3 convolutions, two residual blocks and a dense layer on the flattened map.

    The network has 1.8 M parameters, and 0.7 M at half the width. The dense layer receives the
    whole 4x4 map, because its mean would lose the position of the face in the crop.

    Attributes:
      output_size: the length of the regressed vector.
      dtype: the type of the computation; parameters stay float32.
      groups: the groups of examples that share BatchNorm statistics.
      width: the number of channels of the first stage.
      norm: `BatchNorm`, or `ChannelBias` if it is folded into the convolutions.
    """

    output_size: int = VECTOR_SIZE
    dtype: Any = jnp.float32
    groups: BatchGroups = BatchGroups()
    width: int = 16
    norm: Callable[..., nn.Module] = BatchNorm

    @nn.compact
    def __call__(self, x: Float[Array, "B 120 120 4"], *, train: bool) -> Float[Array, "B C"]:
        convolution = functools.partial(
            nn.Conv, kernel_size=(3, 3), padding=1, use_bias=False, dtype=self.dtype
        )
        norm = functools.partial(
            self.norm, train=train, momentum=0.97, groups=self.groups, dtype=self.dtype
        )
        for stage, blocks in enumerate(_BLOCKS, start=1):
            channels = self.width * 2 ** (stage - 1)
            x = convolution(channels, strides=(2, 2), name=f"stage{stage}_conv")(x)
            x = nn.relu(norm(name=f"stage{stage}_norm")(x))
            for block in range(blocks):
                x = ResidualBlock(channels, convolution, norm, name=f"stage{stage}_block{block}")(x)
        x = x.reshape(x.shape[0], -1)
        x = nn.relu(nn.Dense(_HIDDEN, dtype=self.dtype, name="hidden")(x))
        return nn.Dense(self.output_size, dtype=self.dtype, name="head")(x).astype(jnp.float32)


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions with an identity shortcut."""

    channels: int
    convolution: Any
    norm: Any

    @nn.compact
    def __call__(self, x: Float[Array, "B H W K"]) -> Float[Array, "B H W K"]:
        y = nn.relu(self.norm(name="norm1")(self.convolution(self.channels, name="conv1")(x)))
        y = self.norm(name="norm2")(self.convolution(self.channels, name="conv2")(y))
        return nn.relu(x + y)
