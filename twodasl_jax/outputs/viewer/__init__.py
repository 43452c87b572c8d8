"""A page that shows a photo and its faces in 3D: one file that needs no other, and no network.

The page's own source is in `assets/viewer/`; here its data are put in. What a person chooses there becomes part of the
page's address, which can be sent on with the file: `NAME.html#face=2&yaw=40&surface=clay&jawOpen=1`.

packing    arrays, pictures and files as text
sliders    what of a face can be moved, and the controls for it
files      mesh files and numbers to be saved
facts      the numbers of the faces
"""

import html
import importlib.resources
import string
from pathlib import Path
from typing import Any

import numpy as np

from twodasl_jax.files import atomic_files
from twodasl_jax.geometry.rotation import rotation_from_euler
from twodasl_jax.outputs import pictures
from twodasl_jax.outputs.scene import FaceView, Scene
from twodasl_jax.outputs.viewer.facts import conventions, face_boxes, face_facts, summary
from twodasl_jax.outputs.viewer.files import MESH_KINDS, HeldFile, faces_file, mesh_file
from twodasl_jax.outputs.viewer.packing import (
    deflated,
    jpeg_url,
    packed,
    packed_steps,
    script_json,
)
from twodasl_jax.outputs.viewer.sliders import Sliders, sliders_html, sliders_of

_ASSETS = importlib.resources.files("twodasl_jax") / "assets" / "viewer"
_SCRIPTS = ("mesh.js", "stage.js", "viewer.js")


def write_page(path: Path, scene: Scene) -> None:
    """Writes the page of a photo, titled with the file's name."""
    # Names of files may hold bytes that are no text.
    name = path.stem.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    atomic_files.write_bytes(path, page(name, scene).encode())


def page(name: str, scene: Scene) -> str:
    """Returns the page of a photo.

    Args:
      name: of the photo.
      scene: the photo and at least one face.
    """
    height, width = scene.size
    sliders = sliders_of(scene)
    files = _files_of_faces(name, scene)
    facts = (face_facts(number, scene.faces[number], held) for number, held in enumerate(files))
    content = {
        "mesh": _mesh(scene),
        "sliders": _movements(sliders),
        "faces": [_face(portrait) for portrait in scene.portraits],
        "files": {key: _file(file) for held in files for key, file in held.items()},
    }
    return string.Template(_asset("viewer.html")).substitute(
        title=html.escape(name),
        summary=summary(scene),
        style=_asset("viewer.css"),
        ratio=f"{width} / {height}",
        photo=jpeg_url(scene.image),
        drawn=jpeg_url(pictures.draw_overlay(scene)),
        boxes=face_boxes(scene),
        sliders=sliders_html(sliders),
        facts="\n".join(facts),
        conventions=conventions(),
        content=script_json(content),
        three=_asset("three.min.js"),
        script="\n".join(map(_asset, _SCRIPTS)),
    )


def _files_of_faces(name: str, scene: Scene) -> list[dict[str, HeldFile]]:
    """Returns the files of each face; those with the numbers are the same for all."""
    numbers = faces_file(name, scene)
    return [
        {
            **{
                f"{kind.upper()} {face}": mesh_file(f"{name}_face{face}", kind, portrait)
                for kind in MESH_KINDS
            },
            "JSON": numbers,
        }
        for face, portrait in enumerate(scene.portraits)
    ]


def _mesh(scene: Scene) -> dict[str, Any]:
    """Returns what all faces share: triangles of rows of the atlas, the vertex and the place of each row, and holes."""
    atlas = scene.atlas
    return {
        "triangles": packed(atlas.triangles.astype(np.uint32)),
        "source": packed(atlas.vertices.astype(np.uint32)),
        "uv": packed(atlas.uv),
        "hollow": packed(np.rint(255 * scene.surface.hollow).astype(np.uint8)),
    }


def _movements(sliders: Sliders) -> dict[str, Any]:
    """Returns the movements in the model frame, in which all faces share them."""
    return {
        "names": sliders.names,
        "lowest": sliders.lowest,
        "highest": sliders.highest,
        "displacements": packed_steps(sliders.displacements),
    }


def _face(portrait: FaceView) -> dict[str, Any]:
    """Returns a face around its own centre, in the frame of the mesh files."""
    vertices = portrait.mesh.vertices
    centred = vertices - (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    rotation = np.asarray(rotation_from_euler(np.radians(portrait.face.euler_angles)))
    model = portrait.scene.model
    strengths = portrait.coefficients.expression * model.expression_std
    return {
        "vertices": packed(centred.astype(np.float32)),
        "radius": float(np.linalg.norm(centred, axis=1).max()),
        "linear": portrait.file_from_model.ravel().tolist(),
        "upright": rotation.T.ravel().tolist(),
        "expression": packed_steps(np.asarray(model.expression_basis @ strengths)),
        "texture": jpeg_url(portrait.texture),
    }


def _file(file: HeldFile) -> dict[str, str]:
    return {"name": file.name, "type": file.media_type, "data": deflated(file.content)}


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text("utf-8")
