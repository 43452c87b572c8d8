"""The official regressor of 2DASL: ResNet-50 on four channels with a stride-1 last stage."""

import functools
from typing import Any

import flax.linen as nn
import jax.numpy as jnp
from jaxtyping import Array, Float

from twodasl_jax.geometry.coefficients import VECTOR_SIZE

# (blocks, channels of the bottleneck, stride) of the four stages; the last keeps its resolution, so that a
# 120x120 crop gives maps of 60, 30, 30, 15, 8, 8 and, after 7x7 pooling, 1.
_STAGES = ((3, 64, 1), (4, 128, 2), (6, 256, 2), (3, 512, 1))
_EXPANSION = 4


class ResNet50(nn.Module):
    """ResNet-50 (He et al., 2016) with the stride in the 3x3 convolution, as in PyTorch.

    Attributes:
      output_size: length of the regressed vector.
      dtype: of the computation; parameters stay float32.
      axis_name: of the devices over which BatchNorm takes its statistics; None for those of one device.
    """

    output_size: int = VECTOR_SIZE
    dtype: Any = jnp.float32
    axis_name: str | None = None

    @nn.compact
    def __call__(self, x: Float[Array, "B 120 120 4"], *, train: bool) -> Float[Array, "B C"]:
        convolution = functools.partial(nn.Conv, use_bias=False, dtype=self.dtype)
        norm = functools.partial(
            nn.BatchNorm,
            use_running_average=not train,
            momentum=0.9,
            epsilon=1e-5,
            dtype=self.dtype,
            axis_name=self.axis_name,
        )
        x = convolution(64, (7, 7), (2, 2), padding=3, name="stem_conv")(x)
        x = nn.relu(norm(name="stem_norm")(x))
        x = nn.max_pool(x, (3, 3), (2, 2), padding=((1, 1), (1, 1)))
        for stage, (blocks, channels, stride) in enumerate(_STAGES, start=1):
            for block in range(blocks):
                x = Bottleneck(
                    channels,
                    stride if block == 0 else 1,
                    convolution,
                    norm,
                    name=f"stage{stage}_block{block}",
                )(x)
        x = nn.avg_pool(x, (7, 7), (2, 2)).reshape(x.shape[0], -1)
        return nn.Dense(self.output_size, dtype=self.dtype, name="head")(x).astype(jnp.float32)


class Bottleneck(nn.Module):
    """1x1, 3x3 and 1x1 convolutions around a shortcut, which is projected where the shape changes."""

    channels: int
    stride: int
    convolution: Any
    norm: Any

    @nn.compact
    def __call__(self, x: Float[Array, "B H W K"]) -> Float[Array, "B h w k"]:
        width = self.channels * _EXPANSION
        strides = (self.stride, self.stride)
        y = nn.relu(
            self.norm(name="norm1")(self.convolution(self.channels, (1, 1), name="conv1")(x))
        )
        y = self.convolution(self.channels, (3, 3), strides, padding=1, name="conv2")(y)
        y = nn.relu(self.norm(name="norm2")(y))
        y = self.norm(name="norm3")(self.convolution(width, (1, 1), name="conv3")(y))
        if x.shape != y.shape:
            x = self.convolution(width, (1, 1), strides, name="shortcut_conv")(x)
            x = self.norm(name="shortcut_norm")(x)
        return nn.relu(x + y)
