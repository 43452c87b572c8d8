"""Files of one face: mesh, texture, position map and turntable."""

import io
from pathlib import Path

import numpy as np
from PIL import Image

from twodasl_jax.files import atomic_files
from twodasl_jax.outputs import mesh_files
from twodasl_jax.outputs.scene import FaceView
from twodasl_jax.rendering.turntable import turntable_frames
from twodasl_jax.rendering.uv_maps import position_map, rasterize_atlas

_POSITION_MAP_SIZE = 256
_SECONDS_PER_TURN = 4.0
_PALETTE_SIZE = 255


def write_mesh(path: Path, view: FaceView) -> None:
    """Writes the textured mesh. The suffix of the path selects the format."""
    mesh_files.write_mesh(path, view.mesh)


def write_texture(path: Path, view: FaceView) -> None:
    """Writes the texture as PNG."""
    atomic_files.write_bytes(path, mesh_files.encode_png(view.texture))


def write_position_map(path: Path, view: FaceView) -> None:
    """Writes the image-frame position of each texel as `.npy`, (256, 256, 3) float32."""
    scene = view.scene
    raster = rasterize_atlas(scene.atlas, _POSITION_MAP_SIZE)
    positions = position_map(raster, np.asarray(scene.model.triangles), view.face.vertices)
    with atomic_files.replacing(path) as temporary:
        np.save(temporary, positions)


def write_turntable(path: Path, view: FaceView) -> None:
    """Writes the rotating head as an animated GIF that repeats forever."""
    mesh = view.mesh
    frames = turntable_frames(
        mesh.vertices @ view.rotation, mesh.triangles, mesh.atlas, mesh.texture
    )
    images = [Image.fromarray(frame) for frame in frames]
    # One palette for all frames avoids flicker. The pattern of dithering would move over the face.
    palette = _side_by_side(images[:: len(images) // 6]).quantize(_PALETTE_SIZE)
    first, *others = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    file = io.BytesIO()
    milliseconds = round(1000 * _SECONDS_PER_TURN / len(images))
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


def _side_by_side(images: list[Image.Image]) -> Image.Image:
    return Image.fromarray(np.concatenate([np.asarray(image) for image in images], axis=1))
