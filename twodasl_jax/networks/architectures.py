"""Registry of the regressors, by the names in configs and weights files.

    name                parameters and purpose
    compact             1.8 M; for CPUs, the architecture of the embedded weights
    compact_half        0.7 M; the same at half the width
    resnet50            23.6 M; the official regressor of 2DASL
    mobilenet_v1_WWW    3.3 M at WWW = 100; the regressor of 3DDFA; WWW is the width in percent

Each entry builds a module with the keyword arguments `output_size`, `dtype` and `groups`.
"""

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
    # The widths in percent that the code of 3DDFA and 3DDFA_V2 defines.
    **{
        f"mobilenet_v1_{width:03}": functools.partial(MobileNetV1, width=32 * width // 100)
        for width in (25, 50, 75, 100, 200)
    },
}
