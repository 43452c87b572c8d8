"""Notebooks: run on this checkout, with the pictures that explain kept in them, and all other outputs left out."""

import base64
import io
import os
import pathlib
import re

import nbformat
from nbclient import NotebookClient
from PIL import Image

FOLDER = pathlib.Path(__file__).parent
NAMES = tuple(sorted(path.stem for path in FOLDER.glob("*.ipynb")))
# A cell with this tag keeps its picture.
KEPT = "keep-output"
REPOSITORY = re.compile(r"[\w.-]+/twodasl_jax")
# A link to this project; the second group is the repository.
LINK = re.compile(
    rf"(https://(?:github\.com|colab\.research\.google\.com/github)/)({REPOSITORY.pattern})"
)

_ROOT = FOLDER.parents[1]
_SECONDS_PER_CELL = 1800
_LARGEST_WIDTH = 720
_JPEG_QUALITY = 75


def read(name: str) -> nbformat.NotebookNode:
    """Returns one of `NAMES`."""
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def run(notebook: nbformat.NotebookNode, folder: pathlib.Path) -> None:
    """Runs all cells with the package of this checkout, and keeps their outputs in the notebook.

    Args:
      notebook: is changed.
      folder: that the cells work in, and write to.

    Raises:
      nbclient.exceptions.CellExecutionError: a cell failed.
    """
    client = NotebookClient(
        notebook,
        timeout=_SECONDS_PER_CELL,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env=os.environ | {"PYTHONPATH": str(_ROOT)})


def keep_pictures(notebook: nbformat.NotebookNode) -> None:
    """Clears all outputs but the pictures of cells that are tagged so, and makes these small."""
    for cell in notebook.cells:
        cell.metadata.pop("execution", None)
        if cell.cell_type != "code":
            continue
        cell.execution_count = None
        kept = cell.outputs if KEPT in cell.metadata.get("tags", ()) else []
        pictures = [
            output.data["image/png"] for output in kept if "image/png" in output.get("data", ())
        ]
        cell.outputs = [_display(base64.b64decode(picture)) for picture in pictures]


def link_to(repository: str, text: str) -> str:
    """Returns a text whose links to this project lead to a repository on GitHub, OWNER/NAME."""
    return LINK.sub(rf"\g<1>{repository}", text)


def _display(png: bytes) -> nbformat.NotebookNode:
    kind, data = min(_encodings(png).items(), key=lambda encoding: len(encoding[1]))
    return nbformat.v4.new_output("display_data", {kind: base64.b64encode(data).decode()})


def _encodings(png: bytes) -> dict[str, bytes]:
    """Returns a picture in the ways that notebooks can hold it, not wider than a page."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.thumbnail((_LARGEST_WIDTH, picture.height))
    encodings = {}
    for kind, options in (("png", {"optimize": True}), ("jpeg", {"quality": _JPEG_QUALITY})):
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        encodings[f"image/{kind}"] = buffer.getvalue()
    return encodings
