"""MobileNetV1, the regressor of 3DDFA and 3DDFA_V2, which ignores the landmark map."""

import functools
from collections.abc import Callable
from typing import Any, NamedTuple

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from twodasl_jax.geometry.coefficients import VECTOR_SIZE
from twodasl_jax.networks.depthwise import DepthwiseConv, depthwise, grouped
from twodasl_jax.networks.normalization import BatchGroups, BatchNorm
from twodasl_jax.networks.pointwise import PointwiseConv

# (channels relative to the stem, stride) of the blocks; maps of 60, 30, 15, 8 and 4 from a 120x120 crop.
BLOCKS = (
    *((2, 1), (4, 2), (4, 1), (8, 2), (8, 1)),
    *((16, 2), (16, 1), (16, 1), (16, 1), (16, 1), (16, 1)),
    *((32, 2), (32, 1)),
)
_IMAGE_CHANNELS = 3


class MobileNetV1(nn.Module):
    """MobileNetV1 (Howard et al., 2017) with the padding of PyTorch.

    The network ignores the landmark map, because the published networks have no parameters for it.

    Attributes:
      output_size: the length of the regressed vector.
      dtype: the type of the computation; parameters stay float32.
      groups: the groups of examples that share BatchNorm statistics.
      width: the number of channels of the stem; 32 at full width.
      convolve: the implementation of depthwise convolutions; see `DepthwiseConv`.
      norm: `BatchNorm`, or `ChannelBias` if it is folded into the convolutions.
    """

    output_size: int = VECTOR_SIZE
    dtype: Any = jnp.float32
    groups: BatchGroups = BatchGroups()
    width: int = 32
    convolve: Callable[..., Array] = depthwise
    norm: Callable[..., nn.Module] = BatchNorm

    @nn.compact
    def __call__(self, x: Float[Array, "B 120 120 4"], *, train: bool) -> Float[Array, "B C"]:
        norm = functools.partial(
            self.norm, train=train, momentum=0.9, groups=self.groups, dtype=self.dtype
        )
        spatial = functools.partial(DepthwiseConv, dtype=self.dtype, convolve=self.convolve)
        layers = Layers(spatial, functools.partial(PointwiseConv, dtype=self.dtype), norm)
        x = x[..., :_IMAGE_CHANNELS]
        stem = nn.Conv(
            self.width,
            (3, 3),
            (2, 2),
            padding=1,
            use_bias=False,
            dtype=self.dtype,
            name="stem_conv",
        )
        x = nn.relu(norm(name="stem_norm")(stem(x)))
        for number, (multiple, stride) in enumerate(BLOCKS, start=1):
            channels = multiple * self.width
            x = SeparableBlock(channels, stride, layers, name=f"block{number}")(x)
        x = jnp.mean(x, axis=(1, 2))
        return nn.Dense(self.output_size, dtype=self.dtype, name="head")(x).astype(jnp.float32)


class Layers(NamedTuple):
    """The layer constructors of a block, with the settings that all blocks share."""

    depthwise: Callable[..., nn.Module]
    pointwise: Callable[..., nn.Module]
    norm: Callable[..., nn.Module]


class SeparableBlock(nn.Module):
    """A depthwise 3x3 and a 1x1 convolution, each with normalisation and ReLU."""

    channels: int
    stride: int
    layers: Layers

    @nn.compact
    def __call__(self, x: Float[Array, "B H W K"]) -> Float[Array, "B h w k"]:
        spatial = self.layers.depthwise(self.stride, name="depthwise_conv")
        pointwise = self.layers.pointwise(self.channels, name="pointwise_conv")
        x = nn.relu(self.layers.norm(name="depthwise_norm")(spatial(x)))
        return nn.relu(self.layers.norm(name="pointwise_norm")(pointwise(x)))


def portable(network: nn.Module) -> nn.Module:
    """Returns the same network in operations that other compilers support too, for export."""
    return network.clone(convolve=grouped) if isinstance(network, MobileNetV1) else network
