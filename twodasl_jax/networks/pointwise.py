"""1x1 convolution as a matrix product, which is twice as fast as a convolution in XLA on CPUs."""

from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


class PointwiseConv(nn.Module):
    """A 1x1 convolution without bias, with the parameters of `nn.Conv`.

    Attributes:
      features: the number of output channels.
      stride: the stride in pixels.
      dtype: the type of the computation; the kernel stays float32.
    """

    features: int
    stride: int = 1
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B H W K"]) -> Float[Array, "B h w C"]:
        shape = (1, 1, x.shape[-1], self.features)
        kernel = self.param("kernel", nn.linear.default_kernel_init, shape, jnp.float32)
        sampled = x[:, :: self.stride, :: self.stride].astype(self.dtype)
        return product(sampled, kernel[0, 0].astype(self.dtype))


@jax.custom_vjp
def product(x: Float[Array, "B h w K"], kernel: Float[Array, "K C"]) -> Float[Array, "B h w C"]:
    """Computes x @ kernel, with a gradient of the kernel that has x as the first factor.

    Automatic differentiation makes x the second factor. XLA on CPUs then recomputes the incoming
    gradient column by column, at a tenth of the speed.
    """
    return x @ kernel


def _forward(x, kernel):
    return product(x, kernel), (x, kernel)


def _backward(factors, gradient):
    x, kernel = factors
    pixels = (0, 1, 2)
    return gradient @ kernel.T, jnp.tensordot(x, gradient, axes=(pixels, pixels))


product.defvjp(_forward, _backward)
