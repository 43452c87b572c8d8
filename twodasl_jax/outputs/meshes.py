"""Mesh files of one face."""

from pathlib import Path

import numpy as np

from twodasl_jax import mesh_files
from twodasl_jax.outputs.scene import Portrait


def write_mesh(path: Path, portrait: Portrait) -> None:
    """Writes the mesh in the format that the suffix of its name says, coloured by the photo."""
    triangles = np.asarray(portrait.scene.model.triangles)
    mesh_files.write_mesh(path, portrait.file_vertices, triangles, portrait.colours)
