"""What a reconstruction leaves in the output folder: overlay, mesh files and `faces.json`."""

import json
import math
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import imageio.v3 as imageio
import numpy as np
from jaxtyping import UInt8

from twodasl_jax import atomic_files, mesh_files
from twodasl_jax.geometry.morphable_model import MorphableModel, landmark_space
from twodasl_jax.geometry.rotation import rotation_from_euler
from twodasl_jax.reconstruction import Face
from twodasl_jax.rendering import overlay

_MESH_KINDS = ("obj", "ply", "glb")
KINDS = ("overlay", *_MESH_KINDS, "json")

_CONVENTIONS = {
    "box": "x0, y0, x1, y1: edges of the crop, in the frame of the landmarks",
    "landmarks": "the 68 iBUG points in pixels of the upright photo, x right and y down from its "
    "upper-left corner (the centre of the first pixel is 0.5, 0.5); z in pixels, toward the camera",
    "euler_angles": "degrees; R = Rx(pitch) Ry(yaw) Rz(roll); positive yaw turns the nose to the "
    "left of the photo, positive pitch raises it, positive roll turns the head clockwise",
    "coefficients": "official layout of 2DASL, not whitened: 3x4 matrix row by row from the model "
    "frame to the 120x120 crop with y up, then shape and expression in standard deviations",
    "meshes": "pixels of the photo; x right, y up from its lower edge, z toward the camera",
}


def write_photo(
    target: Path,
    image: UInt8[np.ndarray, "H W 3"],
    faces: Sequence[Face],
    model: MorphableModel,
    kinds: Collection[str] = KINDS,
) -> dict[str, Any]:
    """Writes the overlay of a photo and the mesh files of its faces.

    Args:
      target: folder and first part of the names, to which "_overlay.png", "_face0.obj" and so on
        are added; the folder must exist.
      image: the photo, RGB.
      faces: what was reconstructed from it.
      model: the face model of the faces.
      kinds: which of `KINDS` to write; "json" is for `write_faces_json`.

    Returns:
      The record of the photo for `write_faces_json`.
    """
    record: dict[str, Any] = {"width": image.shape[1], "height": image.shape[0]}
    if "overlay" in kinds:
        picture = target.with_name(f"{target.name}_overlay.png")
        _write_png(picture, _draw_faces(image, faces, model))
        record["overlay"] = picture.name
    suffixes = [kind for kind in _MESH_KINDS if kind in kinds]
    record["faces"] = []
    for number, face in enumerate(faces):
        meshes = [target.with_name(f"{target.name}_face{number}.{suffix}") for suffix in suffixes]
        _write_meshes(meshes, image, face, model)
        record["faces"].append({**_describe(face), "meshes": [path.name for path in meshes]})
    return record


def write_faces_json(path: Path, photos: Sequence[dict[str, Any]]) -> None:
    """Writes the records of all photos, with the conventions that their numbers keep to.

    Args:
      path: the file to write.
      photos: records of `write_photo`.
    """
    document = {"conventions": _CONVENTIONS, "photos": photos}
    text = json.dumps(document, indent=1, allow_nan=False)
    atomic_files.write_bytes(path, f"{text}\n".encode())


def _draw_faces(
    image: UInt8[np.ndarray, "H W 3"], faces: Sequence[Face], model: MorphableModel
) -> UInt8[np.ndarray, "H W 3"]:
    """Draws larger faces over smaller ones: they are nearer."""
    height, width, _ = image.shape
    mean, triangles = np.asarray(model.mean), np.asarray(model.triangles)
    opacity = overlay.opacity_around(mean, np.asarray(landmark_space(model).mean))
    layers: list[overlay.Layer] = []
    for face in sorted(faces, key=lambda face: np.ptp(face.vertices[:, 1])):
        rotation = np.asarray(rotation_from_euler(np.radians(face.euler_angles)))
        layers += overlay.face_layers(
            face.vertices, triangles, opacity, face.landmarks, rotation, height, width
        )
    return overlay.composite(image, layers)


def _write_png(path: Path, image: UInt8[np.ndarray, "H W 3"]) -> None:
    with atomic_files.replacing(path) as beside:
        # Large photos take five times as long at the default level, to save a tenth of the size.
        imageio.imwrite(beside, image, compress_level=2)


def _write_meshes(
    paths: Sequence[Path], image: UInt8[np.ndarray, "H W 3"], face: Face, model: MorphableModel
) -> None:
    triangles, mirror = np.asarray(model.triangles), np.asarray(model.mirror)
    colours = mesh_files.vertex_colours(image, face.vertices, triangles, mirror)
    vertices = mesh_files.file_from_image(face.vertices, image.shape[0])
    for path in paths:
        mesh_files.write_mesh(path, vertices, triangles, colours)


def _describe(face: Face) -> dict[str, Any]:
    yaw, pitch, roll = _rounded(face.euler_angles, 2)
    return {
        "box": _rounded(face.box, 2),
        "score": None if math.isnan(face.score) else round(face.score, 3),
        "euler_angles": {"yaw": yaw, "pitch": pitch, "roll": roll},
        "landmarks": _rounded(face.landmarks, 2),
        "coefficients": _rounded(face.coefficients, 6),
    }


def _rounded(values: np.ndarray, digits: int) -> list[Any]:
    return np.round(np.asarray(values, np.float64), digits).tolist()
