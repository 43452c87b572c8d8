"""Networks in Flax: regressors from image and landmark map to coefficients, and the self-critic.

    input     (B, 120, 120, 4) floats: RGB scaled by `normalize_image`, and the landmark map in [-1, 1]
    output    (B, 62) whitened coefficient vectors

MobileNetV1 ignores the landmark map. Parameters are float32; `dtype=jnp.bfloat16` computes in
bfloat16. BatchNorm statistics are in the collection `batch_stats`; callers of `apply` pass them in
and receive their update.
"""

from twodasl_jax.networks.architectures import ARCHITECTURES
from twodasl_jax.networks.compact import CompactNet
from twodasl_jax.networks.critic import SelfCritic
from twodasl_jax.networks.folding import fold
from twodasl_jax.networks.inputs import network_input, normalize_image
from twodasl_jax.networks.mobilenet import MobileNetV1, portable
from twodasl_jax.networks.normalization import BatchGroups, BatchNorm
from twodasl_jax.networks.regression import regress
from twodasl_jax.networks.resnet import ResNet50

__all__ = [
    "ARCHITECTURES",
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
    "regress",
]
