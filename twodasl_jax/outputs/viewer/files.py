"""Files that a page offers for download. They equal the files that the program writes."""

import io
import tempfile
import zipfile
from pathlib import Path
from typing import NamedTuple

from twodasl_jax.outputs import face_files, records
from twodasl_jax.outputs.scene import FaceView, Scene

MESH_KINDS = ("obj", "ply", "glb")
_MEDIA_TYPES = {
    ".obj": "model/obj",
    ".ply": "model/ply",
    ".glb": "model/gltf-binary",
    ".zip": "application/zip",
}


class EmbeddedFile(NamedTuple):
    """A file embedded in a page."""

    name: str
    media_type: str
    content: bytes


def mesh_file(name: str, kind: str, view: FaceView) -> EmbeddedFile:
    """Returns a mesh file, or a ZIP file if the mesh consists of several files.

    Args:
      name: the file name without its suffix.
      kind: the format, one of `MESH_KINDS`.
      view: the face.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder, f"{name}.{kind}")
        face_files.write_mesh(path, view)
        files = {file.name: file.read_bytes() for file in sorted(Path(folder).iterdir())}
    embedded, content = path.name, files[path.name]
    if len(files) > 1:
        embedded, content = f"{name}_{kind}.zip", _zip(files)
    return EmbeddedFile(embedded, _MEDIA_TYPES[Path(embedded).suffix], content)


def faces_file(name: str, scene: Scene) -> EmbeddedFile:
    """Returns the numbers of all faces of a photo in the format of `faces.json`.

    Args:
      name: the name of the photo.
      scene: the photo and its faces.
    """
    height, width = scene.size
    faces = [records.face_record(view) for view in scene.face_views]
    photo = {"photo": name, "width": width, "height": height, "faces": faces}
    return EmbeddedFile(f"{name}_faces.json", "application/json", records.faces_json([photo]))


def _zip(files: dict[str, bytes]) -> bytes:
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED) as entries:
        for name, content in files.items():
            # ZipInfo has a constant date, so that the same face always gives the same bytes.
            entry = zipfile.ZipInfo(name)
            entry.compress_type = zipfile.ZIP_DEFLATED
            entries.writestr(entry, content)
    return archive.getvalue()
