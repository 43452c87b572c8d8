"""Measures how fast faces are reconstructed: each row in turn, again and again, medians.

  python experiments/benchmarks/inference.py [--batch_size=32] [--rounds=100]
  python experiments/benchmarks/inference.py --rival=mb05.npz

"Crop to mesh" begins with crops in memory and ends with dense meshes in memory; "box to mesh" begins with a photo and
boxes, so that it cuts and resizes, too. Our network looks at a face once, or also at its mirror image, which is better
and the default; with landmarks given it looks at both twice. Networks have their BatchNorm folded into their
convolutions. Rows of ONNX Runtime need the converter (pip install -e '.[export]').

--rival is a network without landmark map, such as 3DDFA_V2's mb05 imported by experiments/import_weights.py. Of it the
network alone is timed, on one crop for each face: in JAX, in ONNX Runtime and, if installed, in PyTorch
(pip install -e '.[benchmark]'), with the same weights and the same number of threads.
"""

import dataclasses
import functools
import importlib.util
import os
import platform
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from absl import flags
from jaxtyping import Float, UInt8

from experiments.benchmarks.timing import interleaved
from twodasl_jax.commands import entry_points
from twodasl_jax.errors import ConfigError
from twodasl_jax.geometry.frames import CROP_SIZE, box_from_landmarks
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.imaging.crops import crop_photo
from twodasl_jax.inference.exporting import any_number, has_onnx, onnx_of, run_onnx
from twodasl_jax.inference.forward import build, faces_of_whole_crops
from twodasl_jax.inference.reconstruction import Reconstructor
from twodasl_jax.models.face_model import embedded_face_model
from twodasl_jax.models.weights import Weights, embedded_weights, load_weights
from twodasl_jax.networks import fold, network_input, portable

