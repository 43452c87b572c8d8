"""Compiles a config's whole train step for TPUs that need not exist, and prints what it costs there.

  pip install -e '.[tpu]'
  python experiments/benchmarks/compile_for_tpu.py --config=configs/pod.py --topology=v5e:8x8

The real TPU compiler (libtpu) works ahead of time on any Linux machine; on two cores it takes some minutes. It tells
memory per chip, arithmetic, memory traffic and collectives; the roofline images/s follow from the chip's published
peaks and are an upper bound. "HBM bytes" are those of main memory; "bytes accessed" also those of memory on the chip.
Any setting can be changed: --config.dtype=float32.
"""

import functools
import os
import time

# Before JAX is imported: nothing is to run on a TPU, or to look for one.
os.environ.setdefault("JAX_PLATFORMS", "cpu")
os.environ.setdefault("TPU_SKIP_MDS_QUERY", "1")

import dataclasses

import jax
import jax.numpy as jnp
import ml_collections
import numpy as np
from absl import flags
from jax.experimental import topologies
from jax.sharding import Mesh, NamedSharding, PartitionSpec
from ml_collections import config_flags

from twodasl_jax.commands import entry_points
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

_CONFIG = config_flags.DEFINE_config_file("config", None, "Config file of the run, see configs/.")
_TOPOLOGY = flags.DEFINE_string(
    "topology",
    "v5e:2x2",
    "Chip and arrangement: v4:2x2x1, v5e:2x2 to v5e:16x16, v5p:2x2x1, v6e:2x2.",
)
flags.mark_flag_as_required("config")


@dataclasses.dataclass(frozen=True)
class Chip:
    """Published peaks of one chip: bf16 FLOP/s, HBM bytes/s, HBM bytes (Google Cloud, TPU system architecture)."""

    flops: float
    bandwidth: float
    memory: float


CHIPS = {
    "v4": Chip(275e12, 1228e9, 32e9),
    "v5e": Chip(197e12, 819e9, 16e9),
    "v5p": Chip(459e12, 2765e9, 95e9),
    "v6e": Chip(918e12, 1640e9, 32e9),
}


def compile_step(config: ml_collections.ConfigDict, devices: np.ndarray) -> jax.stages.Compiled:
    """Compiles the step of a config for devices that are only described."""
    mesh = Mesh(devices.ravel(), (AXIS,))
    recipe, space = _build(config, devices.size)
    key = jax.eval_shape(lambda: jax.random.key(0))
    state = jax.eval_shape(functools.partial(create_state, recipe), key)
    everywhere, split = (
        NamedSharding(mesh, spec) for spec in (PartitionSpec(), PartitionSpec(AXIS))
    )
    arguments = (state, _batch_shapes(config, len(space.whitening.mean)), key)
    homes = (everywhere, split, everywhere)
    placed = [
        jax.tree.map(
            lambda leaf, to=home: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=to), tree
        )
        for tree, home in zip(arguments, homes, strict=True)
    ]
    step = sharded(functools.partial(train_step, recipe, space), mesh)
    return jax.jit(step, donate_argnums=0).lower(*placed).compile()


def _build(config: ml_collections.ConfigDict, device_count: int) -> tuple[Recipe, FaceSpace]:
    model = embedded_face_model()
    size = POSE_COUNT + len(model.shape_std) + len(model.expression_std)
    # It costs what any other does.
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


def report(cost: Cost, chip: Chip, chips: int, images: int) -> str:
    """Returns a table of what one step costs one chip and one of its images, and how fast it can be at most."""
    arithmetic, traffic = cost.flops / chip.flops, cost.traffic / chip.bandwidth
    rate = images / max(arithmetic, traffic)
    memory = (cost.arguments + cost.temporaries) / chip.memory
    bound = "arithmetic" if arithmetic > traffic else "memory traffic"

    def row(name, value, unit, digits):
        scaled = f"{value / images:.{digits}f} {unit}"
        return name, f"{value:.1f} {unit}", scaled

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


def main() -> None:
    config, name = _CONFIG.value, _TOPOLOGY.value
    kind = name.partition(":")[0]
    if kind not in CHIPS:
        raise ConfigError(f"--topology={name}: known chips are {', '.join(CHIPS)}, as in v5e:2x2.")
    try:
        topology = topologies.get_topology_desc(platform="tpu", topology_name=name)
    except Exception as error:
        raise ConfigError(
            f"--topology={name} cannot be had: {error}. It needs libtpu (pip install "
            "-e '.[tpu]') and an arrangement that exists."
        ) from error
    devices: np.ndarray = np.array(topology.devices)
    images = config.batch_size + config.wild_batch_size
    start = time.perf_counter()
    compiled = compile_step(config, devices)
    print(
        f"{config.architecture}, {config.dtype}, {images} images on {devices.size} chips {name};",
        end=" ",
    )
    print(f"compiled in {time.perf_counter() - start:.0f} s")
    print(report(cost_of(compiled), CHIPS[kind], devices.size, images // devices.size))


if __name__ == "__main__":
    entry_points.run(main)
