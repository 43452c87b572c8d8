"""BatchNorm over groups of examples, with a backward pass that needs little memory traffic.

Memory traffic limits the training of a ResNet, and BatchNorm causes most of it. The backward pass
here is derived by hand. It stores the input in the precision of the network and two numbers per
channel. Automatic differentiation stores float32 copies of the whole input.
"""

import dataclasses
import functools
from typing import Any

import flax.linen as nn
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


@dataclasses.dataclass(frozen=True)
class BatchGroups:
    """The groups of examples that share BatchNorm statistics.

    Attributes:
      count: the number of equal groups of consecutive examples on each device.
      axis_name: the name of the mapped axis of devices that share their statistics; None if each
        device has its own.
    """

    count: int = 1
    axis_name: str | None = None


class BatchNorm(nn.Module):
    """Normalises each channel by the mean and variance over the examples and pixels of a group.

    Running statistics are means over all groups of a device. Parameters and statistics have the
    names of `flax.linen.BatchNorm`.

    Attributes:
      train: whether to normalise by the statistics of the batch and to update the running ones.
      momentum: the momentum of the running statistics.
      groups: the groups of examples that share statistics.
      epsilon: the number that is added to the variance.
      dtype: the type of the result; statistics are float32.

    References:
      Ioffe and Szegedy, Batch Normalization, ICML 2015.
      Hoffer et al., Train longer, generalize better, NeurIPS 2017 (groups: ghost batch
        normalisation).
    """

    train: bool
    momentum: float
    groups: BatchGroups = BatchGroups()
    epsilon: float = 1e-5
    dtype: Any = jnp.float32

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
        channels = x.shape[-1:]
        scale = self.param("scale", nn.initializers.ones, channels, jnp.float32)
        bias = self.param("bias", nn.initializers.zeros, channels, jnp.float32)
        mean = self.variable("batch_stats", "mean", jnp.zeros, channels, jnp.float32)
        variance = self.variable("batch_stats", "var", jnp.ones, channels, jnp.float32)
        x = x.astype(self.dtype)
        if not self.train:
            factor = scale * jax.lax.rsqrt(variance.value + self.epsilon)
            return ((x - mean.value) * factor + bias).astype(self.dtype)
        y, batch_mean, batch_variance = normalize(x, scale, bias, self.groups, self.epsilon)
        for running, value in ((mean, batch_mean), (variance, batch_variance)):
            running.value = self.momentum * running.value + (1 - self.momentum) * value
        return y


class ChannelBias(BatchNorm):
    """The bias that remains of a BatchNorm after `fold` moves its other terms into the convolution."""

    @nn.compact
    def __call__(self, x: Float[Array, "B H W C"]) -> Float[Array, "B H W C"]:
        bias = self.param("bias", nn.initializers.zeros, x.shape[-1:], jnp.float32)
        return x.astype(self.dtype) + bias.astype(self.dtype)


@functools.partial(jax.custom_vjp, nondiff_argnums=(3, 4))
def normalize(
    x: Float[Array, "B H W C"],
    scale: Float[Array, " C"],
    bias: Float[Array, " C"],
    groups: BatchGroups,
    epsilon: float,
) -> tuple[Float[Array, "B H W C"], Float[Array, " C"], Float[Array, " C"]]:
    """Normalises x as scale * (x - mean) / sqrt(variance + epsilon) + bias.

    Returns:
      The normalised x, and the mean and the variance of each channel, averaged over the groups.
      Both serve the running statistics only, so no gradient flows through them.
    """
    return _forward(x, scale, bias, groups, epsilon)[0]


def _forward(x, scale, bias, groups, epsilon):
    grouped = _split(x, groups).astype(jnp.float32)
    moments = _group_mean(jnp.stack([_sum(grouped), _sum(grouped**2)]), grouped, groups)
    mean, variance = moments[0], jnp.maximum(moments[1] - moments[0] ** 2, 0.0)
    inverse = jax.lax.rsqrt(variance + epsilon)
    y = (grouped - _wide(mean)) * _wide(inverse * scale) + bias
    outputs = (y.astype(x.dtype).reshape(x.shape), mean.mean(axis=0), variance.mean(axis=0))
    return outputs, (x, scale, mean, inverse)


def _backward(groups, epsilon, residuals, cotangents):
    """Computes dx = scale / sqrt(variance + epsilon) * (dy - mean(dy) - x' mean(dy x')).

    x' is the normalised input.
    """
    del epsilon
    x, scale, mean, inverse = residuals
    dy = _split(cotangents[0], groups).astype(jnp.float32)
    normalized = (_split(x, groups).astype(jnp.float32) - _wide(mean)) * _wide(inverse)
    sums = jnp.stack([_sum(dy), _sum(dy * normalized)])
    means = _group_mean(sums, dy, groups)
    dx = dy - _wide(means[0]) - normalized * _wide(means[1])
    dx = (_wide(inverse * scale) * dx).astype(x.dtype).reshape(x.shape)
    return dx, sums[1].sum(axis=0), sums[0].sum(axis=0)


normalize.defvjp(_forward, _backward)


def _split(x, groups):
    return x.reshape(groups.count, -1, *x.shape[1:])


def _sum(grouped):
    return jnp.sum(grouped, axis=(1, 2, 3))


def _wide(values):
    return values[:, None, None, None, :]


def _group_mean(sums, grouped, groups):
    """Converts sums over (examples, rows, columns) to means over all devices of a group."""
    means = sums / (grouped.shape[1] * grouped.shape[2] * grouped.shape[3])
    return means if groups.axis_name is None else jax.lax.pmean(means, groups.axis_name)
