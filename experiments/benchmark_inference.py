"""Measures how fast faces are reconstructed: each row in turn, again and again, medians.

  python experiments/benchmark_inference.py [--batch_size=32] [--rounds=100]

The network alone sees a face and its mirror image, as it always does; the other rows begin with a photo in memory and a
box, and end with the dense mesh in memory. With landmarks given the network looks twice.
"""

import functools
import os
import platform
import statistics
import time
from collections.abc import Callable

import jax
import jax.numpy as jnp
import numpy as np
import tqdm
from absl import flags
from jaxtyping import Float

from twodasl_jax import programs
from twodasl_jax.geometry.frames import CROP_SIZE, box_from_landmarks
from twodasl_jax.reconstruction import Reconstructor
from twodasl_jax.weights import embedded_weights

_BATCH = flags.DEFINE_integer("batch_size", 32, "Faces of the second half.", lower_bound=1)
_ROUNDS = flags.DEFINE_integer("rounds", 100, "How often each is timed.", lower_bound=3)

_SIDE = 450  # pixels of the photo, as in AFLW2000-3D


def main() -> None:
    rows = {
        f"{name}, {count} face{'s' if count > 1 else ''}": (count, call)
        for count in dict.fromkeys((1, _BATCH.value))
        for name, call in calls(count).items()
    }
    seconds = time_in_turn({name: call for name, (_, call) in rows.items()}, _ROUNDS.value)
    print(f"{platform.machine()}, {os.cpu_count()} cores, JAX {jax.__version__}")
    print(f"{'':44}{'ms':>8}{'5 % .. 95 %':>18}{'faces/s':>10}")
    for name, (count, _) in rows.items():
        median = statistics.median(seconds[name])
        low, high = 1e3 * np.percentile(seconds[name], [5, 95])
        print(f"{name:44}{1e3 * median:8.2f}{low:9.2f} ..{high:6.2f}{count / median:10.0f}")


def calls(count: int) -> dict[str, Callable[[], object]]:
    """Returns what is timed, by name, for so many faces of one photo; noise takes as long as faces."""
    rng = np.random.default_rng(0)
    photo = rng.integers(0, 256, (_SIDE, _SIDE, 3), dtype=np.uint8)
    reconstructor = Reconstructor.pretrained()
    landmarks = random_landmarks(rng, reconstructor, count)
    boxes = np.asarray(box_from_landmarks(landmarks))
    weights = embedded_weights()
    network = jax.jit(functools.partial(weights.network().apply, train=False))
    variables = jax.tree.map(jnp.asarray, weights.variables)
    inputs = jnp.asarray(rng.normal(size=(2 * count, CROP_SIZE, CROP_SIZE, 4)), jnp.float32)
    return {
        "network alone": lambda: jax.block_until_ready(network(variables, inputs)),
        "box to mesh": lambda: reconstructor(photo, boxes=boxes),
        "box and landmarks to mesh": lambda: reconstructor(photo, boxes, landmarks),
    }


def random_landmarks(
    rng: np.random.Generator, reconstructor: Reconstructor, count: int
) -> Float[np.ndarray, "N 68 2"]:
    """Returns landmarks of faces of different size and place, image frame."""
    mean = np.asarray(reconstructor.model.mean)[np.asarray(reconstructor.model.landmark_vertices)]
    flat = mean.mean(axis=1)[:, :2] * [1, -1]
    size = rng.uniform(0.3, 0.5, (count, 1, 1)) * _SIDE / np.ptp(flat)
    centre = rng.uniform(0.4, 0.6, (count, 1, 2)) * _SIDE
    return (size * flat + centre).astype(np.float32)


def time_in_turn(calls: dict[str, Callable[[], object]], rounds: int) -> dict[str, list[float]]:
    """Returns the seconds of each call in every round, after it was called often enough to be warm."""
    seconds: dict[str, list[float]] = {name: [] for name in calls}
    for _ in range(3):
        for call in calls.values():
            call()
    for _ in tqdm.trange(rounds, desc="rounds", unit="round", disable=None):
        for name, call in calls.items():
            start = time.perf_counter()
            call()
            seconds[name].append(time.perf_counter() - start)
    return seconds


if __name__ == "__main__":
    programs.run(main)
