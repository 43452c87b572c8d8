"""What a reconstruction leaves in the output folder: pictures, mesh files and `faces.json`.

A new kind of file is a function that writes it from a `Scene` or a `Portrait`, and a line in one of the two tables.
"""

from collections.abc import Callable, Collection
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

from twodasl_jax.outputs import meshes, pictures, records
from twodasl_jax.outputs.records import face_record, write_faces_json
from twodasl_jax.outputs.scene import Portrait, Scene

__all__ = [
    "DEFAULT_KINDS",
    "KINDS",
    "OF_FACE",
    "OF_PHOTO",
    "Kind",
    "Portrait",
    "Scene",
    "write_faces_json",
    "write_photo",
]


Subject = TypeVar("Subject", Scene, Portrait)


class Kind(NamedTuple, Generic[Subject]):
    """A kind of file.

    Attributes:
      ending: of its name, after the name of the photo, and of the face where there is one for each.
      write: writes it to a path, in one piece.
      description: one line for people.
      numbers: what a reader of the file has to know, for the record under the name of the kind; None for nothing.
    """

    ending: str
    write: Callable[[Path, Subject], None]
    description: str
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
        records.depth_record,
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
}
OF_FACE: dict[str, Kind[Portrait]] = {
    "obj": Kind(".obj", meshes.write_mesh, "mesh, coloured by the photo"),
    "ply": Kind(".ply", meshes.write_mesh, "mesh, coloured by the photo, binary"),
    "glb": Kind(".glb", meshes.write_mesh, "mesh, coloured by the photo, for viewers"),
}
KINDS = (*OF_PHOTO, *OF_FACE, "json")
DEFAULT_KINDS = ("overlay", "obj", "ply", "glb", "json")


def write_photo(
    target: Path, scene: Scene, kinds: Collection[str] = DEFAULT_KINDS
) -> dict[str, Any]:
    """Writes the pictures of a photo and the files of its faces.

    Args:
      target: folder and first part of the names, to which "_overlay.png", "_face0.obj" and so on
        are added; the folder must exist.
      scene: the photo and its faces.
      kinds: which of `KINDS` to write; "json" is for `write_faces_json`.

    Returns:
      The record of the photo for `write_faces_json`.
    """
    height, width = scene.size
    files = _write_files(target, scene, OF_PHOTO, kinds)
    faces = [
        {
            **face_record(portrait.face),
            "files": _write_files(_name_of(target, f"_face{number}"), portrait, OF_FACE, kinds),
        }
        for number, portrait in enumerate(scene.portraits)
    ]
    numbers = _numbers(scene, OF_PHOTO, kinds)
    return {"width": width, "height": height, "files": files, **numbers, "faces": faces}


def _write_files(
    target: Path, subject: Subject, known: dict[str, Kind[Subject]], kinds: Collection[str]
) -> dict[str, str]:
    files = {}
    for name, kind in known.items():
        if name in kinds:
            path = _name_of(target, kind.ending)
            kind.write(path, subject)
            files[name] = path.name
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
