"""Speed of face reconstruction in JAX and in ONNX Runtime, and of another network beside it.

"Crop to mesh" takes crops in memory to dense meshes in memory. "Box to mesh" takes a photo and boxes, so it includes
cropping and resizing. By default the network runs with flip averaging, which is slightly more accurate than a
single forward pass and takes twice the time. With landmarks, there is an additional pass. BatchNorm is folded into the
convolutions. ONNX Runtime needs the converter (pip install -e '.[export]').

The rival is a network without a landmark map, such as 3DDFA_V2's mb05 as imported by experiments/make_weights.py.
Only its forward pass is timed: in JAX, in ONNX Runtime and, if installed, in PyTorch (pip install -e '.[benchmark]'),
with the same weights and the same number of threads.
"""

import dataclasses
import functools
import importlib.util
import os
import statistics
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float, UInt8

from experiments.benchmarks.timing import interleaved, machine
from twodasl_jax.errors import ConfigError
from twodasl_jax.geometry.frames import CROP_SIZE, box_from_landmarks
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.imaging.crops import crop_photo
from twodasl_jax.inference.exporting import load_onnx, onnx_available, symbolic_batch, to_onnx
from twodasl_jax.inference.forward import faces_of_whole_crops
from twodasl_jax.inference.reconstruction import Reconstructor, forward_pass_from_weights
from twodasl_jax.models.face_model import embedded_face_model
from twodasl_jax.models.weights import Weights, embedded_weights, load_weights
from twodasl_jax.networks import fold, portable, regress

_SIDE = 450  # pixels of the photo, as in AFLW2000-3D
_WARM_UP = 3

# Functions without arguments, by name. Each processes the same number of faces.
Calls = dict[str, Callable[[], object]]


def run(batch_size: int, rounds: int, rival: str | None) -> None:
    """Prints the time of each call for one face and for a batch of faces.

    Args:
      batch_size: the number of faces of the batch.
      rounds: the number of times that each call is timed.
      rival: the weights file of another network, or None.
    """
    calls = {
        (name, count): call
        for count in dict.fromkeys((1, batch_size))
        for name, call in (own_calls(count) | rival_calls(rival, count)).items()
    }
    # The first rounds compile.
    interleaved(calls, _WARM_UP)
    seconds = interleaved(calls, rounds)
    print(machine())
    print(f"{'':42}{'faces':>6}{'ms':>9}{'5 % .. 95 %':>18}{'faces/s':>9}")
    for (name, count), times in seconds.items():
        median = statistics.median(times)
        low, high = 1e3 * np.percentile(times, [5, 95])
        print(f"{name:42}{count:6}{1e3 * median:9.2f}{low:9.2f} ..{high:6.2f}{count / median:9.0f}")


def own_calls(count: int) -> Calls:
    """Returns the calls of this package on `count` faces of one photo of noise."""
    photo, boxes = random_photo(), random_boxes(count)
    weights = embedded_weights()
    inputs = random_inputs(count)
    calls: Calls = {"network, one pass; JAX": network_in_jax(weights, inputs)}
    if onnx_available():
        calls["network, one pass; ONNX"] = network_in_onnx(weights, inputs)
    for name, reflect in (("one pass", False), ("flip averaging", True)):
        reconstructor = Reconstructor.pretrained(reflect=reflect)
        calls[f"box to mesh, {name}; JAX"] = functools.partial(reconstructor, photo, boxes)
        if onnx_available():
            vertices = vertices_in_onnx(weights, reflect)
            crops = crop_boxes(photo, boxes)
            calls[f"crop to mesh, {name}; ONNX"] = functools.partial(vertices, crops)
            calls[f"box to mesh, {name}; ONNX"] = functools.partial(meshes, vertices, photo, boxes)
    calls["box and landmarks to mesh; JAX"] = functools.partial(
        Reconstructor.pretrained(), photo, boxes, random_landmarks(count)
    )
    return calls


def rival_calls(rival: str | None, count: int) -> Calls:
    """Returns the calls of another network on `count` faces; none without a weights file."""
    if not rival:
        return {}
    weights = load_weights(rival)
    if not weights.architecture.startswith("mobilenet_v1"):
        raise ConfigError(
            f"--rival={rival} holds a {weights.architecture}: use the weights of a MobileNetV1."
        )
    inputs = random_inputs(count)
    calls: Calls = {"rival's network; JAX": network_in_jax(weights, inputs)}
    if onnx_available():
        calls["rival's network; ONNX"] = network_in_onnx(weights, inputs)
        calls["box to rival's network; ONNX"] = boxes_in_onnx(weights, count)
    if importlib.util.find_spec("torch") is not None:
        calls["rival's network; PyTorch"] = mobilenet_in_torch(weights, inputs)
    return calls


def network_in_jax(weights: Weights, inputs: Float[np.ndarray, "B 120 120 4"]) -> Callable:
    """Returns a call of a network with its variables as arguments of the compiled program."""
    network, variables = fold(weights.network(), weights.variables)
    apply = jax.jit(functools.partial(network.apply, train=False))
    arguments = jax.tree.map(jnp.asarray, (variables, inputs))
    return lambda: jax.block_until_ready(apply(*arguments))


