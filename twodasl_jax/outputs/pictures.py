"""Pictures of a photo's size: what was found, drawn over it."""

from pathlib import Path

import imageio.v3 as imageio
import numpy as np
from jaxtyping import UInt8

from twodasl_jax import atomic_files
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.geometry.rotation import rotation_from_euler
from twodasl_jax.outputs.scene import Scene
from twodasl_jax.rendering import overlay


def write_overlay(path: Path, scene: Scene) -> None:
    """Writes the photo with meshes, 68 landmarks and pose axes over it."""
    write_png(path, draw_overlay(scene))


def draw_overlay(scene: Scene) -> UInt8[np.ndarray, "H W 3"]:
    """Draws larger faces over smaller ones: they are nearer."""
    mean, triangles = np.asarray(scene.model.mean), np.asarray(scene.model.triangles)
    opacity = overlay.opacity_around(mean, np.asarray(landmark_space(scene.model).mean))
    layers: list[overlay.Layer] = []
    for face in sorted(scene.faces, key=lambda face: np.ptp(face.vertices[:, 1])):
        rotation = np.asarray(rotation_from_euler(np.radians(face.euler_angles)))
        layers += overlay.face_layers(
            face.vertices, triangles, opacity, face.landmarks, rotation, *scene.size
        )
    return overlay.composite(scene.image, layers)


def write_png(path: Path, image: UInt8[np.ndarray, "H W 3"]) -> None:
    """Writes a picture in one piece."""
    with atomic_files.replacing(path) as beside:
        # Large photos take five times as long at the default level, to save a tenth of the size.
        imageio.imwrite(beside, image, compress_level=2)
