"""Pictures of a face's surface: in texture coordinates, and turning before the camera."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from twodasl_jax.files import atomic_files
from twodasl_jax.geometry.rotation import rotation_from_euler
from twodasl_jax.outputs.mesh_files import encode_png
from twodasl_jax.outputs.scene import FaceView
from twodasl_jax.rendering.turntable import turntable_frames
from twodasl_jax.rendering.uv_maps import position_map, rasterize_atlas

_POSITION_MAP_SIZE = 256
_SECONDS_PER_TURN = 4.0
_COLOURS = 255


def write_texture(path: Path, portrait: FaceView) -> None:
    """Writes the texture of the face as PNG."""
    atomic_files.write_bytes(path, encode_png(portrait.texture))


def write_position_map(path: Path, portrait: FaceView) -> None:
    """Writes the point of the face at each texel as `.npy`, (256, 256, 3) float32, image frame."""
    scene = portrait.scene
    raster = rasterize_atlas(scene.atlas, _POSITION_MAP_SIZE)
    positions = position_map(raster, np.asarray(scene.model.triangles), portrait.face.vertices)
    with atomic_files.replacing(path) as beside:
        np.save(beside, positions)


def write_turntable(path: Path, portrait: FaceView) -> None:
    """Writes the turning head as an animated GIF that begins again at its end."""
    mesh = portrait.mesh
    rotation = np.asarray(rotation_from_euler(np.radians(portrait.face.euler_angles)))
    frames = turntable_frames(mesh.vertices @ rotation, mesh.triangles, mesh.atlas, mesh.texture)
    pictures = [Image.fromarray(frame) for frame in frames]
    # One palette for all, so that nothing flickers; no dithering, which would crawl over the face.
    palette = _side_by_side(pictures[:: len(pictures) // 6]).quantize(_COLOURS)
    first, *others = [
        picture.quantize(palette=palette, dither=Image.Dither.NONE) for picture in pictures
    ]
    file = io.BytesIO()
    milliseconds = round(1000 * _SECONDS_PER_TURN / len(pictures))
    first.save(
        file,
        "GIF",
        save_all=True,
        append_images=others,
        duration=milliseconds,
        loop=0,
        optimize=True,
    )
    atomic_files.write_bytes(path, file.getvalue())


def _side_by_side(pictures: list[Image.Image]) -> Image.Image:
    return Image.fromarray(np.concatenate([np.asarray(picture) for picture in pictures], axis=1))
