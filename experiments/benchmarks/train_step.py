"""Measures speed against a yardstick, in one run: each in turn, again and again, medians.

  pip install -e '.[benchmark]'
  python experiments/benchmarks/train_step.py --what=train_step --output=table.md

train_step: the whole step of configs/paper.py, both passes and the self-critic, against the same method written
plainly in PyTorch (experiments/benchmarks/plain_torch.py), on the same cores and on the same examples, for both networks; drawing
the examples is in JAX's time alone. First both must find the same losses. Then each takes steps in turn. Peak memory
and compile times, without and with the persistent cache, are those of a process of its own.
"""

import dataclasses
import functools
import json
import os
import pathlib
import platform
import runpy
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from typing import Any

import jax
import ml_collections
import numpy as np
from absl import flags

from experiments.benchmarks.timing import interleaved
from twodasl_jax.commands import entry_points
from twodasl_jax.data.face_crops import STORED_SIZE
from twodasl_jax.errors import ConfigError, InputError
from twodasl_jax.geometry.coefficients import Coefficients, official_from_coefficients
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space
from twodasl_jax.geometry.projection import WeakPerspective, affine_from_camera
from twodasl_jax.geometry.rotation import rotation_from_euler
from twodasl_jax.models.face_model import embedded_face_model
from twodasl_jax.training.face_space import FaceSpace, build_space, project, whitening_of
from twodasl_jax.training.method import draw_examples
from twodasl_jax.training.recipe import Recipe, build_recipe, create_state
from twodasl_jax.training.state import AnnotatedFaces, LabelledFaces, TrainBatch, TrainState
from twodasl_jax.training.step import train_step

_WHAT = flags.DEFINE_enum("what", None, ["train_step"], "What is measured.", required=True)
_BATCH = flags.DEFINE_integer("batch_size", 32, "Images a step, half annotated, half in the wild.")
_ROUNDS = flags.DEFINE_integer("rounds", 7, "Steps that are timed of each.", lower_bound=1)
_OUTPUT = flags.DEFINE_string("output", None, "File for the table (Markdown); printed anyway.")
# How a process of its own is told what to do.
_ALONE = flags.DEFINE_string("alone", None, "(internal) NETWORK:FRAMEWORK to measure alone.")

_PAPER = pathlib.Path(__file__).parents[2] / "configs" / "paper.py"
_KEY = 0
# Relative difference of a loss: float32 through ResNet-50 at random, where a landmark may cross a pixel's border.
_AGREEMENT = 5e-3
_NETWORKS = ("resnet50", "compact")


@dataclasses.dataclass(frozen=True)
class Setting:
    """What both frameworks compute: one recipe, from one state, on one batch."""

    config: ml_collections.ConfigDict
    recipe: Recipe
    space: FaceSpace
    state: TrainState
    batch: TrainBatch


def setting_of(architecture: str, batch_size: int) -> Setting:
    """Returns the paper's step for a network, with the self-critic counting from the start."""
    config = runpy.run_path(str(_PAPER))["get_config"]()
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
    """Returns random faces on noise, as many annotated as in the wild: speed does not see what is in a picture."""
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
    points = np.asarray(project(coefficients, landmark_space(model)))[..., :2]
    image = random.integers(256, size=(both, STORED_SIZE, STORED_SIZE, 3)).astype(np.uint8)
    visibility = np.full((both, 68), 2, np.uint8)
    vectors = np.asarray(official_from_coefficients(coefficients))
    return TrainBatch(
        AnnotatedFaces(image[:count], points[:count], visibility[:count], vectors[:count]),
        LabelledFaces(image[count:], points[count:], visibility[count:]),
    )


def jax_runner(setting: Setting) -> Callable[[], dict[str, float]]:
    """Returns a function that takes the next step and hands back its metrics."""
    step = jax.jit(functools.partial(train_step, setting.recipe, setting.space), donate_argnums=0)
    state, key = jax.tree.map(jax.numpy.copy, setting.state), jax.random.key(_KEY)

    def run() -> dict[str, float]:
        nonlocal state
        state, metrics = step(state, setting.batch, key)
        jax.block_until_ready(state)
        return {name: float(value) for name, value in metrics.items()}

    return run


def torch_runner(setting: Setting) -> Callable[[], dict[str, float]]:
    """The same in PyTorch, on the examples that JAX draws for the first step."""
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
        raise ConfigError("The benchmark is of the whole method: l_sc must count.")
    plain.load(
        *jax.device_get((state.regressor.params, state.regressor.batch_stats, critic.params))
    )
    key = jax.random.fold_in(jax.random.key(_KEY), state.step)
    examples = draw_examples(setting.recipe, setting.space, setting.batch, key)
    batch = {
        name: np.array(getattr(examples, name))
        for name in ("image", "shown", "landmarks", "visible")
    }
    batch["vector"] = np.array(official_from_coefficients(examples.annotation))
    return lambda: plain.step(batch)


