"""Writes the golden files that need PyTorch: `python -m tests.golden.make_torch_golden`.

The files are the outputs of the published networks with synthetic weights, and small checkpoints in both formats of
`torch.save`.
"""

import pathlib

import numpy as np
import torch

from tests.helpers import published_networks, torch_networks

FOLDER = pathlib.Path(__file__).parent
SMALL_WIDTH = 8


def network_outputs():
    """Returns the outputs for two images, with the channels in OpenCV's order: blue, green, red."""
    images = (published_networks.images()[..., ::-1].astype(np.float32) - 127.5) / 128
    maps = published_networks.landmark_maps()
    return {
        "mobilenet": torch_networks.outputs(
            torch_networks.mobilenet(SMALL_WIDTH),
            published_networks.mobilenet_state(SMALL_WIDTH),
            images,
        ),
        "resnet": torch_networks.outputs(
            torch_networks.resnet(),
            published_networks.resnet_state(),
            np.concatenate([images, maps[..., None]], axis=-1),
        ),
    }


def checkpoint():
    """Returns tensors of every type and layout, some in a shared storage, with optimizer state and plain objects."""
    count = torch.arange(24.0).reshape(2, 3, 4)
    types = {
        **{"double": torch.float64, "half": torch.float16, "bfloat16": torch.bfloat16},
        **{"long": torch.int64, "int": torch.int32, "short": torch.int16},
        **{"char": torch.int8, "byte": torch.uint8},
    }
    state = {
        "float": count,
        "turned": count.permute(2, 0, 1),
        "part": count[1:, ::2, 1:3],
        "parameter": torch.nn.Parameter(count[0]),
        "bool": count > 11,
        "scalar": torch.tensor(3.5),
        "empty": torch.zeros(0, 3),
        **{name: count.to(kind) for name, kind in types.items()},
    }
    momentum = {0: {"momentum_buffer": count + 1}}
    return {"epoch": 3, "state_dict": state, "optimizer": {"state": momentum, "names": ["a", None]}}


if __name__ == "__main__":
    np.savez_compressed(FOLDER / "published_networks.npz", **network_outputs())
    for name, is_zip in (("torch_zip", True), ("torch_stream", False)):
        torch.save(checkpoint(), FOLDER / f"{name}.pth", _use_new_zipfile_serialization=is_zip)
