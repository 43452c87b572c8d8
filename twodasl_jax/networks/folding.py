"""Folding of BatchNorm into the preceding convolution, for inference."""

import flax.linen as nn
import flax.traverse_util
import numpy as np
from jaxtyping import PyTree

from twodasl_jax.networks.normalization import BatchNorm, ChannelBias


def fold(network: nn.Module, variables: PyTree) -> tuple[nn.Module, PyTree]:
    """Returns a network without BatchNorm and its variables, with the same output at inference.

    With fixed statistics, a convolution and its BatchNorm are one affine map:

        scale * (W x - mean) / sqrt(variance + epsilon) + bias = W' x + b'

    Args:
      network: a regressor of this package. It names a BatchNorm like the preceding convolution:
        "norm2" follows "conv2", and "stem_norm" follows "stem_conv".
      variables: the `params` and `batch_stats` of the network.
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
