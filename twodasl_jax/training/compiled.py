"""What a compiled step costs, as its compiler tells: memory, arithmetic, memory traffic, collectives.

XLA's own "bytes accessed" also counts what a TPU reads from and writes to the memory on the chip. The optimised
program says where each array lives, so that the traffic to main memory (HBM) can be told apart.
"""

import dataclasses
import math
import os
import pathlib
import re
from collections.abc import Iterator

import jax

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
# They name memory, or wait for it, but move none.
_FREE = ("parameter", "constant", "tuple", "get-tuple-element", "bitcast", "while", "conditional")
_COMPUTATION = re.compile(r"^(?:ENTRY )?%?(?P<name>[\w.\-]+) \(.*\{$")
_INSTRUCTION = re.compile(
    r"^\s+(?:ROOT )?%?(?P<name>[\w.\-]+) = (?P<shape>\(.*?\)|\S+) (?P<kind>[a-z][\w\-]*)\((?P<rest>.*)"
)
# dtype[2,3]{layout}, where the layout names a memory other than the main one as S(number).
_ARRAY = re.compile(r"\b(?P<dtype>[a-z]+\d*)\[(?P<size>[\d,]*)\](?P<layout>\{[^}]*\})?")
_ON_CHIP = re.compile(r"S\([1-9]")
_TRIPS = re.compile(r'"known_trip_count":\{"n":"(\d+)"')


def keep_compiled_programs() -> None:
    """Keeps compiled programs in the user's cache, so that the same run starts in seconds the next time.

    `JAX_COMPILATION_CACHE_DIR` names another folder for them.
    """
    if "JAX_COMPILATION_CACHE_DIR" not in os.environ:
        caches = pathlib.Path(os.environ.get("XDG_CACHE_HOME") or "~/.cache").expanduser()
        jax.config.update("jax_compilation_cache_dir", str(caches / "twodasl_jax"))


@dataclasses.dataclass(frozen=True)
class Cost:
    """What one step costs one device.

    Attributes:
      arguments: bytes of state and batch, which stay in memory.
      temporaries: bytes of everything in between, at the peak.
      flops: floating-point operations.
      accessed: bytes that the operations read and write, wherever they are (XLA's "bytes accessed").
      traffic: bytes of main memory among them.
      collectives: number of messages between the devices.
      message_bytes: what they carry.
    """

    arguments: int
    temporaries: int
    flops: float
    accessed: float
    traffic: int
    collectives: int
    message_bytes: int


def cost_of(compiled: jax.stages.Compiled) -> Cost:
    """Reads what the compiler knows of a program."""
    memory, cost, text = compiled.memory_analysis(), compiled.cost_analysis(), compiled.as_text()
    if memory is None or cost is None or text is None:
        raise NotImplementedError("this backend's compiler does not tell what a program costs")
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
    """Returns the number of collective operations in an optimised program (HLO text), and the bytes of their results.

    Of an operation in two parts the start is counted.
    """
    sizes = [
        max(_sizes(shape))
        if kind.endswith("-start") and kind != "all-reduce-start"
        else sum(_sizes(shape))
        for _, times, (_, shape, kind, _) in _run(program)
        if kind.removesuffix("-start") in _COLLECTIVES
        for _ in range(times)
    ]
    return len(sizes), sum(sizes)


def main_memory_traffic(program: str) -> int:
    """Returns the bytes that an optimised program (HLO text) reads from and writes to main memory.

    Each operation reads its operands and writes its result once, where they do not live on the chip. An operation
    that reads but a part of an operand is counted with all of it.
    """
    total, stored = 0, {}
    for _, times, (name, shape, kind, rest) in _run(program):
        stored[name] = sum(_sizes(shape, main_only=True))
        if kind in _FREE or kind.endswith("-done"):
            continue
        if kind == "slice-start":
            # ((operands), result, context): what is read is as large as the result.
            _, result, *_ = _sizes(shape)
            total += times * result
        elif kind == "copy-start":
            # (source, destination, context), one of them on the chip.
            total += times * stored[name]
        else:
            operands = re.findall(r"%([\w.\-]+)", rest.partition("), ")[0])
            total += times * (stored[name] + sum(stored.get(operand, 0) for operand in operands))
    return total


_Instruction = tuple[str, str, str, str]


def _run(program: str) -> Iterator[tuple[str, int, _Instruction]]:
    """Yields computation, repetitions and instruction of all that runs: the entry, and the bodies of its loops."""
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
    """Returns the bytes of each array of a shape; zero for those on the chip, if only main memory counts."""
    return [
        0
        if main_only and _ON_CHIP.search(array["layout"] or "")
        else math.prod(map(int, filter(None, array["size"].split(","))))
        * _DTYPE_BYTES[array["dtype"]]
        for array in _ARRAY.finditer(shape)
        if array["dtype"] in _DTYPE_BYTES
    ]
