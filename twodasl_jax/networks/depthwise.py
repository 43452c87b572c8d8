"""Depthwise 3x3 convolution that is fast on every platform."""

import functools
from collections.abc import Callable
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

_SIDE = 3
_EDGES = ((1, 1), (1, 1))


def depthwise(
    x: Float[Array, "B H W K"], kernel: Float[Array, "3 3 1 K"], stride: int
) -> Float[Array, "B h w K"]:
    """Convolves each channel with its own kernel, with one pixel of zero padding.

    On CPUs, XLA runs a grouped convolution 10 to 20 times slower than a sum of nine shifted
    products. On other platforms, XLA has dedicated kernels for grouped convolutions.

    Args:
      x: (B, H, W, K) maps.
      kernel: (3, 3, 1, K) one kernel per channel.
      stride: the stride in pixels.
    """
    cpu, other = (functools.partial(form, stride=stride) for form in (_sum_of_shifts, grouped))
    return jax.lax.platform_dependent(x, kernel, cpu=cpu, default=other)


def grouped(
    x: Float[Array, "B H W K"], kernel: Float[Array, "3 3 1 K"], stride: int
) -> Float[Array, "B h w K"]:
    """Computes `depthwise` by a grouped convolution, which other compilers support too."""
    return jax.lax.conv_general_dilated(
        x,
        kernel,
        (stride, stride),
        _EDGES,
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        feature_group_count=x.shape[-1],
    )


class DepthwiseConv(nn.Module):
    """A depthwise 3x3 convolution without bias, with the parameters of a grouped `nn.Conv`.

    Attributes:
      stride: the stride in pixels.
      dtype: the type of the computation; the kernel stays float32.
      convolve: the implementation, `depthwise` or `grouped`.
    """

    stride: int = 1
    dtype: Any = jnp.float32
    convolve: Callable[..., Array] = depthwise

    @nn.compact
    def __call__(self, x: Float[Array, "B H W K"]) -> Float[Array, "B h w K"]:
        shape = (_SIDE, _SIDE, 1, x.shape[-1])
        kernel = self.param("kernel", nn.linear.default_kernel_init, shape, jnp.float32)
        return self.convolve(x.astype(self.dtype), kernel.astype(self.dtype), self.stride)


def _sum_of_shifts(x, kernel, stride):
    height, width = ((size - 1) // stride * stride + 1 for size in x.shape[1:3])
    padded = jnp.pad(x, ((0, 0), *_EDGES, (0, 0)))
    return sum(
        padded[:, row : row + height : stride, column : column + width : stride]
        * kernel[row, column, 0]
        for row in range(_SIDE)
        for column in range(_SIDE)
    )