def network_in_onnx(weights: Weights, inputs: Float[np.ndarray, "B 120 120 4"]) -> Callable:
    """Returns a call of a network in ONNX Runtime."""
    network, variables = fold(weights.network(), weights.variables)
    apply = functools.partial(portable(network).apply, variables, train=False)
    run = _onnx_function(lambda x: (apply(x),), (CROP_SIZE, CROP_SIZE, 4), jnp.float32)
    return functools.partial(run, inputs)


def boxes_in_onnx(weights: Weights, count: int) -> Callable:
    """Returns a call of a network in ONNX Runtime on boxes of a photo, without landmarks."""
    photo, boxes = random_photo(), random_boxes(count)
    network, variables = fold(weights.network(), weights.variables)
    exported = portable(network)

    def vectors(crops):
        empty_map = jnp.zeros_like(crops[..., 0], dtype=jnp.float32) - 1
        return (regress(exported, variables, weights.whitening, crops, empty_map),)

    run = _onnx_function(vectors, (CROP_SIZE, CROP_SIZE, 3), jnp.uint8)
    return lambda: run(crop_boxes(photo, boxes))


def mobilenet_in_torch(weights: Weights, inputs: Float[np.ndarray, "B 120 120 4"]) -> Callable:
    """Returns a call of a MobileNetV1 in PyTorch on the colour channels of the inputs."""
    import torch

    from experiments.benchmarks.plain_torch import load_flax, mobilenet_v1

    width = weights.variables["params"]["stem_conv"]["kernel"].shape[-1]
    network = mobilenet_v1(len(weights.whitening.mean), width)
    load_flax(network, weights.variables["params"], weights.variables["batch_stats"])
    network.eval()
    torch.set_num_threads(os.cpu_count() or 1)
    image = torch.from_numpy(inputs[..., :3].transpose(0, 3, 1, 2).copy())

    def call() -> object:
        with torch.inference_mode():
            return network(image)

    return call


def vertices_in_onnx(weights: Weights, reflect: bool) -> Callable:
    """Returns a function of crops in ONNX Runtime that computes vertices in the crop frame."""
    forward = forward_pass_from_weights(embedded_face_model(), weights, reflect=reflect)
    exported = dataclasses.replace(forward, network=portable(forward.network))

    def vertices(crops):
        return (faces_of_whole_crops(exported, crops)["vertices"],)

    return _onnx_function(vertices, (CROP_SIZE, CROP_SIZE, 3), jnp.uint8)


def meshes(
    vertices_of: Callable, photo: UInt8[np.ndarray, "H W 3"], boxes: Float[np.ndarray, "N 4"]
) -> Float[np.ndarray, "N V 3"]:
    """Returns the meshes of the faces in boxes of a photo, image frame."""
    (vertices,) = vertices_of(crop_boxes(photo, boxes))
    scale = (boxes[:, None, 2:3] - boxes[:, None, :1]) / CROP_SIZE
    corners = np.pad(boxes[:, None, :2], ((0, 0), (0, 0), (0, 1)))
    return vertices * scale + corners


def crop_boxes(
    photo: UInt8[np.ndarray, "H W 3"], boxes: Float[np.ndarray, "N 4"]
) -> UInt8[np.ndarray, "N 120 120 3"]:
    """Returns the crops of a photo at the boxes."""
    return np.stack([crop_photo(photo, box) for box in boxes])


def _onnx_function(function: Callable, shape: tuple[int, ...], dtype) -> Callable:
    return load_onnx(to_onnx(function, symbolic_batch(shape, dtype), ["result"]))


def random_inputs(count: int) -> Float[np.ndarray, "B 120 120 4"]:
    """Returns network inputs of noise."""
    shape = (count, CROP_SIZE, CROP_SIZE, 4)
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def random_photo() -> UInt8[np.ndarray, "H W 3"]:
    """Returns a photo of noise."""
    return np.random.default_rng(0).integers(0, 256, (_SIDE, _SIDE, 3), dtype=np.uint8)


def random_boxes(count: int) -> Float[np.ndarray, "N 4"]:
    """Returns the crop boxes of `random_landmarks`."""
    return np.asarray(box_from_landmarks(random_landmarks(count)))


def random_landmarks(count: int) -> Float[np.ndarray, "N 68 2"]:
    """Returns landmarks of faces with different sizes and positions, image frame."""
    rng = np.random.default_rng(0)
    mean = np.asarray(landmark_space(embedded_face_model()).mean)
    flat = mean[:, :2] * [1, -1]
    size = rng.uniform(0.3, 0.5, (count, 1, 1)) * _SIDE / np.ptp(flat)
    centre = rng.uniform(0.4, 0.6, (count, 1, 2)) * _SIDE
    return (size * flat + centre).astype(np.float32)
