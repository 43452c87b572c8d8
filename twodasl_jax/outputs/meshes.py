"""Mesh files of one face."""

from pathlib import Path

from twodasl_jax import mesh_files
from twodasl_jax.outputs.scene import Portrait


def write_mesh(path: Path, portrait: Portrait) -> None:
    """Writes the mesh, coloured by the photo, in the format that the suffix of its name says."""
    mesh_files.write_mesh(path, portrait.mesh)
