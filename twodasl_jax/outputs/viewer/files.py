"""The files that the page holds to be saved: the same bytes that the program writes."""

import io
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from twodasl_jax.outputs import meshes, records
from twodasl_jax.outputs.scene import FaceView, Scene

MESH_KINDS = ("obj", "ply", "glb")
_MEDIA_TYPES = {
    ".obj": "model/obj",
    ".ply": "model/ply",
    ".glb": "model/gltf-binary",
    ".zip": "application/zip",
}


class HeldFile(NamedTuple):
    """A file to be saved from a page."""

    name: str
    media_type: str
    content: bytes


def mesh_file(name: str, kind: str, portrait: FaceView) -> HeldFile:
    """Returns a mesh file; one that needs others beside it is put into a ZIP file with them.

    Args:
      name: of the file, without its suffix.
      kind: one of `MESH_KINDS`.
      portrait: the face.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{name}.{kind}")
        meshes.write_mesh(path, portrait)
        files = {file.name: file.read_bytes() for file in sorted(Path(folder).iterdir())}
    held, content = path.name, files[path.name]
    if len(files) > 1:
        held, content = f"{name}_{kind}.zip", _zipped(files)
    return HeldFile(held, _MEDIA_TYPES[Path(held).suffix], content)


def faces_file(name: str, scene: Scene) -> HeldFile:
    """Returns the numbers of all faces of a photo, as `faces.json` has them.

    Args:
      name: of the photo.
      scene: the photo and its faces.
    """
    height, width = scene.size
    faces = [records.face_record(portrait) for portrait in scene.portraits]
    photo = {"photo": name, "width": width, "height": height, "faces": faces}
    return HeldFile(f"{name}_faces.json", "application/json", records.faces_json([photo]))


def _zipped(files: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as entries:
        for name, content in files.items():
            # Without the date of today, the same face gives the same file.
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entries.writestr(entry, content)
    return archive.getvalue()
