"""Faces as OBJ, PLY and GLB files with a colour per vertex.

Mesh files have their own frame, the one that 3D viewers expect: right-handed, x right, y UP from
the bottom edge of the photo, z toward the camera; the unit is still the pixel of the photo.
Triangles are counter-clockwise seen from outside.
"""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import scipy.ndimage
import scipy.spatial
import trimesh
from jaxtyping import Float, Float32, Int, UInt8
from trimesh.exchange.gltf import export_glb
from trimesh.exchange.obj import export_obj
from trimesh.exchange.ply import export_ply
from trimesh.visual import ColorVisuals

from twodasl_jax import atomic_files
from twodasl_jax.array_types import typed
from twodasl_jax.errors import OutputError
from twodasl_jax.rendering import rasterizer

# Share of a vertex's own pixel in its colour, by how far its normal turns toward the camera: where
# the surface is seen edge-on, a pixel may already show the background.
_GRAZING_Z, _FACING_Z = 0.1, 0.4
_NEIGHBOURS = 8
_NO_COLOUR = np.array([160, 160, 160], np.float32)


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


@typed
def vertex_colours(
    image: UInt8[np.ndarray, "H W 3"],
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    mirror: Int[np.ndarray, " V"],
) -> UInt8[np.ndarray, "V 3"]:
    """Takes the colour of every vertex from the photo.

    A vertex that the photo does not show gets the colour of its mirror image on the other side of
    the face or, where that is not seen either, of the seen vertices around it. Between seen and
    hidden the colours fade into each other.

    Args:
      image: the photo, RGB.
      vertices: mesh in the image frame, pixels.
      triangles: vertex indices, counter-clockwise from outside in the model frame.
      mirror: index of the vertex on the other side of the face.

    Returns:
      sRGB values; mid grey everywhere if no vertex is seen.
    """
    share = _seen_share(vertices, triangles, *image.shape[:2])[:, None]
    seen = share[:, 0] > 0.5
    if not seen.any():
        return np.full(vertices.shape, _NO_COLOUR, np.uint8)
    own = _sample_bilinear(image, vertices)
    around = _mean_of_nearest(vertices, vertices[seen], own[seen])
    other_side = around + share[mirror] * (own[mirror] - around)
    return np.rint(other_side + share * (own - other_side)).astype(np.uint8)


def write_mesh(
    path: str | os.PathLike[str],
    vertices: Float[np.ndarray, "V 3"],
    triangles: Int[np.ndarray, "F 3"],
    colours: UInt8[np.ndarray, "V 3"],
) -> None:
    """Writes a mesh in one step; the suffix of the name decides on the format.

    Args:
      path: a name that ends in .obj, .ply (binary) or .glb.
      vertices: in the frame of the mesh files (`file_from_image`).
      triangles: vertex indices, counter-clockwise from outside.
      colours: sRGB values.

    Raises:
      OutputError: the suffix is another one.
    """
    suffix = Path(path).suffix.lower()
    if suffix not in _ENCODERS:
        known = ", ".join(_ENCODERS)
        raise OutputError(f"Cannot write {path}: a mesh file must end in one of {known}.")
    mesh = trimesh.Trimesh(vertices, triangles, process=False)
    atomic_files.write_bytes(path, _ENCODERS[suffix](mesh, colours))


def _seen_share(
    vertices: Float[np.ndarray, "V 3"], triangles: Int[np.ndarray, "F 3"], height: int, width: int
) -> Float32[np.ndarray, " V"]:
    """How far the photo shows each vertex, from 0 to 1."""
    x, y, _ = vertices.T
    inside = (x >= 0) & (x <= width) & (y >= 0) & (y <= height)
    visible = rasterizer.visible_vertices(vertices, triangles)
    toward_camera = rasterizer.vertex_normals(vertices, triangles)[:, 2]
    facing = np.clip((toward_camera - _GRAZING_Z) / (_FACING_Z - _GRAZING_Z), 0, 1)
    return (facing * (inside & visible)).astype(np.float32)


def _sample_bilinear(
    image: UInt8[np.ndarray, "H W 3"], vertices: Float[np.ndarray, "V 3"]
) -> Float32[np.ndarray, "V 3"]:
    rows_columns = vertices[:, 1::-1].T - 0.5
    channels = [
        scipy.ndimage.map_coordinates(
            image[..., channel], rows_columns, np.float32, order=1, mode="nearest"
        )
        for channel in range(3)
    ]
    return np.stack(channels, axis=-1)


def _mean_of_nearest(
    points: Float[np.ndarray, "V 3"],
    known_points: Float[np.ndarray, "N 3"],
    values: Float32[np.ndarray, "N 3"],
) -> Float32[np.ndarray, "V 3"]:
    """Averages the values of the nearest known points, weighted by their nearness."""
    count = min(_NEIGHBOURS, len(known_points))
    distances, nearest = scipy.spatial.cKDTree(known_points).query(points, k=range(1, count + 1))
    weights = 1 / (distances + 1e-3)
    weights /= weights.sum(axis=1, keepdims=True)
    return np.einsum("vk,vkc->vc", weights, values[nearest]).astype(np.float32)


def _encode_obj(mesh: trimesh.Trimesh, colours: UInt8[np.ndarray, "V 3"]) -> bytes:
    mesh.visual = ColorVisuals(mesh, vertex_colors=colours)
    header = "x right, y up, z toward the camera; unit: pixel of the photo"
    text = str(export_obj(mesh, include_normals=True, header=header, digits=4))
    return text.encode("ascii")


def _encode_ply(mesh: trimesh.Trimesh, colours: UInt8[np.ndarray, "V 3"]) -> bytes:
    mesh.visual = ColorVisuals(mesh, vertex_colors=colours)
    return export_ply(mesh, vertex_normal=True)


def _encode_glb(mesh: trimesh.Trimesh, colours: UInt8[np.ndarray, "V 3"]) -> bytes:
    """GLB wants linear light as COLOR_0, and a material that says that the surface is matt."""
    srgb = colours / 255
    linear = np.where(srgb <= 0.04045, srgb / 12.92, ((srgb + 0.055) / 1.055) ** 2.4)
    opaque = np.pad(linear, ((0, 0), (0, 1)), constant_values=1)
    mesh.vertex_attributes["_LINEAR"] = np.rint(opaque * 65535).astype(np.uint16)
    return export_glb(mesh.scene(), include_normals=True, tree_postprocessor=_finish_gltf)


def _finish_gltf(tree: dict[str, Any]) -> None:
    """Declares the 16-bit values, which trimesh stores as an extra attribute, to be the colour."""
    (primitive,) = tree["meshes"][0]["primitives"]
    colour = primitive["attributes"].pop("_LINEAR")
    primitive["attributes"]["COLOR_0"] = colour
    tree["accessors"][colour]["normalized"] = True
    matt = {"metallicFactor": 0.0, "roughnessFactor": 1.0}
    tree["materials"] = [{"pbrMetallicRoughness": matt, "doubleSided": True}]
    primitive["material"] = 0


_ENCODERS: dict[str, Callable[[trimesh.Trimesh, np.ndarray], bytes]] = {
    ".obj": _encode_obj,
    ".ply": _encode_ply,
    ".glb": _encode_glb,
}
