"""Reconstructs the faces of two real photos: `python experiments/demo.py --output_dir=demo_output`.

Both photos are in the public domain and come inside Python packages, so that nothing is downloaded:
a NASA portrait of the astronaut Eileen Collins (scikit-image) and the US Navy's portrait of Grace
Hopper (matplotlib).
"""

import functools
import pathlib

from absl import flags

from experiments.demo_photos import demo_photos
from twodasl_jax import Reconstructor, embedded_expression_units, outputs
from twodasl_jax.commands import entry_points
from twodasl_jax.commands.photos import reconstruct_photos, see_photo

_OUTPUT_DIR = flags.DEFINE_string("output_dir", "demo_output", "Folder of the results.")


def main() -> int:
    see = functools.partial(see_photo, Reconstructor.pretrained(), embedded_expression_units())
    kinds = (*outputs.DEFAULT_KINDS, "html")
    folder = pathlib.Path(_OUTPUT_DIR.value)
    return entry_points.FAILURE if reconstruct_photos(see, demo_photos(), folder, kinds) else 0


if __name__ == "__main__":
    entry_points.run(main)
