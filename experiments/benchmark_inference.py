"""Measures how fast faces are reconstructed: each row in turn, again and again, medians.

  python experiments/benchmark_inference.py [--batch_size=32] [--rounds=100]
  python experiments/benchmark_inference.py --rival=mb05.npz

Our network sees a face and its mirror image; "box to mesh" begins with a photo in memory and a box, and ends with the
dense mesh in memory, cutting and resizing included. With landmarks given the network looks twice. Rows of ONNX Runtime
need the converter (pip install -e '.[export]').

--rival is a network without landmark map, such as 3DDFA_V2's mb05 imported by experiments/import_weights.py. Of it the
network alone is timed, on one crop for each face: in JAX, in ONNX Runtime and, if installed, in PyTorch
(pip install -e '.[benchmark]'), with the same weights and the same number of threads.
"""

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
from timing import interleaved

from twodasl_jax import programs
from twodasl_jax.crops import crop_photo
from twodasl_jax.errors import ConfigError
from twodasl_jax.forward import Regressor, build_parts, faces_of_whole_crops
from twodasl_jax.geometry.frames import CROP_SIZE, box_from_landmarks
from twodasl_jax.networks import portable
from twodasl_jax.program_files import any_number, has_onnx, onnx_of, run_onnx
from twodasl_jax.reconstruction import Reconstructor
from twodasl_jax.weights import Weights, embedded_weights, load_weights

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
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (_SIDE, _SIDE, 3), dtype=np.uint8)
    reconstructor = Reconstructor.pretrained()
    landmarks = random_landmarks(rng, reconstructor, count)
    boxes = np.asarray(box_from_landmarks(landmarks))
    weights = embedded_weights()
    inputs = jnp.asarray(rng.normal(size=(2 * count, CROP_SIZE, CROP_SIZE, 4)), jnp.float32)
    calls: Calls = {
        "network, face and mirror image; JAX": network_in_jax(weights, inputs),
        "box to mesh; JAX": lambda: reconstructor(photo, boxes=boxes),
        "box and landmarks to mesh; JAX": lambda: reconstructor(photo, boxes, landmarks),
    }
    if has_onnx():
        calls["network, face and mirror image; ONNX"] = network_in_onnx(weights, inputs)
        calls["box to mesh; ONNX"] = meshes_in_onnx(photo, boxes)
    return calls


def rival_calls(count: int) -> Calls:
    """Returns what is timed of the network that --rival names; nothing without one."""
    if not _RIVAL.value:
        return {}
    weights = load_weights(_RIVAL.value)
    if not weights.architecture.startswith("mobilenet_v1"):
        raise ConfigError(f"--rival={_RIVAL.value}: a {weights.architecture} is no MobileNetV1.")
    shape = (count, CROP_SIZE, CROP_SIZE, 4)
    inputs = jnp.asarray(np.random.default_rng(0).normal(size=shape), jnp.float32)
    calls: Calls = {"rival's network; JAX": network_in_jax(weights, inputs)}
    if has_onnx():
        calls["rival's network; ONNX"] = network_in_onnx(weights, inputs)
    if importlib.util.find_spec("torch") is not None:
        calls["rival's network; PyTorch"] = mobilenet_in_torch(weights, np.array(inputs))
    return calls


def network_in_jax(weights: Weights, inputs: Float[jax.Array, "B 120 120 4"]) -> Callable:
    """Returns the call of a network, its variables arguments of the program."""
    network = jax.jit(functools.partial(weights.network().apply, train=False))
    variables = jax.tree.map(jnp.asarray, weights.variables)
    return lambda: jax.block_until_ready(network(variables, inputs))


def network_in_onnx(weights: Weights, inputs: Float[jax.Array, "B 120 120 4"]) -> Callable:
    """Returns the call of a network in ONNX Runtime."""
    apply = functools.partial(portable(weights.network()).apply, weights.variables, train=False)
    run = _onnx_program(lambda x: (apply(x),), (CROP_SIZE, CROP_SIZE, 4), jnp.float32)
    given = np.asarray(inputs)
    return lambda: run(given)


def mobilenet_in_torch(weights: Weights, inputs: Float[np.ndarray, "B 120 120 4"]) -> Callable:
    """Returns the call of a MobileNetV1 in PyTorch, on the image's channels alone."""
    import torch
    from plain_torch import load_flax, mobilenet_v1

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


def meshes_in_onnx(photo: UInt8[np.ndarray, "H W 3"], boxes: Float[np.ndarray, "N 4"]) -> Callable:
    """Returns the way from boxes of a photo to meshes in it, the forward pass in ONNX Runtime."""
    reconstructor, weights = Reconstructor.pretrained(), embedded_weights()
    parts = build_parts(reconstructor.model, weights)
    regressor = Regressor(weights.network(), weights.landmark_map)

    def forward(crops):
        return (faces_of_whole_crops(regressor, parts, crops)["vertices"],)

    run = _onnx_program(forward, (CROP_SIZE, CROP_SIZE, 3), jnp.uint8)

    def call() -> object:
        (vertices,) = run(np.stack([crop_photo(photo, box) for box in boxes]))
        scale = (boxes[:, None, 2:3] - boxes[:, None, :1]) / CROP_SIZE
        corners = np.pad(boxes[:, None, :2], ((0, 0), (0, 0), (0, 1)))
        return vertices * scale + corners

    return call


def _onnx_program(program: Callable, shape: tuple[int, ...], dtype) -> Callable:
    return run_onnx(onnx_of(program, any_number(shape, dtype), ["result"]))


def random_landmarks(
    rng: np.random.Generator, reconstructor: Reconstructor, count: int
) -> Float[np.ndarray, "N 68 2"]:
    """Returns landmarks of faces of different size and place, image frame."""
    mean = np.asarray(reconstructor.model.mean)[np.asarray(reconstructor.model.landmark_vertices)]
    flat = mean.mean(axis=1)[:, :2] * [1, -1]
    size = rng.uniform(0.3, 0.5, (count, 1, 1)) * _SIDE / np.ptp(flat)
    centre = rng.uniform(0.4, 0.6, (count, 1, 2)) * _SIDE
    return (size * flat + centre).astype(np.float32)


if __name__ == "__main__":
    programs.run(main)
