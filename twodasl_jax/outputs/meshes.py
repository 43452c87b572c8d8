"""Mesh files of one face."""

from pathlib import Path

from twodasl_jax.outputs import mesh_files
from twodasl_jax.outputs.scene import FaceView


def write_mesh(path: Path, portrait: FaceView) -> None:
    """Writes the mesh, coloured by the photo, in the format that the suffix of its name says."""
    mesh_files.write_mesh(path, portrait.mesh)
