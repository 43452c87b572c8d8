"""ResNet-50, the official regressor of 2DASL, with four input channels and a stride-1 last stage."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from twodasl_jax.geometry.coefficients import VECTOR_SIZE
from twodasl_jax.networks.normalization import BatchGroups, BatchNorm
from twodasl_jax.networks.pointwise import PointwiseConv
from twodasl_jax.networks.pooling import max_pool

# (blocks, channels of the bottleneck, stride) of the four stages. The last stage keeps the resolution:
# a 120x120 crop gives maps of 60, 30, 30, 15, 8, 8 and, after 7x7 pooling, 1.
_STAGES = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 1))
_EXPANSION = 4


class ResNet50(nn.Module):
    """ResNet-50 (He et al., 2016) with the stride in the 3x3 convolution, as in PyTorch.

    Attributes:
      output_size: the length of the regressed vector.
      dtype: the type of the computation; parameters stay float32.
      groups: the groups of examples that share BatchNorm statistics.
      norm: `BatchNorm`, or `ChannelBias` if it is folded into the convolutions.
    """

    output_size: int = VECTOR_SIZE
    dtype: Any = jnp.float32
    groups: BatchGroups = BatchGroups()
    norm: Callable[..., nn.Module] = BatchNorm

    @nn.compact
    def __call__(self, x: Float[Array, "B 120 120 4"], *, train: bool) -> Float[Array, "B C"]:
        layers = Layers(
            convolution=functools.partial(nn.Conv, use_bias=False, dtype=self.dtype),
            pointwise=functools.partial(PointwiseConv, dtype=self.dtype),
            norm=functools.partial(
                self.norm, train=train, momentum=0.9, groups=self.groups, dtype=self.dtype
            ),
        )
        x = layers.convolution(64, (7, 7), (2, 2), padding=3, name="stem_conv")(x)
        x = nn.relu(layers.norm(name="stem_norm")(x))
        x = max_pool(x, window=3, stride=2, padding=1)
        for stage, (blocks, channels, stride) in enumerate(_STAGES, start=1):
            for block in range(blocks):
                first = stride if block == 0 else 1
                x = Bottleneck(channels, first, layers, name=f"stage{stage}_block{block}")(x)
        # The official 7x7 average pooling of the 8x8 map has a single window.
        x = jnp.mean(x[:, :7, :7], axis=(1, 2))
        return nn.Dense(self.output_size, dtype=self.dtype, name="head")(x).astype(jnp.float32)


class Layers(NamedTuple):
    """The layer constructors of a block, with the settings that all blocks share."""

    convolution: Callable[..., nn.Module]
    pointwise: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions with a shortcut, which is projected if the shape changes."""

    channels: int
    stride: int
    layers: Layers

    @nn.compact
    def __call__(self, x: Float[Array, "B H W K"]) -> Float[Array, "B h w k"]:
        convolution, pointwise, norm = self.layers
        width, strides = self.channels * _EXPANSION, (self.stride, self.stride)
        y = nn.relu(norm(name="norm1")(pointwise(self.channels, name="conv1")(x)))
        y = convolution(self.channels, (3, 3), strides, padding=1, name="conv2")(y)
        y = nn.relu(norm(name="norm2")(y))
        y = norm(name="norm3")(pointwise(width, name="conv3")(y))
        if x.shape != y.shape:
            x = norm(name="shortcut_norm")(pointwise(width, self.stride, name="shortcut_conv")(x))
        return nn.relu(x + y)
