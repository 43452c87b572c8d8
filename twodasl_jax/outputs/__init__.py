"""Output files of a reconstruction: images, mesh files, `faces.json` and `faces.csv`.

To add a kind of file, write a function that takes a `Scene`, a `FaceView` or the records of all
photos, and add a row to one of the three tables below.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, Generic, NamedTuple, TypeVar

from twodasl_jax.outputs import face_files, pictures, viewer
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
    "FACE_KINDS",
    "KINDS",
    "PHOTO_KINDS",
    "RUN_KINDS",
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
    """A kind of output file.

    Attributes:
      ending: the end of the file name, after the name of the photo or face. It is the whole file
        name in `RUN_KINDS`.
      write: the function that writes the file to a path. It replaces an existing file atomically.
      description: the help text, one line.
      companions: the further files that `write` creates, as a mapping from their keys in the record
        to the ends of their names.
      metadata: a function that returns the numbers that a reader of the file needs. The record
        contains them under the name of the kind. None if there are none.
    """

    ending: str
    write: Callable[[Path, Subject], None]
    description: str
    companions: Mapping[str, str] = MappingProxyType({})
    metadata: Callable[[Subject], dict[str, float]] | None = None


PHOTO_KINDS: dict[str, Kind[Scene]] = {
    "overlay": Kind(
        "_overlay.png",
        pictures.write_overlay,
        "photo with the shaded mesh, the 68 landmarks and the pose axes of all faces "
        "(red to the subject's left, green up, blue forward)",
    ),
    "wireframe": Kind(
        "_wireframe.png", pictures.write_wireframe, "photo with the visible edges of the mesh"
    ),
    "landmarks": Kind(
        "_landmarks.png",
        pictures.write_landmarks,
        "photo with the 68 landmarks; hidden landmarks are rings",
    ),
    "pose": Kind("_pose.png", pictures.write_pose, "photo with a box and pose axes for each face"),
    "depth": Kind(
        "_depth.png",
        pictures.write_depth,
        "depth map, 16-bit grey; brighter is nearer, 0 is the background; faces.json has the scale",
        metadata=depth_record,
    ),
    "normals": Kind(
        "_normals.png",
        pictures.write_normals,
        "normal map, 255 (n + 1) / 2; x right, y up, z toward the camera; the background is black",
    ),
    "pncc": Kind(
        "_pncc.png",
        pictures.write_pncc,
        "position of each pixel on the mean face as RGB (PNCC of 3DDFA); the background is black",
    ),
    "html": Kind(
        ".html",
        viewer.write_page,
        "interactive page with the faces in 3D for any browser; needs no network",
    ),
}
FACE_KINDS: dict[str, Kind[FaceView]] = {
    "obj": Kind(
        ".obj",
        face_files.write_mesh,
        "mesh with a texture, in NAME_face0.mtl and NAME_face0_texture.png",
        companions={"mtl": MATERIAL_ENDING, "uv_texture": TEXTURE_ENDING},
    ),
    "ply": Kind(".ply", face_files.write_mesh, "mesh with vertex colours, binary"),
    "glb": Kind(
        ".glb",
        face_files.write_mesh,
        "mesh with a texture, and with expressions as morph targets",
    ),
    "uv_texture": Kind(TEXTURE_ENDING, face_files.write_texture, "texture of the mesh"),
    "uv_position": Kind(
        "_uv_position.npy",
        face_files.write_position_map,
        "3D position of each of 256 x 256 texels, nan outside the face (position map of PRNet)",
    ),
    "turntable": Kind(
        "_turntable.gif", face_files.write_turntable, "animation of the rotating head"
    ),
}
RUN_KINDS: dict[str, Kind[Records]] = {
    "json": Kind(
        "faces.json",
        write_faces_json,
        "box, angles, pose, landmarks, coefficients, expression units and file names of all faces",
    ),
    "csv": Kind(
        "faces.csv",
        write_faces_csv,
        "the same without landmarks and file names, as a table with one row per face",
    ),
}
KINDS = (*PHOTO_KINDS, *FACE_KINDS, *RUN_KINDS)
DEFAULT_KINDS = ("overlay", "obj", "ply", "glb", "json")


def write_photo(
    target: Path, scene: Scene, kinds: Collection[str] = DEFAULT_KINDS
) -> dict[str, Any]:
    """Writes the files of a photo and of its faces.

    Args:
      target: the folder and the common prefix of the file names, to which "_overlay.png",
        "_face0.obj" and so on are appended. The folder must exist.
      scene: the photo and its faces.
      kinds: the kinds of files to write, a subset of `KINDS`. `RUN_KINDS` have no effect; see
        `write_records`.

    Returns:
      The record of the photo for `write_records`.
    """
    height, width = scene.size
    files = _write_files(target, scene, PHOTO_KINDS, kinds)
    faces = [
        {
            **face_record(view),
            "files": _write_files(_append(target, f"_face{number}"), view, FACE_KINDS, kinds),
        }
        for number, view in enumerate(scene.face_views)
    ]
    metadata = _metadata(scene, PHOTO_KINDS, kinds)
    return {"width": width, "height": height, "files": files, **metadata, "faces": faces}


def write_records(folder: Path, records: Records, kinds: Collection[str] = DEFAULT_KINDS) -> None:
    """Writes the files about all photos.

    Args:
      folder: the folder of the results, which must exist.
      records: the records of the photos from `write_photo`, each with the photo's file name under
        "photo".
      kinds: the kinds of files to write, a subset of `KINDS`. Only `RUN_KINDS` have an effect.
    """
    for name, kind in RUN_KINDS.items():
        if name in kinds:
            kind.write(folder / kind.ending, records)


def _write_files(
    target: Path, subject: Subject, table: dict[str, Kind[Subject]], kinds: Collection[str]
) -> dict[str, str]:
    files = {}
    for name, kind in table.items():
        if name in kinds:
            path = _append(target, kind.ending)
            kind.write(path, subject)
            files[name] = path.name
            files |= {key: _append(target, ending).name for key, ending in kind.companions.items()}
    return files


def _metadata(
    subject: Subject, table: dict[str, Kind[Subject]], kinds: Collection[str]
) -> dict[str, dict[str, float]]:
    return {
        name: kind.metadata(subject)
        for name, kind in table.items()
        if name in kinds and kind.metadata is not None
    }


def _append(target: Path, ending: str) -> Path:
    return target.with_name(target.name + ending)