_BATCH = flags.DEFINE_integer("batch_size", 32, "Faces of the second half.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 100, "How often each is timed.", lower_bound=3)
_RIVAL = flags.DEFINE_string("rival", None, "Weights of a network to compare with, .npz.")

_SIDE = 450  # pixels of the photo, as in AFLW2000-3D
_WARM_UP = 3

# By name; each finds so many faces.
Calls = dict[str, Callable[[], object]]


def main() -> None:
    rows = {
        (name, count): call
        for count in dict.fromkeys((1, _BATCH.value))
        for name, call in (own_calls(count) | rival_calls(count)).items()
    }
    # The first rounds compile.
    interleaved(rows, _WARM_UP)
    seconds = interleaved(rows, _ROUNDS.value)
    print(
        f"{platform.machine()}, {os.cpu_count()} cores, JAX {jax.__version__}, {time.strftime('%Y-%m-%d')}"
    )
    print(f"{'':42}{'faces':>6}{'ms':>9}{'5 % .. 95 %':>18}{'faces/s':>9}")
    for (name, count), times in seconds.items():
        median = statistics.median(times)
        low, high = 1e3 * np.percentile(times, [5, 95])
        print(f"{name:42}{count:6}{1e3 * median:9.2f}{low:9.2f} ..{high:6.2f}{count / median:9.0f}")


def own_calls(count: int) -> Calls:
    """Returns what is timed of this package, for so many faces of one photo; noise takes as long as faces."""
    photo, boxes = random_photo(), random_boxes(count)
    weights = embedded_weights()
    inputs = random_inputs(count)
    calls: Calls = {"network, one look; JAX": network_in_jax(weights, inputs)}
    if has_onnx():
        calls["network, one look; ONNX"] = network_in_onnx(weights, inputs)
    for looks in ("one look", "and mirror image"):
        reconstructor = Reconstructor.pretrained(reflect=looks != "one look")
        calls[f"box to mesh, {looks}; JAX"] = functools.partial(reconstructor, photo, boxes)
        if has_onnx():
            forward = forward_in_onnx(weights, reflect=looks != "one look")
            crops = cut(photo, boxes)
            calls[f"crop to mesh, {looks}; ONNX"] = functools.partial(forward, crops)
            calls[f"box to mesh, {looks}; ONNX"] = functools.partial(meshes, forward, photo, boxes)
    calls["box and landmarks to mesh; JAX"] = functools.partial(
        Reconstructor.pretrained(), photo, boxes, random_landmarks(count)
    )
    return calls


def rival_calls(count: int) -> Calls:
    """Returns what is timed of the network that --rival names, alone and with cutting; nothing without one."""
    if not _RIVAL.value:
        return {}
    weights = load_weights(_RIVAL.value)
    if not weights.architecture.startswith("mobilenet_v1"):
        raise ConfigError(f"--rival={_RIVAL.value}: a {weights.architecture} is no MobileNetV1.")
    inputs = random_inputs(count)
    calls: Calls = {"rival's network; JAX": network_in_jax(weights, inputs)}
    if has_onnx():
        calls["rival's network; ONNX"] = network_in_onnx(weights, inputs)
        calls["box to rival's network; ONNX"] = boxes_in_onnx(weights, count)
    if importlib.util.find_spec("torch") is not None:
        calls["rival's network; PyTorch"] = mobilenet_in_torch(weights, inputs)
    return calls


def network_in_jax(weights: Weights, inputs: Float[np.ndarray, "B 120 120 4"]) -> Callable:
    """Returns the call of a network, its variables arguments of the program."""
    network, variables = fold(weights.network(), weights.variables)
    apply = jax.jit(functools.partial(network.apply, train=False))
    on_device, given = jax.tree.map(jnp.asarray, (variables, inputs))
    return lambda: jax.block_until_ready(apply(on_device, given))


def network_in_onnx(weights: Weights, inputs: Float[np.ndarray, "B 120 120 4"]) -> Callable:
    """Returns the call of a network in ONNX Runtime."""
    network, variables = fold(weights.network(), weights.variables)
    apply = functools.partial(portable(network).apply, variables, train=False)
    run = _onnx_program(lambda x: (apply(x),), (CROP_SIZE, CROP_SIZE, 4), jnp.float32)
    return functools.partial(run, inputs)


def boxes_in_onnx(weights: Weights, count: int) -> Callable:
    """Returns the call of a network in ONNX Runtime on boxes of a photo, of which no landmarks are known."""
    photo, boxes = random_photo(), random_boxes(count)
    network, variables = fold(weights.network(), weights.variables)
    exported = portable(network)

    def look(crops):
        no_map = jnp.zeros_like(crops[..., 0], dtype=jnp.float32) - 1
        return (exported.apply(variables, network_input(crops, no_map), train=False),)

    run = _onnx_program(look, (CROP_SIZE, CROP_SIZE, 3), jnp.uint8)
    return lambda: run(cut(photo, boxes))


def mobilenet_in_torch(weights: Weights, inputs: Float[np.ndarray, "B 120 120 4"]) -> Callable:
    """Returns the call of a MobileNetV1 in PyTorch, on the image's channels alone."""
    import torch

    from experiments.benchmarks.plain_torch import load_flax, mobilenet_v1

    width = weights.variables["params"]["stem_conv"]["kernel"].shape[-1]
    network = mobilenet_v1(len(weights.whitening.mean), width)
    load_flax(network, weights.variables["params"], weights.variables["batch_stats"])
    network.eval()
    torch.set_num_threads(os.cpu_count() or 1)
    given = torch.from_numpy(inputs[..., :3].transpose(0, 3, 1, 2).copy())

    def call() -> object:
        with torch.inference_mode():
            return network(given)

    return call


def forward_in_onnx(weights: Weights, reflect: bool) -> Callable:
    """Returns the forward pass in ONNX Runtime, from crops to the vertices in them."""
    regressor, parts = build(embedded_face_model(), weights, reflect=reflect)
    exported = dataclasses.replace(regressor, network=portable(regressor.network))

    def forward(crops):
        return (faces_of_whole_crops(exported, parts, crops)["vertices"],)

    return _onnx_program(forward, (CROP_SIZE, CROP_SIZE, 3), jnp.uint8)


def meshes(
    forward: Callable, photo: UInt8[np.ndarray, "H W 3"], boxes: Float[np.ndarray, "N 4"]
) -> Float[np.ndarray, "N V 3"]:
    """Returns the meshes of the faces in boxes of a photo."""
    (vertices,) = forward(cut(photo, boxes))
    scale = (boxes[:, None, 2:3] - boxes[:, None, :1]) / CROP_SIZE
    corners = np.pad(boxes[:, None, :2], ((0, 0), (0, 0), (0, 1)))
    return vertices * scale + corners


def cut(
    photo: UInt8[np.ndarray, "H W 3"], boxes: Float[np.ndarray, "N 4"]
) -> UInt8[np.ndarray, "N 120 120 3"]:
    """Returns the boxes of a photo as crops."""
    return np.stack([crop_photo(photo, box) for box in boxes])


def _onnx_program(program: Callable, shape: tuple[int, ...], dtype) -> Callable:
    return run_onnx(onnx_of(program, any_number(shape, dtype), ["result"]))


def random_inputs(count: int) -> Float[np.ndarray, "B 120 120 4"]:
    """Returns what a network is shown."""
    shape = (count, CROP_SIZE, CROP_SIZE, 4)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def random_photo() -> UInt8[np.ndarray, "H W 3"]:
    """Returns a photo of noise."""
    return np.random.default_rng(0).integers(0, 256, (_SIDE, _SIDE, 3), dtype=np.uint8)


def random_boxes(count: int) -> Float[np.ndarray, "N 4"]:
    """Returns the boxes of `random_landmarks`."""
    return np.asarray(box_from_landmarks(random_landmarks(count)))


def random_landmarks(count: int) -> Float[np.ndarray, "N 68 2"]:
    """Returns landmarks of faces of different size and place, image frame."""
    rng = np.random.default_rng(0)
    mean = np.asarray(landmark_space(embedded_face_model()).mean)
    flat = mean[:, :2] * [1, -1]
    size = rng.uniform(0.3, 0.5, (count, 1, 1)) * _SIDE / np.ptp(flat)
    centre = rng.uniform(0.4, 0.6, (count, 1, 2)) * _SIDE
    return (size * flat + centre).astype(np.float32)


if __name__ == "__main__":
    entry_points.run(main)
