"""Speed of a training step of configs/paper.py in JAX, and of a plain PyTorch implementation beside it.

The step has both passes and the self-critic. It runs with both networks, on the same cores and the same examples;
only JAX's time includes drawing the examples. The losses of both frameworks must agree. Then steps of both are timed in
turn. Peak memory and compile times, without and with the persistent cache, are measured in separate processes.
"""

import concurrent.futures
import dataclasses
import functools
import multiprocessing
import pathlib
import statistics
import tempfile
from collections.abc import Callable
from typing import Any

import jax
import ml_collections
import numpy as np

from configs import paper
from experiments.benchmarks.timing import interleaved, machine, seconds
from twodasl_jax.data.face_crops import STORED_SIZE, whitening_of
from twodasl_jax.errors import ConfigError, InputError
from twodasl_jax.files import atomic_files
from twodasl_jax.geometry.coefficients import Coefficients, official_from_coefficients
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space
from twodasl_jax.geometry.projection import WeakPerspective, affine_from_camera
from twodasl_jax.geometry.rotation import rotation_from_euler
from twodasl_jax.models.face_model import embedded_face_model
from twodasl_jax.training.face_space import FaceSpace, build_space
from twodasl_jax.training.method import draw_examples
from twodasl_jax.training.recipe import Recipe, build_recipe, create_state
from twodasl_jax.training.state import AnnotatedFaces, LabelledFaces, TrainBatch, TrainState
from twodasl_jax.training.step import train_step

_KEY = 0
# Tolerated relative difference of a loss. In float32, a landmark may fall into another pixel of the landmark map.
_TOLERANCE = 5e-3
_NETWORKS = ("resnet50", "compact")

# Takes the next training step and returns its metrics.
Step = Callable[[], dict[str, float]]


@dataclasses.dataclass(frozen=True)
class Setting:
    """The recipe, the initial state and the batch of the step in both frameworks."""

    config: ml_collections.ConfigDict
    recipe: Recipe
    space: FaceSpace
    state: TrainState
    batch: TrainBatch


def run(batch_size: int, rounds: int, output: str | None) -> None:
    """Prints the table of all measurements.

    Args:
      batch_size: the number of images per step, half annotated and half in-the-wild.
      rounds: the number of timed steps.
      output: the file for the table in Markdown, or None.

    Raises:
      ConfigError: the batch size is odd.
      InputError: PyTorch is not installed, or the losses of the frameworks differ.
    """
    if batch_size < 2 or batch_size % 2:
        raise ConfigError(
            f"--batch_size={batch_size}: half of the images are annotated, so choose an even number."
        )
    results = {name: measure(name, batch_size, rounds) for name in _NETWORKS}
    text = table(results, batch_size, rounds)
    print(text)
    if output:
        atomic_files.write_bytes(output, f"{text}\n".encode())


def measure(architecture: str, batch_size: int, rounds: int) -> dict[str, Any]:
    """Returns the agreement of both frameworks, the seconds of their steps, peak memory and compile times."""
    setting = build_setting(architecture, batch_size)
    steps = {name: build_step(setting) for name, build_step in FRAMEWORKS.items()}
    first = {name: step() for name, step in steps.items()}
    agreement = check_agreement(first["jax"], first["torch"])
    times = interleaved(steps, rounds)
    with tempfile.TemporaryDirectory() as cache:
        cold, warm, torch_costs = (
            in_new_process(first_step_costs, architecture, framework, batch_size, cache)
            for framework in ("jax", "jax", "torch")
        )
    return {
        "agreement": agreement,
        "seconds": times,
        "cold": cold["compile"],
        "warm": warm["compile"],
        "peak": {"jax": warm["peak"], "torch": torch_costs["peak"]},
    }


