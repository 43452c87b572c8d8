"""Flax modules: image and landmark map in, whitened coefficient vector out; and the self-critic.

Every regressor takes (B, 120, 120, 4) NHWC float: RGB scaled by `normalize_image`, then the landmark map in
[-1, 1] (`geometry.landmark_map`), at which MobileNetV1 does not look; and returns (B, 62). Parameters are float32;
`dtype=jnp.bfloat16` computes in bf16. BatchNorm statistics live in the `batch_stats` collection and are threaded
explicitly by `apply`.
"""

import flax.linen as nn

from twodasl_jax.networks.compact import CompactNet
from twodasl_jax.networks.critic import SelfCritic
from twodasl_jax.networks.depthwise import grouped
from twodasl_jax.networks.folding import fold
from twodasl_jax.networks.inputs import network_input, normalize_image
from twodasl_jax.networks.mobilenet import MobileNetV1
from twodasl_jax.networks.normalization import BatchGroups, BatchNorm
from twodasl_jax.networks.resnet import ResNet50


def portable(network: nn.Module) -> nn.Module:
    """Returns the same network in operations that other compilers than XLA's know, for its export."""
    return network.clone(convolve=grouped) if isinstance(network, MobileNetV1) else network


__all__ = [
    "BatchGroups",
    "BatchNorm",
    "CompactNet",
    "MobileNetV1",
    "ResNet50",
    "SelfCritic",
    "fold",
    "network_input",
    "normalize_image",
    "portable",
]
