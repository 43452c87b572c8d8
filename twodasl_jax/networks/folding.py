"""BatchNorm taken into the convolution before it: with fixed statistics both together are one linear map."""

import flax.linen as nn
import flax.traverse_util
import numpy as np
from jaxtyping import PyTree

from twodasl_jax.networks.normalization import BatchNorm, ChannelBias


def fold(network: nn.Module, variables: PyTree) -> tuple[nn.Module, PyTree]:
    """Returns a network and variables that compute the same without BatchNorm, for inference.

    scale * (W x - mean) / sqrt(variance + epsilon) + bias = W' x + b'

    Args:
      network: one of this package's regressors, which name the convolution before "norm2" "conv2", and the one before
        "stem_norm" "stem_conv".
      variables: its `params` and `batch_stats`.
    """
    params = flax.traverse_util.flatten_dict(variables["params"])
    statistics = flax.traverse_util.flatten_dict(variables["batch_stats"])
    for norm in [path[:-1] for path in statistics if path[-1] == "mean"]:
        mean, variance = (
            np.asarray(statistics[*norm, name], np.float64) for name in ("mean", "var")
        )
        factor = np.asarray(params.pop((*norm, "scale"))) / np.sqrt(variance + BatchNorm.epsilon)
        kernel = (*norm[:-1], norm[-1].replace("norm", "conv"), "kernel")
        bias = params[*norm, "bias"] - mean * factor
        params[kernel] = (np.asarray(params[kernel]) * factor).astype(np.float32)
        params[*norm, "bias"] = bias.astype(np.float32)
    return network.clone(norm=ChannelBias), {"params": flax.traverse_util.unflatten_dict(params)}
