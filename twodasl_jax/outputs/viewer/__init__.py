"""The interactive page of a photo: a single HTML file with the faces in 3D, which needs no network.

The template and the scripts of the page are in `assets/viewer/`. The modules of this package fill
in the data. The page stores the state of its controls in the address, so that a view can be linked:
`NAME.html#face=2&yaw=40&surface=clay&jawOpen=1`.

    packing.py     encoding of arrays, images and files as text
    sliders.py     expression sliders and presets
    files.py       mesh files and numbers for download
    facts.py       table of numbers and download buttons
"""

import html
import importlib.resources
import string
from pathlib import Path
from typing import Any

import numpy as np

from twodasl_jax.files import atomic_files
from twodasl_jax.outputs import pictures
from twodasl_jax.outputs.scene import FaceView, Scene
from twodasl_jax.outputs.viewer.facts import conventions, face_boxes, face_facts, summary
from twodasl_jax.outputs.viewer.files import MESH_KINDS, EmbeddedFile, faces_file, mesh_file
from twodasl_jax.outputs.viewer.packing import (
    encode_array,
    encode_bytes,
    encode_quantised,
    jpeg_url,
    script_json,
)
from twodasl_jax.outputs.viewer.sliders import Sliders, sliders_html, sliders_of

_ASSETS = importlib.resources.files("twodasl_jax") / "assets" / "viewer"
_SCRIPTS = ("mesh.js", "stage.js", "viewer.js")


def write_page(path: Path, scene: Scene) -> None:
    """Writes the page of a photo. The stem of the path is the title of the page."""
    # File names may contain bytes that are not valid text.
    name = path.stem.encode("utf-8", "surrogateescape").decode("utf-8", "replace")
    atomic_files.write_bytes(path, page(name, scene).encode())


def page(name: str, scene: Scene) -> str:
    """Returns the HTML of the page of a photo.

    Args:
      name: the name of the photo.
      scene: the photo and at least one face.
    """
    height, width = scene.size
    sliders = sliders_of(scene)
    files = _files_of_faces(name, scene)
    facts = (face_facts(number, scene.faces[number], own) for number, own in enumerate(files))
    content = {
        "mesh": _mesh(scene),
        "sliders": _slider_data(sliders),
        "faces": [_face(view) for view in scene.face_views],
        "files": {key: _file(file) for own in files for key, file in own.items()},
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


def _files_of_faces(name: str, scene: Scene) -> list[dict[str, EmbeddedFile]]:
    """Returns the files of each face by their keys. All faces share the file with the numbers."""
    numbers = faces_file(name, scene)
    return [
        {
            **{
                f"{kind.upper()} {number}": mesh_file(f"{name}_face{number}", kind, view)
                for kind in MESH_KINDS
            },
            "JSON": numbers,
        }
        for number, view in enumerate(scene.face_views)
    ]


def _mesh(scene: Scene) -> dict[str, Any]:
    """Returns the data that all faces share.

    The triangles refer to rows of the atlas. `source` and `uv` are the vertex and the texture
    coordinates of each row. `cavity` is the depth of each vertex in a cavity, from 0 to 255.
    """
    atlas = scene.atlas
    return {
        "triangles": encode_array(atlas.triangles.astype(np.uint32)),
        "source": encode_array(atlas.vertices.astype(np.uint32)),
        "uv": encode_array(atlas.uv),
        "cavity": encode_array(np.rint(255 * scene.surface.cavity).astype(np.uint8)),
    }


def _slider_data(sliders: Sliders) -> dict[str, Any]:
    """Returns the displacements of the sliders in the model frame, which all faces share."""
    return {
        "names": sliders.names,
        "lowest": sliders.lowest,
        "highest": sliders.highest,
        "displacements": encode_quantised(sliders.displacements),
    }


def _face(view: FaceView) -> dict[str, Any]:
    """Returns the data of a face. The vertices are centred, in the frame of mesh files."""
    vertices = view.mesh.vertices
    centred = vertices - (vertices.min(axis=0) + vertices.max(axis=0)) / 2
    model = view.scene.model
    strengths = view.coefficients.expression * model.expression_std
    return {
        "vertices": encode_array(centred.astype(np.float32)),
        "radius": float(np.linalg.norm(centred, axis=1).max()),
        "linear": view.file_from_model.ravel().tolist(),
        "upright": view.rotation.T.ravel().tolist(),
        "expression": encode_quantised(np.asarray(model.expression_basis @ strengths)),
        "texture": jpeg_url(view.texture),
    }


def _file(file: EmbeddedFile) -> dict[str, str]:
    return {"name": file.name, "type": file.media_type, "data": encode_bytes(file.content)}


def _asset(name: str) -> str:
    return (_ASSETS / name).read_text("utf-8")
