"""Outputs of the published networks in PyTorch, the reference for imported weights.

The networks are those of `experiments.benchmarks.plain_torch`. Their parameters have other names than the published
ones, but the same shapes in the same order.
"""

import torch

from experiments.benchmarks.plain_torch import mobilenet_v1, resnet50


def mobilenet(width):
    """Returns MobileNetV1 of 3DDFA and 3DDFA_V2 with `width` channels in its stem."""
    return mobilenet_v1(62, width)


def resnet():
    """Returns ResNet-50 of 2DASL."""
    return resnet50(62)


@torch.no_grad()
def outputs(network, state, inputs):
    """Returns the outputs of a network for (B, 120, 120, C) inputs in the channel order of its authors.

    Args:
      network: one of the networks above.
      state: the published state dict, in the order of the published network.
      inputs: (B, 120, 120, C) scaled images, with the landmark map as last channel if the network has one.
    """
    names = list(network.state_dict())
    assert [_kind(name) for name in names] == [_kind(name) for name in state]
    values = (torch.from_numpy(array) for array in state.values())
    network.load_state_dict(dict(zip(names, values, strict=True)))
    batches = torch.from_numpy(inputs.transpose(0, 3, 1, 2).copy()).split(50)
    return torch.cat([network.eval()(batch) for batch in batches]).numpy()


def _kind(name):
    return name.rpartition(".")[2]
