"""State dicts with the published names and shapes and with synthetic numbers, so that tests need no checkpoint.

The numbers are hashes of integers, equal on every machine. The module needs only NumPy.
"""

import zlib

import numpy as np

# The blocks of MobileNetV1 by their published names, with their channels in multiples of the stem's.
_MOBILENET_BLOCKS = {
    **{"dw2_1": 2, "dw2_2": 4, "dw3_1": 4, "dw3_2": 8, "dw4_1": 8, "dw4_2": 16},
    **{f"dw5_{number}": 16 for number in range(1, 6)},
    **{"dw5_6": 32, "dw6": 32},
}
# The stages of ResNet-50: the number of blocks, and the channels of the bottleneck.
_RESNET_STAGES = ((3, 64), (4, 128), (6, 256), (3, 512))

# Keeps the signal from vanishing in a deep network without shortcuts.
_GAIN = 1.3


def numbers(name, shape, low=-1.0, high=1.0):
    """Returns a float32 array of pseudo-random numbers between two bounds, different for every name."""
    mixed = np.arange(np.prod(shape, dtype=int), dtype=np.uint32) * np.uint32(2654435761)
    mixed += np.uint32(zlib.crc32(name.encode()))
    for shift, factor in ((15, 2246822519), (13, 3266489917)):
        mixed ^= mixed >> np.uint32(shift)
        mixed *= np.uint32(factor)
    share = (mixed ^ (mixed >> np.uint32(16))) / 2**32
    return (low + (high - low) * share).astype(np.float32).reshape(shape)


def mobilenet_state(width):
    """Returns the state dict of 3DDFA's MobileNetV1 with `width` channels in its stem."""
    state = _convolution("conv1", (width, 3, 3, 3)) | _norm("bn1", width, _GAIN)
    inputs = width
    for name, multiple in _MOBILENET_BLOCKS.items():
        outputs = multiple * width
        state |= _convolution(f"{name}.conv_dw", (inputs, 1, 3, 3))
        state |= _norm(f"{name}.bn_dw", inputs, _GAIN)
        state |= _convolution(f"{name}.conv_sep", (outputs, inputs, 1, 1))
        state |= _norm(f"{name}.bn_sep", outputs, _GAIN)
        inputs = outputs
    return state | _dense("fc", (62, inputs))


def resnet_state():
    """Returns the state dict of 2DASL's ResNet-50."""
    state = _convolution("conv1", (64, 4, 7, 7)) | _norm("bn1", 64)
    inputs = 64
    for stage, (blocks, channels) in enumerate(_RESNET_STAGES, start=1):
        for block in range(blocks):
            name, width = f"layer{stage}.{block}", 4 * channels
            shapes = ((channels, inputs, 1, 1), (channels, channels, 3, 3), (width, channels, 1, 1))
            for number, shape in enumerate(shapes, start=1):
                state |= _convolution(f"{name}.conv{number}", shape)
                state |= _norm(f"{name}.bn{number}", shape[0])
            if block == 0:
                state |= _convolution(f"{name}.downsample.0", (width, inputs, 1, 1))
                state |= _norm(f"{name}.downsample.1", width)
            inputs = width
    return state | _dense("fc", (62, inputs))


def images():
    """Returns two smooth images with noise, (2, 120, 120, 3) uint8 RGB."""
    y, x = np.mgrid[:120, :120] / 120
    waves = [np.sin(7 * x + 3 * y), np.cos(5 * y - 2 * x), np.sin(4 * x * y + 1)]
    smooth = np.stack([np.stack(waves, -1), np.stack(waves[::-1], -1) ** 2])
    return (127 + 90 * smooth + numbers("noise", smooth.shape, -30, 30)).astype(np.uint8)


def landmark_maps():
    """Returns two landmark maps, (2, 120, 120): +1 at some pixels and -1 elsewhere."""
    maps = np.full((2, 120, 120), -1, np.float32)
    maps[0, 20:100:17, 30:90:13] = 1
    maps[1, 35:80:9, 25:100:31] = 1
    return maps


def _convolution(name, shape):
    bound = np.sqrt(6 / np.prod(shape[1:]))
    return {f"{name}.weight": numbers(name, shape, -bound, bound)}


def _dense(name, shape):
    return _convolution(name, shape) | {f"{name}.bias": numbers(f"{name}.bias", shape[:1])}


def _norm(name, channels, gain=1.0):
    bounds = {
        "weight": (0.5 * gain, gain),
        "bias": (-0.2, 0.2),
        "running_mean": (-0.2, 0.2),
        "running_var": (0.5, 1.5),
    }
    state = {
        f"{name}.{kind}": numbers(f"{name}.{kind}", (channels,), *bounds[kind]) for kind in bounds
    }
    return state | {f"{name}.num_batches_tracked": np.array(7, np.int64)}
