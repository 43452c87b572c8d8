"""Reconstructs the faces of two portraits: `python experiments/demo.py --output_dir=demo_output`.

Both photos are in the public domain and part of Python packages, so nothing is downloaded. They
show the astronaut Eileen Collins (NASA, in scikit-image) and Grace Hopper (US Navy, in Matplotlib).
"""

import importlib.resources
import pathlib

from absl import flags

from twodasl_jax import Reconstructor, embedded_expression_units, outputs
from twodasl_jax.commands import entry_points
from twodasl_jax.commands.photos import reconstruct_photos, scene_reader


def demo_photos() -> list[pathlib.Path]:
    """Returns the files of the two portraits."""
    return [
        _packaged_file("skimage", "data/astronaut.png"),
        _packaged_file("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
    ]


def _packaged_file(package: str, name: str) -> pathlib.Path:
    return pathlib.Path(str(importlib.resources.files(package) / name))


def main(output_dir: pathlib.Path) -> int:
    read = scene_reader(Reconstructor.pretrained(), embedded_expression_units())
    kinds = (*outputs.DEFAULT_KINDS, "html")
    failures = reconstruct_photos(read, demo_photos(), output_dir, kinds)
    return entry_points.FAILURE if failures else 0


if __name__ == "__main__":
    # Defined here, so that a program with flags of its own can import `demo_photos`.
    folder = flags.DEFINE_string("output_dir", "demo_output", "The folder of the results.")
    entry_points.run(lambda: main(pathlib.Path(folder.value)))