RUNNERS = {"jax": jax_runner, "torch": torch_runner}


def check_agreement(ours: dict[str, float], theirs: dict[str, float]) -> tuple[str, float]:
    """Returns the loss that both frameworks agree on least, and its relative difference.

    Raises:
      InputError: they differ by more than rounding, so that their speeds would not compare.
    """
    differences = {name: abs(ours[name] / value - 1) for name, value in theirs.items() if value}
    name = max(differences, key=lambda name: differences[name])
    if differences[name] > _AGREEMENT:
        raise InputError(f"{name} is {ours[name]} in JAX, {theirs[name]} in PyTorch.")
    return name, differences[name]


def measure_alone(architecture: str, framework: str) -> dict[str, float]:
    """Prepares and takes two steps in this process; returns its peak memory and how long the first step took."""
    run = RUNNERS[framework](setting_of(architecture, _BATCH.value))
    start = time.perf_counter()
    run()
    first = time.perf_counter() - start
    start = time.perf_counter()
    run()
    second = time.perf_counter() - start
    return {"peak": peak_memory(), "compile": max(0.0, first - second)}


def peak_memory() -> int:
    """Returns the most bytes that this process ever held (Linux).

    `getrusage` would do, but that it begins with what the parent process held.
    """
    status = pathlib.Path("/proc/self/status").read_text()
    return 1024 * int(status.partition("VmHWM:")[2].split()[0])


def alone(architecture: str, framework: str, cache: pathlib.Path) -> dict[str, float]:
    """Runs `measure_alone` in a process of its own, with JAX's compilation cache in a folder."""
    finished = subprocess.run(
        [sys.executable, __file__, "--what=train_step", f"--batch_size={_BATCH.value}"]
        + [f"--alone={architecture}:{framework}"],
        env=os.environ | {"JAX_COMPILATION_CACHE_DIR": str(cache)},
        stdout=subprocess.PIPE,
        check=True,
        text=True,
    )
    return json.loads(finished.stdout)


def measure(architecture: str) -> dict[str, Any]:
    """Measures a network: agreement, speed in turn, then memory and compile times alone."""
    setting = setting_of(architecture, _BATCH.value)
    runners = {name: runner(setting) for name, runner in RUNNERS.items()}
    first = {name: run() for name, run in runners.items()}
    agreement = check_agreement(first["jax"], first["torch"])
    seconds = interleaved(runners, _ROUNDS.value)
    with tempfile.TemporaryDirectory() as cache:
        folder = pathlib.Path(cache)
        cold, warm = (alone(architecture, "jax", folder) for _ in range(2))
        torch_alone = alone(architecture, "torch", folder)
    return {
        "agreement": agreement,
        "seconds": seconds,
        "cold": cold["compile"],
        "warm": warm["compile"],
        "peak": {"jax": warm["peak"], "torch": torch_alone["peak"]},
    }


def table(results: dict[str, dict[str, Any]]) -> str:
    """Returns the results as a Markdown table, with what they were measured on."""
    lines = [
        f"{platform.processor() or platform.machine()}, {os.cpu_count()} cores, "
        f"{time.strftime('%Y-%m-%d')}; {_BATCH.value} images a step, medians of {_ROUNDS.value} steps in turn.",
        "",
        "| network | images/s, JAX | images/s, PyTorch | ratio (lowest .. highest) | peak memory, JAX / PyTorch "
        "| compile, cold / cached | largest difference of a loss |",
        "|---|---|---|---|---|---|---|",
    ]
    for name, result in results.items():
        ours, theirs = (result["seconds"][framework] for framework in ("jax", "torch"))
        rates = [_BATCH.value / statistics.median(times) for times in (ours, theirs)]
        ratios = sorted(b / a for a, b in zip(ours, theirs, strict=True))
        lines.append(
            f"| {name} | {rates[0]:.1f} | {rates[1]:.1f} | {statistics.median(ratios):.2f} "
            f"({ratios[0]:.2f} .. {ratios[-1]:.2f}) | {result['peak']['jax'] / 1e9:.1f} / "
            f"{result['peak']['torch'] / 1e9:.1f} GB | {result['cold']:.0f} / {result['warm']:.1f} s "
            f"| {result['agreement'][0]}: {result['agreement'][1]:.1e} |"
        )
    return "\n".join(lines)


def main() -> None:
    if _ALONE.value:
        print(json.dumps(measure_alone(*_ALONE.value.split(":"))))
        return
    if _BATCH.value < 2 or _BATCH.value % 2:
        raise ConfigError(
            f"--batch_size={_BATCH.value}: one half is annotated, so choose an even number."
        )
    text = table({name: measure(name) for name in _NETWORKS})
    print(text)
    if _OUTPUT.value:
        pathlib.Path(_OUTPUT.value).write_text(text + "\n")


if __name__ == "__main__":
    entry_points.run(main)
