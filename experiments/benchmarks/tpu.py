"""The cost of a training step on a TPU, from the TPU compiler, without a TPU."""

import dataclasses
import functools
import os
import time

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from twodasl_jax.data.face_crops import STORED_SIZE
from twodasl_jax.errors import ConfigError
from twodasl_jax.geometry.coefficients import POSE_COUNT, Whitening
from twodasl_jax.models.face_model import embedded_face_model
from twodasl_jax.training.compiled import Cost, cost_of
from twodasl_jax.training.devices import AXIS, sharded
from twodasl_jax.training.face_space import FaceSpace, build_space
from twodasl_jax.training.recipe import Recipe, build_recipe, create_state
from twodasl_jax.training.state import AnnotatedFaces, LabelledFaces, TrainBatch
from twodasl_jax.training.step import train_step


@dataclasses.dataclass(frozen=True)
class Chip:
    """Published peak rates of a chip (Google Cloud, TPU system architecture).

    Attributes:
      flops: bf16 FLOP/s.
      bandwidth: bytes/s of main memory (HBM).
      memory: bytes of main memory.
    """

    flops: float
    bandwidth: float
    memory: float


CHIPS = {
    "v4": Chip(275e12, 1228e9, 32e9),
    "v5e": Chip(197e12, 819e9, 16e9),
    "v5p": Chip(459e12, 2765e9, 95e9),
    "v6e": Chip(918e12, 1640e9, 32e9),
}


def run(config: ml_collections.ConfigDict, topology: str) -> None:
    """Compiles the training step of a config for a TPU topology and prints its cost.

    Must be called before JAX initialises a backend.

    Args:
      config: the settings of the run.
      topology: the chip and its arrangement, such as "v5e:2x2".

    Raises:
      ConfigError: the topology is unknown, or libtpu is not installed.
    """
    kind = topology.partition(":")[0]
    if kind not in CHIPS:
        raise ConfigError(
            f"--topology={topology}: known chips are {', '.join(CHIPS)}, as in v5e:2x2."
        )
    _hide_devices()
    try:
        described = topologies.get_topology_desc(platform="tpu", topology_name=topology)
    except Exception as error:
        raise ConfigError(
            f"--topology={topology} is not available: {error}. It needs libtpu (pip install "
            "-e '.[tpu]') and an existing arrangement."
        ) from error
    devices: np.ndarray = np.array(described.devices)
    images = config.batch_size + config.wild_batch_size
    start = time.perf_counter()
    compiled = compile_step(config, devices)
    print(
        f"{config.architecture}, {config.dtype}, {images} images on {devices.size} chips {topology}; "
        f"compiled in {time.perf_counter() - start:.0f} s"
    )
    print(cost_table(cost_of(compiled), CHIPS[kind], devices.size, images // devices.size))


def _hide_devices() -> None:
    """Makes JAX use the CPU only, and makes libtpu compile without a search for TPUs."""
    jax.config.update("jax_platforms", "cpu")
    os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")


def compile_step(config: ml_collections.ConfigDict, devices: np.ndarray) -> jax.stages.Compiled:
    """Compiles the training step of a config for described devices."""
    mesh = Mesh(devices.ravel(), (AXIS,))
    recipe, space = _recipe_and_space(config, devices.size)
    key = jax.eval_shape(lambda: jax.random.key(0))
    state = jax.eval_shape(functools.partial(create_state, recipe), key)
    replicated, split = (
        NamedSharding(mesh, spec) for spec in (PartitionSpec(), PartitionSpec(AXIS))
    )
    arguments = (state, _batch_shapes(config, len(space.whitening.mean)), key)
    shardings = (replicated, split, replicated)
    placed = [
        jax.tree.map(
            lambda leaf, to=sharding: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=to),
            tree,
        )
        for tree, sharding in zip(arguments, shardings, strict=True)
    ]
    step = sharded(functools.partial(train_step, recipe, space), mesh)
    return jax.jit(step, donate_argnums=0).lower(*placed).compile()


def _recipe_and_space(
    config: ml_collections.ConfigDict, device_count: int
) -> tuple[Recipe, FaceSpace]:
    model = embedded_face_model()
    size = POSE_COUNT + len(model.shape_std) + len(model.expression_std)
    # The cost does not depend on the values of the whitening.
    whitening = Whitening(np.zeros(size, np.float32), np.ones(size, np.float32))
    recipe = build_recipe(config, size, device_count, AXIS)
    return recipe, build_space(model, whitening, config.vertices)


def _batch_shapes(config: ml_collections.ConfigDict, vector_size: int) -> TrainBatch:
    def faces(count):
        return {
            "image": jnp.zeros((count, STORED_SIZE, STORED_SIZE, 3), jnp.uint8),
            "landmarks": jnp.zeros((count, 68, 2)),
            "visibility": jnp.zeros((count, 68), jnp.uint8),
        }

    def batch():
        vectors = jnp.zeros((config.batch_size, vector_size))
        annotated = AnnotatedFaces(**faces(config.batch_size), vector=vectors)
        return TrainBatch(annotated, LabelledFaces(**faces(config.wild_batch_size)))

    return jax.eval_shape(batch)


def cost_table(cost: Cost, chip: Chip, chips: int, images: int) -> str:
    """Returns a table of the cost of one step, per chip and per image, and of the largest possible speed.

    Args:
      cost: the cost of one step on one chip.
      chip: the peak rates of the chip.
      chips: the number of chips.
      images: the number of images per chip.
    """
    arithmetic, traffic = cost.flops / chip.flops, cost.traffic / chip.bandwidth
    rate = images / max(arithmetic, traffic)
    memory = (cost.arguments + cost.temporaries) / chip.memory
    bound = "arithmetic" if arithmetic > traffic else "memory traffic"

    def row(name, value, unit, digits):
        return name, f"{value:.1f} {unit}", f"{value / images:.{digits}f} {unit}"

    rows = [
        ("", "per step and chip", "per image"),
        ("images", f"{images}", ""),
        ("state and batch", f"{cost.arguments / 1e6:.0f} MB", ""),
        ("temporaries", f"{cost.temporaries / 1e6:.0f} MB", ""),
        ("of the chip's memory", f"{memory:.1%}", ""),
        row("FLOPs", cost.flops / 1e9, "G", 2),
        row("HBM bytes", cost.traffic / 1e6, "MB", 1),
        row("bytes accessed (XLA)", cost.accessed / 1e6, "MB", 1),
        ("collectives", f"{cost.collectives}", ""),
        row("bytes of collectives", cost.message_bytes / 1e6, "MB", 2),
        ("arithmetic at peak", f"{1e3 * arithmetic:.2f} ms", ""),
        ("memory traffic at peak", f"{1e3 * traffic:.2f} ms", ""),
        ("roofline, images/s", f"{rate:.0f} a chip", f"{rate * chips:.0f} on {chips} chips"),
        ("bound by", bound, ""),
    ]
    return "\n".join(f"{name:24}{step:>20}{image:>24}".rstrip() for name, step, image in rows)
