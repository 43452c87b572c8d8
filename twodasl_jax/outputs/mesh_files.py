"""Faces as OBJ and GLB files with a texture, and as PLY files with a colour per vertex.

Mesh files have their own frame, the one that 3D viewers expect: right-handed, x right, y UP from
the bottom edge of the photo, z toward the camera; the unit is still the pixel of the photo.
Triangles are counter-clockwise seen from outside.
"""

import dataclasses
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import trimesh
from jaxtyping import Float, Int, UInt8
from PIL import Image
from trimesh.exchange.gltf import export_glb
from trimesh.exchange.obj import export_obj
from trimesh.exchange.ply import export_ply
from trimesh.visual import ColorVisuals, TextureVisuals
from trimesh.visual.material import PBRMaterial, SimpleMaterial

from twodasl_jax.array_types import typed
from twodasl_jax.errors import OutputError
from twodasl_jax.files import atomic_files
from twodasl_jax.rendering import uv_maps
from twodasl_jax.rendering.atlas import Atlas

_HEADER = "x right, y up, z toward the camera; unit: pixel of the photo"
_MATERIAL = "face"
_JPEG_QUALITY = 92
# Names of the files that an OBJ file needs beside it, after its own name without the suffix.
MATERIAL_ENDING, TEXTURE_ENDING = ".mtl", "_texture.png"


@dataclasses.dataclass(frozen=True, eq=False)
class Morphs:
    """Ways in which a face can be changed in a viewer.

    Attributes:
      names: of the morph targets, for people.
      displacements: of every vertex at weight 1, in the frame and unit of the vertices.
    """

    names: tuple[str, ...]
    displacements: Float[np.ndarray, "K V 3"]


@dataclasses.dataclass(frozen=True, eq=False)
class TexturedMesh:
    """A face as the mesh files hold it.

    Attributes:
      vertices: in the frame of the mesh files (`file_from_image`).
      triangles: vertex indices, counter-clockwise from outside.
      atlas: where the surface lies in the texture.
      texture: sRGB.
      morphs: ways in which the face can be changed; OBJ and PLY cannot hold them.
    """

    vertices: Float[np.ndarray, "V 3"]
    triangles: Int[np.ndarray, "F 3"]
    atlas: Atlas
    texture: UInt8[np.ndarray, "N N 3"]
    morphs: Morphs


@typed
def file_from_image(
    vertices: Float[np.ndarray, "V 3"], image_height: int
) -> Float[np.ndarray, "V 3"]:
    """Moves points from the image frame (y down) to the frame of the mesh files (y up).

    Args:
      vertices: image frame, pixels.
      image_height: of the photo, pixels.
    """
    x, y, z = vertices.T
    return np.stack([x, image_height - y, z], axis=-1)


def write_mesh(path: str | os.PathLike[str], mesh: TexturedMesh) -> None:
    """Writes a mesh; the suffix of the name decides on the format.

    An OBJ file comes last of its three, so that it is never there without its material and texture:
    face.obj needs face.mtl, and that needs face_texture.png.

    Args:
      path: a name that ends in .obj, .ply (binary) or .glb.
      mesh: what to write.

    Raises:
      OutputError: the suffix is another one.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _ENCODERS:
        known = ", ".join(_ENCODERS)
        raise OutputError(f"Cannot write {path}: a mesh file must end in one of {known}.")
    for name, data in _ENCODERS[suffix](Path(path).name, mesh).items():
        atomic_files.write_bytes(Path(path).with_name(name), data)


@typed
def encode_png(picture: UInt8[np.ndarray, "H W 3"]) -> bytes:
    """Returns a picture as the bytes of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(picture).save(file, "PNG")
    return file.getvalue()


def _encode_obj(name: str, mesh: TexturedMesh) -> dict[str, bytes]:
    """Writes the MTL by hand: trimesh names the texture after itself and makes it shine."""
    stem = Path(name).stem
    material, texture = stem + MATERIAL_ENDING, stem + TEXTURE_ENDING
    cut = _cut_open(mesh)
    cut.visual = TextureVisuals(uv=mesh.atlas.uv, material=SimpleMaterial(name=_MATERIAL))
    text = export_obj(cut, include_normals=True, header=_HEADER, digits=5, mtl_name=material)
    lines = f"newmtl {_MATERIAL}\nKa 1 1 1\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {texture}\n"
    return {
        texture: encode_png(mesh.texture),
        # Names of files may hold bytes that are no text.
        material: lines.encode("utf-8", "surrogateescape"),
        name: str(text).encode("utf-8", "surrogateescape"),
    }


def _encode_ply(name: str, mesh: TexturedMesh) -> dict[str, bytes]:
    whole = trimesh.Trimesh(mesh.vertices, mesh.triangles, process=False)
    colours = uv_maps.vertex_colours(mesh.texture, mesh.atlas, len(mesh.vertices))
    whole.visual = ColorVisuals(whole, vertex_colors=colours)
    return {name: export_ply(whole, vertex_normal=True)}


def _encode_glb(name: str, mesh: TexturedMesh) -> dict[str, bytes]:
    cut = _cut_open(mesh)
    material = PBRMaterial(
        name=_MATERIAL,
        baseColorTexture=_as_jpeg(mesh.texture),
        metallicFactor=0.0,
        roughnessFactor=1.0,
        doubleSided=True,
    )
    cut.visual = TextureVisuals(uv=mesh.atlas.uv, material=material)
    for index, displacement in enumerate(mesh.morphs.displacements):
        moved = displacement[mesh.atlas.vertices].astype(np.float32)
        cut.vertex_attributes[_morph_attribute(index)] = moved
    names = mesh.morphs.names

    def finish(tree: dict[str, Any]) -> None:
        _declare_morphs(tree, names)

    return {name: export_glb(cut.scene(), include_normals=True, tree_postprocessor=finish)}


def _cut_open(mesh: TexturedMesh) -> trimesh.Trimesh:
    """The mesh with a vertex for each row of the atlas; across the seams the normals agree."""
    whole = trimesh.Trimesh(mesh.vertices, mesh.triangles, process=False)
    rows = mesh.atlas.vertices
    return trimesh.Trimesh(
        mesh.vertices[rows],
        mesh.atlas.triangles,
        vertex_normals=whole.vertex_normals[rows],
        process=False,
    )


def _as_jpeg(texture: UInt8[np.ndarray, "N N 3"]) -> Image.Image:
    """The texture as a picture that was opened from a JPEG file, whose bytes trimesh takes as they are."""
    file = io.BytesIO()
    Image.fromarray(texture).save(file, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return Image.open(file)


def _morph_attribute(index: int) -> str:
    return f"_MORPH_{index}"


def _declare_morphs(tree: dict[str, Any], names: tuple[str, ...]) -> None:
    """Makes morph targets of the displacements, which trimesh stores as extra attributes."""
    if not names:
        return
    (stored,) = tree["meshes"]
    (primitive,) = stored["primitives"]
    attributes = primitive["attributes"]
    primitive["targets"] = [
        {"POSITION": attributes.pop(_morph_attribute(index))} for index in range(len(names))
    ]
    stored["weights"] = [0.0] * len(names)
    stored["extras"] = {"targetNames": list(names)}


_ENCODERS: dict[str, Callable[[str, TexturedMesh], dict[str, bytes]]] = {
    ".obj": _encode_obj,
    ".ply": _encode_ply,
    ".glb": _encode_glb,
}
