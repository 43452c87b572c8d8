"""Mesh files: OBJ and GLB with a texture, and PLY with vertex colours.

Mesh files have a frame of their own, which 3D viewers expect: right-handed, x right, y UP from the
bottom edge of the photo, z toward the camera. The unit is the pixel of the photo, as in the image
frame. Triangles are counter-clockwise seen from outside.
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

# The endings of the files that an OBJ file needs, in place of its suffix.
MATERIAL_ENDING, TEXTURE_ENDING = ".mtl", "_texture.png"
_HEADER = "x right, y up, z toward the camera; unit: pixel of the photo"
_MATERIAL = "face"
_JPEG_QUALITY = 92


@dataclasses.dataclass(frozen=True, eq=False)
class MorphTargets:
    """The morph targets of a mesh, by which a viewer can animate it.

    Attributes:
      names: the name of each target.
      displacements: the displacement of each vertex at weight 1, in the frame and unit of the
        vertices.
    """

    names: tuple[str, ...]
    displacements: Float[np.ndarray, "K V 3"]


@dataclasses.dataclass(frozen=True, eq=False)
class TexturedMesh:
    """The content of a mesh file.

    Attributes:
      vertices: the vertices in the frame of mesh files (`file_from_image`).
      triangles: the vertex indices of each triangle, counter-clockwise seen from outside.
      atlas: the layout of the surface in the texture.
      texture: the texture, sRGB.
      morph_targets: the morph targets. OBJ and PLY files cannot store them.
    """

    vertices: Float[np.ndarray, "V 3"]
    triangles: Int[np.ndarray, "F 3"]
    atlas: Atlas
    texture: UInt8[np.ndarray, "N N 3"]
    morph_targets: MorphTargets


@typed
def file_from_image(
    vertices: Float[np.ndarray, "V 3"], image_height: int
) -> Float[np.ndarray, "V 3"]:
    """Converts points from the image frame (y down) to the frame of mesh files (y up).

    Args:
      vertices: the points in the image frame, in pixels.
      image_height: the height of the photo in pixels.
    """
    x, y, z = vertices.T
    return np.stack([x, image_height - y, z], axis=-1)


def write_mesh(path: str | os.PathLike[str], mesh: TexturedMesh) -> None:
    """Writes a mesh in the format that the suffix of the path selects.

    An OBJ file needs a material and a texture: face.obj refers to face.mtl, which refers to
    face_texture.png. These files are written first, so that an interruption never leaves an OBJ
    file without them.

    Args:
      path: a path that ends in .obj, .ply (binary) or .glb.
      mesh: the mesh.

    Raises:
      OutputError: the suffix is unknown.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _ENCODERS:
        known = ", ".join(_ENCODERS)
        raise OutputError(f"Cannot write {path}: a mesh file must end in one of {known}.")
    for name, data in _ENCODERS[suffix](Path(path).name, mesh).items():
        atomic_files.write_bytes(Path(path).with_name(name), data)


@typed
def encode_png(image: UInt8[np.ndarray, "H W 3"]) -> bytes:
    """Returns the content of a PNG file."""
    file = io.BytesIO()
    Image.fromarray(image).save(file, "PNG")
    return file.getvalue()


def _encode_obj(name: str, mesh: TexturedMesh) -> dict[str, bytes]:
    """Returns the texture, material and OBJ files.

    The material of trimesh has another texture name and a shiny surface, so it is not used.
    """
    stem = Path(name).stem
    material, texture = stem + MATERIAL_ENDING, stem + TEXTURE_ENDING
    cut = _cut_at_seams(mesh)
    cut.visual = TextureVisuals(uv=mesh.atlas.uv, material=SimpleMaterial(name=_MATERIAL))
    text = export_obj(cut, include_normals=True, header=_HEADER, digits=5, mtl_name=material)
    lines = f"newmtl {_MATERIAL}\nKa 1 1 1\nKd 1 1 1\nKs 0 0 0\nillum 1\nmap_Kd {texture}\n"
    return {
        texture: encode_png(mesh.texture),
        # File names may contain bytes that are not valid text.
        material: lines.encode("utf-8", "surrogateescape"),
        name: str(text).encode("utf-8", "surrogateescape"),
    }


def _encode_ply(name: str, mesh: TexturedMesh) -> dict[str, bytes]:
    whole = trimesh.Trimesh(mesh.vertices, mesh.triangles, process=False)
    colours = uv_maps.vertex_colours(mesh.texture, mesh.atlas, len(mesh.vertices))
    whole.visual = ColorVisuals(whole, vertex_colors=colours)
    return {name: export_ply(whole, vertex_normal=True)}


def _encode_glb(name: str, mesh: TexturedMesh) -> dict[str, bytes]:
    cut = _cut_at_seams(mesh)
    material = PBRMaterial(
        name=_MATERIAL,
        baseColorTexture=_as_jpeg(mesh.texture),
        metallicFactor=0.0,
        roughnessFactor=1.0,
        doubleSided=True,
    )
    cut.visual = TextureVisuals(uv=mesh.atlas.uv, material=material)
    for index, displacement in enumerate(mesh.morph_targets.displacements):
        rows = displacement[mesh.atlas.vertices].astype(np.float32)
        cut.vertex_attributes[_morph_attribute(index)] = rows
    names = mesh.morph_targets.names

    def declare(tree: dict[str, Any]) -> None:
        _declare_morph_targets(tree, names)

    return {name: export_glb(cut.scene(), include_normals=True, tree_postprocessor=declare)}


def _cut_at_seams(mesh: TexturedMesh) -> trimesh.Trimesh:
    """Returns the mesh with one vertex per atlas row. Normals are continuous across seams."""
    whole = trimesh.Trimesh(mesh.vertices, mesh.triangles, process=False)
    rows = mesh.atlas.vertices
    return trimesh.Trimesh(
        mesh.vertices[rows],
        mesh.atlas.triangles,
        vertex_normals=whole.vertex_normals[rows],
        process=False,
    )


def _as_jpeg(texture: UInt8[np.ndarray, "N N 3"]) -> Image.Image:
    """Returns the texture as a JPEG image, which trimesh stores without encoding it again."""
    file = io.BytesIO()
    Image.fromarray(texture).save(file, "JPEG", quality=_JPEG_QUALITY, subsampling=0)
    return Image.open(file)


def _morph_attribute(index: int) -> str:
    return f"_MORPH_{index}"


def _declare_morph_targets(tree: dict[str, Any], names: tuple[str, ...]) -> None:
    """Converts the displacements from extra vertex attributes of trimesh to glTF morph targets."""
    if not names:
        return
    (mesh,) = tree["meshes"]
    (primitive,) = mesh["primitives"]
    attributes = primitive["attributes"]
    primitive["targets"] = [
        {"POSITION": attributes.pop(_morph_attribute(index))} for index in range(len(names))
    ]
    mesh["weights"] = [0.0] * len(names)
    mesh["extras"] = {"targetNames": list(names)}


_ENCODERS: dict[str, Callable[[str, TexturedMesh], dict[str, bytes]]] = {
    ".obj": _encode_obj,
    ".ply": _encode_ply,
    ".glb": _encode_glb,
}
