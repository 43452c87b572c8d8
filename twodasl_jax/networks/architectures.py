"""The regressors by name, as configs and weights files name them."""

import functools
from collections.abc import Callable

import flax.linen as nn

from twodasl_jax.networks.compact import CompactNet
from twodasl_jax.networks.mobilenet import MobileNetV1
from twodasl_jax.networks.resnet import ResNet50

ARCHITECTURES: dict[str, Callable[..., nn.Module]] = {
    "compact": CompactNet,
    "compact_half": functools.partial(CompactNet, width=8),
    "resnet50": ResNet50,
    # By their width in percent; these are the ones that 3DDFA and 3DDFA_V2 name.
    **{
        f"mobilenet_v1_{width:03}": functools.partial(MobileNetV1, width=32 * width // 100)
        for width in (25, 50, 75, 100, 200)
    },
}