def build_setting(architecture: str, batch_size: int) -> Setting:
    """Returns the step of the paper for a network, with the full adversarial loss from the start."""
    config = paper.get_config()
    config.update({"architecture": architecture, "warmup_steps": 0})
    config.batch_size = config.wild_batch_size = batch_size // 2
    config.critic.update({"warmup_steps": 0, "ramp_steps": 1})
    batch = random_batch(embedded_face_model(), batch_size // 2)
    vectors = np.asarray(batch.annotated.vector)
    recipe = build_recipe(config, vectors.shape[1])
    state = jax.jit(functools.partial(create_state, recipe))(jax.random.key(_KEY))
    state = dataclasses.replace(state, step=state.step + 1)
    space = build_space(embedded_face_model(), whitening_of(vectors), config.vertices)
    return Setting(config, recipe, space, state, batch)


def random_batch(model: MorphableModel, count: int) -> TrainBatch:
    """Returns random faces on images of noise, `count` annotated and `count` in-the-wild ones."""
    random = np.random.default_rng(0)
    both = 2 * count
    angles = np.radians(random.uniform((-60, -15, -15), (60, 15, 15), (both, 3)))
    camera = WeakPerspective(
        scale=random.uniform(0.4, 0.5, both).astype(np.float32),
        rotation=rotation_from_euler(angles.astype(np.float32)),
        translation=random.uniform((55, 55, 0), (65, 65, 0), (both, 3)).astype(np.float32),
    )
    coefficients = Coefficients(
        affine_from_camera(camera),
        random.normal(size=(both, len(model.shape_std))).astype(np.float32),
        random.normal(size=(both, len(model.expression_std))).astype(np.float32),
    )
    points = np.asarray(decode(landmark_space(model), coefficients))[..., :2]
    image = random.integers(256, size=(both, STORED_SIZE, STORED_SIZE, 3)).astype(np.uint8)
    visibility = np.full((both, 68), 2, np.uint8)
    vectors = np.asarray(official_from_coefficients(coefficients))
    return TrainBatch(
        AnnotatedFaces(image[:count], points[:count], visibility[:count], vectors[:count]),
        LabelledFaces(image[count:], points[count:], visibility[count:]),
    )


def jax_step(setting: Setting) -> Step:
    """Returns the training step in JAX."""
    compiled = jax.jit(
        functools.partial(train_step, setting.recipe, setting.space), donate_argnums=0
    )
    state, key = jax.tree.map(jax.numpy.copy, setting.state), jax.random.key(_KEY)

    def step() -> dict[str, float]:
        nonlocal state
        state, metrics = compiled(state, setting.batch, key)
        jax.block_until_ready(state)
        return {name: float(value) for name, value in metrics.items()}

    return step


def torch_step(setting: Setting) -> Step:
    """Returns the training step in PyTorch, on the examples that JAX draws for its first step."""
    try:
        from experiments.benchmarks.plain_torch import PlainStep
    except ImportError as error:
        raise InputError(f"{error}: pip install -e '.[benchmark]'.") from error

    config, state = setting.config, setting.state
    plain = PlainStep(
        config.architecture,
        setting.space,
        config.loss_weights.to_dict(),
        config.learning_rate,
        config.critic.learning_rate,
        config.gradient_clip,
        config.average_decay,
    )
    critic = state.critic
    if critic is None:
        raise ConfigError("The benchmark needs the self-critic: give l_sc a positive weight.")
    plain.load(
        *jax.device_get((state.regressor.params, state.regressor.batch_stats, critic.params))
    )
    key = jax.random.fold_in(jax.random.key(_KEY), state.step)
    examples = draw_examples(setting.recipe, setting.space, setting.batch, key)
    batch = {
        name: np.array(getattr(examples, name))
        for name in ("image", "input_landmarks", "landmarks", "visible")
    }
    batch["vector"] = np.array(official_from_coefficients(examples.annotation))
    return lambda: plain.step(batch)


FRAMEWORKS = {"jax": jax_step, "torch": torch_step}


def check_agreement(ours: dict[str, float], theirs: dict[str, float]) -> tuple[str, float]:
    """Returns the loss with the largest relative difference between the frameworks, and that difference.

    Raises:
      InputError: the difference exceeds rounding, so that the speeds cannot be compared.
    """
    differences = {name: abs(ours[name] / value - 1) for name, value in theirs.items() if value}
    name = max(differences, key=lambda name: differences[name])
    if differences[name] > _TOLERANCE:
        raise InputError(f"{name} is {ours[name]} in JAX, but {theirs[name]} in PyTorch.")
    return name, differences[name]


def in_new_process(function: Callable[..., Any], *arguments: Any) -> Any:
    """Returns the result of a function that runs in a new Python process."""
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(1, context) as pool:
        return pool.submit(function, *arguments).result()


def first_step_costs(
    architecture: str, framework: str, batch_size: int, cache: str
) -> dict[str, float]:
    """Returns the peak memory (bytes) of this process after two steps, and the seconds of compilation.

    Args:
      architecture: the network.
      framework: one of `FRAMEWORKS`.
      batch_size: the number of images per step.
      cache: the folder of JAX's compilation cache.
    """
    jax.config.update("jax_compilation_cache_dir", cache)
    step = FRAMEWORKS[framework](build_setting(architecture, batch_size))
    first, second = seconds(step), seconds(step)
    return {"peak": peak_memory(), "compile": max(0.0, first - second)}


def peak_memory() -> int:
    """Returns the peak memory of this process in bytes (Linux).

    `getrusage` is unsuitable: its peak includes that of the parent process.
    """
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def table(results: dict[str, dict[str, Any]], batch_size: int, rounds: int) -> str:
    """Returns the results as a Markdown table below a line with the machine and the setting."""
    lines = [
        f"{machine()}; {batch_size} images a step, medians of {rounds} steps in turn.",
        "",
        "| network | images/s, JAX | images/s, PyTorch | ratio (lowest .. highest) | peak memory, JAX / PyTorch "
        "| compile, cold / cached | largest difference of a loss |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        ours, theirs = (result["seconds"][framework] for framework in ("jax", "torch"))
        rates = [batch_size / statistics.median(times) for times in (ours, theirs)]
        ratios = sorted(b / a for a, b in zip(ours, theirs, strict=True))
        lines.append(
            f"| {name} | {rates[0]:.1f} | {rates[1]:.1f} | {statistics.median(ratios):.2f} "
            f"({ratios[0]:.2f} .. {ratios[-1]:.2f}) | {result['peak']['jax'] / 1e9:.1f} / "
            f"{result['peak']['torch'] / 1e9:.1f} GB | {result['cold']:.0f} / {result['warm']:.1f} s "
            f"| {result['agreement'][0]}: {result['agreement'][1]:.1e} |"
        )
    return "\n".join(lines)
