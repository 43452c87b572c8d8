"""Bundles the parts of three.js that the interactive page uses.

  python experiments/maintenance/vendor_viewer.py [--output_dir=twodasl_jax/assets/viewer]

Downloads pinned versions of three.js (MIT) and of the bundler esbuild from the npm registry, and
checks their digests. Then writes three.min.js and three.LICENSE. The same versions always give the
same bytes. Needs Linux on x86-64.
"""

import base64
import hashlib
import io
import pathlib
import subprocess
import tarfile
import tempfile
import urllib.request
from typing import NamedTuple

from absl import flags

from twodasl_jax.commands import entry_points
from twodasl_jax.errors import OutputError
from twodasl_jax.files import atomic_files

_OUTPUT = flags.DEFINE_string(
    "output_dir", "twodasl_jax/assets/viewer", "The folder of the two files; it must exist."
)


class _Package(NamedTuple):
    """A package of the npm registry with its version and its SHA-512 digest in base64."""

    name: str
    version: str
    sha512: str


_THREE = _Package(
    "three",
    "0.187.0",
    "Qiu7R+Cmh8CstZsY1uJOSWnVlfo7ZtNLV7mF8Jltk3LB3AtDu9cRZlcnRKkAk8Y4z6KKw35z7Y7Urd7jWY8etA==",
)
_ESBUILD = _Package(
    "@esbuild/linux-x64",
    "0.28.2",
    "4xTZr1FUmSoQW4XIWmit3tzQrUTZM+N3P0XV8xROKYF50XfI7xeO90+1bZvNwxIufQ9hDQVRJH5YhgPVF8A/HQ==",
)
# The names of three.js that the page uses. A name that is missing here is undefined in the page.
_ENTRY = """\
export {
  BackSide, BufferAttribute, BufferGeometry, DirectionalLight, Group, HemisphereLight, Matrix4, Mesh,
  MeshBasicMaterial, MeshStandardMaterial, PerspectiveCamera, Quaternion, Scene, Spherical, SRGBColorSpace, Texture,
  WebGLRenderer,
} from "three";
export { OrbitControls } from "./examples/jsm/controls/OrbitControls.js";
"""


def main() -> None:
    folder = pathlib.Path(_OUTPUT.value)
    if not folder.is_dir():
        raise OutputError(f"Cannot write to {folder}: it is not a folder; choose another one.")
    with tempfile.TemporaryDirectory() as scratch:
        three, esbuild = (_unpack(package, scratch) for package in (_THREE, _ESBUILD))
        bundle = _bundle(esbuild / "bin" / "esbuild", three)
        licence = (three / "LICENSE").read_bytes()
    if b"</script" in bundle.lower():
        raise OutputError(
            "The bundle contains </script, which would close its script element in the page."
        )
    atomic_files.write_bytes(folder / "three.min.js", bundle)
    atomic_files.write_bytes(folder / "three.LICENSE", licence)
    print(f"{folder}: three.js {_THREE.version}, {len(bundle) / 1e3:.0f} kB")


def _unpack(package: _Package, scratch: str) -> pathlib.Path:
    """Downloads a package and returns the folder of its files."""
    tail = package.name.rpartition("/")[2]
    url = f"https://registry.npmjs.org/{package.name}/-/{tail}-{package.version}.tgz"
    with urllib.request.urlopen(url) as response:
        archive = response.read()
    digest = base64.b64encode(hashlib.sha512(archive).digest()).decode()
    if digest != package.sha512:
        raise OutputError(
            f"The SHA-512 digest of {url} is {digest} instead of {package.sha512}: do not use it."
        )
    folder = pathlib.Path(scratch, tail)
    with tarfile.open(fileobj=io.BytesIO(archive)) as files:
        files.extractall(folder, filter="data")
    return folder / "package"


def _bundle(esbuild: pathlib.Path, three: pathlib.Path) -> bytes:
    """Returns a script that defines the global `THREE`."""
    entry = three / "entry.js"
    entry.write_text(_ENTRY)
    options = ["--bundle", "--minify", "--format=iife", "--global-name=THREE", "--target=es2022"]
    alias = "--alias:three=./build/three.module.js"
    command = [
        str(esbuild),
        entry.name,
        *options,
        alias,
        "--legal-comments=eof",
        "--log-level=error",
    ]
    return subprocess.run(command, cwd=three, check=True, capture_output=True).stdout


if __name__ == "__main__":
    entry_points.run(main)
