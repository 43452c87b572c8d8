"""Speed benchmarks of training, inference and scoring, and the cost of a training step on a TPU.

  python experiments/benchmark.py --what=train_step --output=table.md
  python experiments/benchmark.py --what=feed --data_dir=data/quickstart [--config=configs/compact.py]
  python experiments/benchmark.py --what=loop --data_dir=data/quickstart [--config=configs/compact.py]
  python experiments/benchmark.py --what=start --data_dir=data/quickstart
  python experiments/benchmark.py --what=inference [--rival=mb05.npz]
  python experiments/benchmark.py --what=scoring
  python experiments/benchmark.py --what=tpu --config=configs/pod.py --topology=v5e:8x8

Benchmarks (details in the modules of experiments/benchmarks/):

  train_step   a training step of configs/paper.py, against the same method in plain PyTorch: speed, peak memory and
               compile time (pip install -e '.[benchmark]')
  feed         images/s of the input pipeline, against those of the training step of --config
  loop         overhead of the training loop over the training steps of --config
  start        seconds from the command that starts a run of configs/compact.py to its first step
  inference    time from crops or boxes to meshes, in JAX and in ONNX Runtime, for one face and for a batch
  scoring      time of the landmark errors of 2000 faces, and rate of ICP between dense meshes
  tpu          cost of the training step of --config on a TPU; no TPU is needed (pip install -e '.[tpu]')

Calls that are compared run in turn, several times. The results are medians with ranges.

`tpu` runs the real TPU compiler (libtpu) ahead of time, on any Linux machine; on two cores it takes some minutes. It
prints memory per chip, arithmetic, memory traffic and collectives. The roofline images/s follow from the published peak
rates of the chip and are an upper bound. "HBM bytes" count main memory only; "bytes accessed" also count the memory on
the chip. All settings of the config can be changed: --config.dtype=float32.
"""

import pathlib

from absl import flags
from ml_collections import config_flags

from experiments import conditional_flags
from experiments.benchmarks import inference, scoring, tpu, train_step, training_run
from twodasl_jax.commands import entry_points

_COMPACT = pathlib.Path(__file__).parents[1] / "configs" / "compact.py"
_ROUNDS_BY_DEFAULT = {
    "train_step": 7,
    "feed": 5,
    "loop": 5,
    "start": 5,
    "inference": 100,
    "scoring": 5,
}

_WHAT = flags.DEFINE_enum(
    "what", None, [*_ROUNDS_BY_DEFAULT, "tpu"], "The benchmark to run.", required=True
)
_ROUNDS = flags.DEFINE_integer(
    "rounds",
    None,
    "The number of times that each call is measured. By default "
    f"{', '.join(f'{name}: {rounds}' for name, rounds in _ROUNDS_BY_DEFAULT.items())}.",
    lower_bound=1,
)
_BATCH = flags.DEFINE_integer(
    "batch_size",
    32,
    "train_step: the number of images per step, half annotated, half in-the-wild. inference: the number of faces of "
    "the batch.",
    lower_bound=1,
)
_OUTPUT = flags.DEFINE_string("output", None, "train_step: a file for the table (Markdown).")
_CONFIG = config_flags.DEFINE_config_file(
    "config", str(_COMPACT), "feed, loop, tpu: the config file of the run, see configs/."
)
_DATA = flags.DEFINE_string(
    "data_dir", None, "feed, loop, start: a prepared data set, used for all images."
)
_STEPS = flags.DEFINE_integer(
    "steps", 50, "feed, loop: the number of steps of each measurement.", lower_bound=10
)
_RIVAL = flags.DEFINE_string(
    "rival", None, "inference: the weights of another network to compare with, .npz."
)
_TOPOLOGY = flags.DEFINE_string(
    "topology",
    "v5e:2x2",
    "tpu: the chip and its arrangement: v4:2x2x1, v5e:2x2 to v5e:16x16, v5p:2x2x1, v6e:2x2.",
)

# The flags that apply only to some benchmarks.
_BENCHMARKS_BY_FLAG = (
    (_ROUNDS, (*_ROUNDS_BY_DEFAULT,)),
    (_BATCH, ("train_step", "inference")),
    (_OUTPUT, ("train_step",)),
    (_CONFIG, ("feed", "loop", "tpu")),
    (_DATA, ("feed", "loop", "start")),
    (_STEPS, ("feed", "loop")),
    (_RIVAL, ("inference",)),
    (_TOPOLOGY, ("tpu",)),
)


def main() -> None:
    choice = f"--what={_WHAT.value}"
    other_flags = (flag for flag, names in _BENCHMARKS_BY_FLAG if _WHAT.value not in names)
    conditional_flags.reject(choice, *other_flags)
    rounds = _ROUNDS.value or _ROUNDS_BY_DEFAULT.get(_WHAT.value, 1)
    match _WHAT.value:
        case "train_step":
            train_step.run(_BATCH.value, rounds, _OUTPUT.value)
        case "feed" | "loop":
            report = training_run.report_feed if _WHAT.value == "feed" else training_run.report_loop
            data_dir = conditional_flags.required(_DATA, choice)
            report(_CONFIG.value, data_dir, rounds, _STEPS.value)
        case "start":
            training_run.report_start(conditional_flags.required(_DATA, choice), rounds)
        case "inference":
            inference.run(_BATCH.value, rounds, _RIVAL.value)
        case "scoring":
            scoring.run(rounds)
        case "tpu":
            tpu.run(_CONFIG.value, _TOPOLOGY.value)


if __name__ == "__main__":
    entry_points.run(main)
