"""Reconstructs the faces of two real photos: `python experiments/demo.py --output_dir=demo_output`.

Both photos are in the public domain and come inside Python packages, so that nothing is downloaded:
a NASA portrait of the astronaut Eileen Collins (scikit-image) and the US Navy's portrait of Grace
Hopper (matplotlib).
"""

import functools
import importlib.resources
import pathlib

from absl import flags

from twodasl_jax import Reconstructor, programs
from twodasl_jax.commands.photos import reconstruct_photos, see_photo
from twodasl_jax.face_model import embedded_expression_units

_OUTPUT_DIR = flags.DEFINE_string("output_dir", "demo_output", "Folder of the results.")


def main() -> int:
    photos = [
        _packaged_file("skimage", "data/astronaut.png"),
        _packaged_file("matplotlib", "mpl-data/sample_data/grace_hopper.jpg"),
    ]
    see = functools.partial(see_photo, Reconstructor.pretrained(), embedded_expression_units())
    without_result = reconstruct_photos(see, photos, pathlib.Path(_OUTPUT_DIR.value))
    return programs.FAILURE if without_result else 0


def _packaged_file(package: str, name: str) -> pathlib.Path:
    return pathlib.Path(str(importlib.resources.files(package) / name))


if __name__ == "__main__":
    programs.run(main)
