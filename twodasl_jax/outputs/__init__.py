"""What a reconstruction leaves in the output folder: pictures, mesh files, `faces.json` and `faces.csv`.

A new kind of file is a function that writes it from a `Scene`, from a `FaceView` or from the records of all photos, and
a line in one of the three tables.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

from twodasl_jax.outputs import meshes, pictures, surfaces, viewer
from twodasl_jax.outputs.mesh_files import MATERIAL_ENDING, TEXTURE_ENDING
from twodasl_jax.outputs.records import (
    depth_record,
    face_record,
    write_faces_csv,
    write_faces_json,
)
from twodasl_jax.outputs.scene import FaceView, Scene

__all__ = [
    "DEFAULT_KINDS",
    "KINDS",
    "OF_FACE",
    "OF_PHOTO",
    "OF_RUN",
    "FaceView",
    "Kind",
    "Scene",
    "write_faces_csv",
    "write_faces_json",
    "write_photo",
    "write_records",
]


Records = Sequence[dict[str, Any]]
Subject = TypeVar("Subject", Scene, FaceView, Records)


class Kind(NamedTuple, Generic[Subject]):
    """A kind of file.

    Attributes:
      ending: of its name, after the name of the photo, and of the face where there is one for each; the whole name
        where there is one for all photos.
      write: writes it to a path, in one piece.
      description: one line for people.
      beside: endings of the names of further files that `write` leaves, each after what the record calls the file.
      numbers: what a reader of the file has to know, for the record under the name of the kind; None for nothing.
    """

    ending: str
    write: Callable[[Path, Subject], None]
    description: str
    beside: Mapping[str, str] = MappingProxyType({})
    numbers: Callable[[Subject], dict[str, float]] | None = None


OF_PHOTO: dict[str, Kind[Scene]] = {
    "overlay": Kind(
        "_overlay.png",
        pictures.write_overlay,
        "dense mesh, 68 landmarks and pose (red to the subject's left, green up, blue ahead) over the photo",
    ),
    "wireframe": Kind(
        "_wireframe.png",
        pictures.write_wireframe,
        "edges of the mesh that are seen, over the photo",
    ),
    "landmarks": Kind(
        "_landmarks.png",
        pictures.write_landmarks,
        "the 68 landmarks over the photo, hidden ones as rings",
    ),
    "pose": Kind(
        "_pose.png", pictures.write_pose, "a box around each face and its axes over the photo"
    ),
    "depth": Kind(
        "_depth.png",
        pictures.write_depth,
        "16-bit grey, nearer is brighter, 0 where there is no face; faces.json has the scale",
        numbers=depth_record,
    ),
    "normals": Kind(
        "_normals.png",
        pictures.write_normals,
        "normals as 255 (n + 1) / 2: x right, y up, z toward the camera; black where there is no face",
    ),
    "pncc": Kind(
        "_pncc.png",
        pictures.write_pncc,
        "place on the mean face as RGB, each axis from 0 to 255; black where there is no face",
    ),
    "html": Kind(
        ".html",
        viewer.write_page,
        "page with the faces in 3D to turn and to move, for browsers; needs no network",
    ),
}
OF_FACE: dict[str, Kind[FaceView]] = {
    "obj": Kind(
        ".obj",
        meshes.write_mesh,
        "mesh with a texture from the photo: NAME_face0.mtl and NAME_face0_texture.png",
        beside={"mtl": MATERIAL_ENDING, "uv_texture": TEXTURE_ENDING},
    ),
    "ply": Kind(".ply", meshes.write_mesh, "mesh with a colour for each vertex, binary"),
    "glb": Kind(
        ".glb",
        meshes.write_mesh,
        "mesh with its texture, and the expressions as morph targets, for viewers",
    ),
    "uv_texture": Kind(TEXTURE_ENDING, surfaces.write_texture, "texture of the mesh"),
    "uv_position": Kind(
        "_uv_position.npy",
        surfaces.write_position_map,
        "point of the photo's frame at each of 256 x 256 texels, nan outside (PRNet's map)",
    ),
    "turntable": Kind("_turntable.gif", surfaces.write_turntable, "the head, turning"),
}
OF_RUN: dict[str, Kind[Records]] = {
    "json": Kind(
        "faces.json",
        write_faces_json,
        "box, angles, pose, landmarks, coefficients, expression units and files of all faces",
    ),
    "csv": Kind("faces.csv", write_faces_csv, "the same without landmarks and files as a table"),
}
KINDS = (*OF_PHOTO, *OF_FACE, *OF_RUN)
DEFAULT_KINDS = ("overlay", "obj", "ply", "glb", "json")


def write_photo(
    target: Path, scene: Scene, kinds: Collection[str] = DEFAULT_KINDS
) -> dict[str, Any]:
    """Writes the pictures of a photo and the files of its faces.

    Args:
      target: folder and first part of the names, to which "_overlay.png", "_face0.obj" and so on
        are added; the folder must exist.
      scene: the photo and its faces.
      kinds: which of `KINDS` to write; those of `OF_RUN` are for `write_records`.

    Returns:
      The record of the photo for `write_records`.
    """
    height, width = scene.size
    files = _write_files(target, scene, OF_PHOTO, kinds)
    faces = [
        {
            **face_record(portrait),
            "files": _write_files(_name_of(target, f"_face{number}"), portrait, OF_FACE, kinds),
        }
        for number, portrait in enumerate(scene.portraits)
    ]
    numbers = _numbers(scene, OF_PHOTO, kinds)
    return {"width": width, "height": height, "files": files, **numbers, "faces": faces}


def write_records(folder: Path, records: Records, kinds: Collection[str] = DEFAULT_KINDS) -> None:
    """Writes the files about all photos.

    Args:
      folder: of the results; it must exist.
      records: of the photos, from `write_photo`, each with its name as "photo".
      kinds: which of `KINDS` to write; those of single photos and faces are for `write_photo`.
    """
    for name, kind in OF_RUN.items():
        if name in kinds:
            kind.write(folder / kind.ending, records)


def _write_files(
    target: Path, subject: Subject, known: dict[str, Kind[Subject]], kinds: Collection[str]
) -> dict[str, str]:
    files = {}
    for name, kind in known.items():
        if name in kinds:
            path = _name_of(target, kind.ending)
            kind.write(path, subject)
            files[name] = path.name
            files |= {what: _name_of(target, ending).name for what, ending in kind.beside.items()}
    return files


def _numbers(
    subject: Subject, known: dict[str, Kind[Subject]], kinds: Collection[str]
) -> dict[str, dict[str, float]]:
    return {
        name: kind.numbers(subject)
        for name, kind in known.items()
        if name in kinds and kind.numbers is not None
    }


def _name_of(target: Path, ending: str) -> Path:
    return target.with_name(target.name + ending)
