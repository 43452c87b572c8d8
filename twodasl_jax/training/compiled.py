"""The compiled training step: its cache, its cost as estimated by the compiler, and the dry run.

XLA's "bytes accessed" includes accesses to the on-chip memory of a TPU. The optimised program contains the memory of
each array, so that `main_memory_traffic` can count the traffic to main memory (HBM) alone.
"""

import dataclasses
import math
import os
import pathlib
import re
from collections.abc import Iterator, Sequence

import jax
import numpy as np
from jaxtyping import PyTree

from twodasl_jax.data.pipeline import Pool
from twodasl_jax.training.batches import TrainingData
from twodasl_jax.training.run import Run

_MEGABYTE, _GIGAFLOP = 1e6, 1e9
_DTYPE_BYTES = {"pred": 1, "bf16": 2, "f16": 2} | {
    f"{kind}{8 * size}": size for kind in "suf" for size in (1, 2, 4, 8)
}
_COLLECTIVES = (
    "all-reduce",
    "all-gather",
    "reduce-scatter",
    "collective-permute",
    "all-to-all",
)
# Instructions that move no data.
_FREE = ("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "conditional")
_COMPUTATION = re.compile(r"^(?:ENTRY )?%?(?P<name>[\w.\-]+) \(.*\{$")
_INSTRUCTION = re.compile(
    r"^\s+(?:ROOT )?%?(?P<name>[\w.\-]+) = (?P<shape>\(.*?\)|\S+) (?P<kind>[a-z][\w\-]*)\((?P<rest>.*)"
)
# dtype[2,3]{layout}. In a layout, S(n) with n > 0 is a memory other than main memory.
_ARRAY = re.compile(r"\b(?P<dtype>[a-z]+\d*)\[(?P<size>[\d,]*)\](?P<layout>\{[^}]*\})?")
_ON_CHIP = re.compile(r"S\([1-9]")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')


def keep_compiled_programs() -> None:
    """Enables the persistent compilation cache, so that a repeated run starts within seconds.

    The cache is in the cache folder of the user, or in `JAX_COMPILATION_CACHE_DIR` if that is set.
    """
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        caches = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        jax.config.update("jax_compilation_cache_dir", str(caches / "twodasl_jax"))


def describe(run: Run) -> str:
    """Returns a table of the sizes, data, arithmetic and memory of a run, without executing a step."""
    state = run.first_state()
    batch = run.devices.split(next(run.batches()))
    cost = cost_of(run.devices.step.lower(state, batch, run.key).compile())
    rows = [
        ("network", f"{run.config.architecture}, {_parameters(state.regressor.params)} parameters"),
        *_critic_rows(state.critic),
        ("devices", f"{jax.device_count()}, {run.config.map}, {jax.process_count()} processes"),
        *_data_rows(run.data),
        *_batch_rows(batch),
        *_cost_rows(cost),
        ("steps", f"{run.config.steps:,}"),
    ]
    return "\n".join(f"{name:28}{value}" for name, value in rows)


def _parameters(params: PyTree) -> str:
    return f"{sum(leaf.size for leaf in jax.tree.leaves(params)):,}"


def _critic_rows(critic: PyTree) -> list[tuple[str, str]]:
    return [] if critic is None else [("self-critic", f"{_parameters(critic.params)} parameters")]


def _data_rows(data: TrainingData) -> list[tuple[str, str]]:
    def count(pools: Sequence[Pool]) -> str:
        return f"{sum(int(np.isfinite(pool.yaw).sum()) for pool in pools):,} faces"

    return [
        ("annotated", count(data.annotated)),
        ("in the wild", count(data.wild)),
        ("held out", f"{len(data.held_out.image):,} faces"),
    ]


def _batch_rows(batch: PyTree) -> list[tuple[str, str]]:
    return [
        (f"batch{jax.tree_util.keystr(path)}", f"{leaf.dtype} {leaf.shape}")
        for path, leaf in jax.tree_util.tree_leaves_with_path(batch)
    ]


def _cost_rows(cost: "Cost") -> list[tuple[str, str]]:
    return [
        ("arithmetic", f"{cost.flops / _GIGAFLOP:,.1f} GFLOP per step and device"),
        ("memory, state and batch", f"{cost.arguments / _MEGABYTE:,.0f} MB per device"),
        ("memory, temporaries", f"{cost.temporaries / _MEGABYTE:,.0f} MB per device"),
    ]


@dataclasses.dataclass(frozen=True)
class Cost:
    """The cost of one step on one device.

    Attributes:
      arguments: the bytes of state and batch, which stay in memory.
      temporaries: the bytes of all intermediate arrays at their peak.
      flops: the number of floating-point operations.
      accessed: the bytes that the operations read and write in any memory (XLA's "bytes accessed").
      traffic: the bytes that the operations read from and write to main memory.
      collectives: the number of messages between devices.
      message_bytes: the total size of these messages.
    """

    arguments: int
    temporaries: int
    flops: float
    accessed: float
    traffic: int
    collectives: int
    message_bytes: int


def cost_of(compiled: jax.stages.Compiled) -> Cost:
    """Returns the compiler's estimate of the cost of a program.

    Raises:
      NotImplementedError: the compiler of this backend provides no estimate.
    """
    memory, cost, text = compiled.memory_analysis(), compiled.cost_analysis(), compiled.as_text()
    if memory is None or cost is None or text is None:
        raise NotImplementedError(
            "the compiler of this backend does not estimate the cost of a program"
        )
    collectives, message_bytes = collectives_of(text)
    return Cost(
        arguments=memory.argument_size_in_bytes,
        temporaries=memory.temp_size_in_bytes,
        flops=cost["flops"],
        accessed=cost["bytes accessed"],
        traffic=main_memory_traffic(text),
        collectives=collectives,
        message_bytes=message_bytes,
    )


def collectives_of(program: str) -> tuple[int, int]:
    """Returns the number of collective operations of an optimised program (HLO text) and the bytes of their results.

    An asynchronous operation is counted at its start.
    """
    sizes = [
        max(_sizes(shape))
        if kind.endswith("-start") and kind != "all-reduce-start"
        else sum(_sizes(shape))
        for _, times, (_, shape, kind, _) in _instructions(program)
        if kind.removesuffix("-start") in _COLLECTIVES
        for _ in range(times)
    ]
    return len(sizes), sum(sizes)


def main_memory_traffic(program: str) -> int:
    """Returns the bytes that an optimised program (HLO text) reads from and writes to main memory.

    Each operation reads its operands and writes its result once. Arrays in on-chip memory do not count. An operand
    counts as a whole, even if the operation reads only a part of it.
    """
    total, stored = 0, {}
    for _, times, (name, shape, kind, rest) in _instructions(program):
        stored[name] = sum(_sizes(shape, main_only=True))
        if kind in _FREE or kind.endswith("-done"):
            continue
        if kind == "slice-start":
            # ((operands), result, context): the operation reads as many bytes as the result has.
            _, result, *_ = _sizes(shape)
            total += times * result
        elif kind == "copy-start":
            # (source, destination, context): either source or destination is in on-chip memory.
            total += times * stored[name]
        else:
            operands = re.findall(r"%([\w.\-]+)", rest.partition("), ")[0])
            total += times * (stored[name] + sum(stored.get(operand, 0) for operand in operands))
    return total


_Instruction = tuple[str, str, str, str]


def _instructions(program: str) -> Iterator[tuple[str, int, _Instruction]]:
    """Yields the instructions of the entry computation and of its loops, with their computation and repetitions."""
    computations, entry = _computations(program)
    waiting = [(entry, 1)]
    while waiting:
        name, times = waiting.pop()
        for instruction in computations[name]:
            yield name, times, instruction
            kind, rest = instruction[2:]
            if kind == "while":
                trips = _TRIPS.search(rest)
                body = re.search(r"body=%?([\w.\-]+)", rest)
                if body:
                    waiting.append((body[1], times * int(trips[1] if trips else 1)))


def _computations(program: str) -> tuple[dict[str, list[_Instruction]], str]:
    computations: dict[str, list[_Instruction]] = {}
    current: list[_Instruction] = []
    entry = ""
    for line in program.splitlines():
        if head := _COMPUTATION.match(line):
            current = computations[head["name"]] = []
            entry = head["name"] if line.startswith("ENTRY") else entry
        elif found := _INSTRUCTION.match(line):
            current.append((found["name"], found["shape"], found["kind"], found["rest"]))
    return computations, entry


def _sizes(shape: str, main_only: bool = False) -> list[int]:
    """Returns the bytes of each array of a shape. With `main_only`, arrays in on-chip memory count as zero."""
    return [
        0
        if main_only and _ON_CHIP.search(array["layout"] or "")
        else math.prod(map(int, filter(None, array["size"].split(","))))
        * _DTYPE_BYTES[array["dtype"]]
        for array in _ARRAY.finditer(shape)
        if array["dtype"] in _DTYPE_BYTES
    ]
