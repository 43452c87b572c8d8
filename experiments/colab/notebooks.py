"""Execution of the notebooks on this checkout, and removal of their outputs except selected pictures."""

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
# A cell with this tag keeps its pictures.
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
    """Returns the notebook of one of `NAMES`."""
    return nbformat.read(FOLDER / f"{name}.ipynb", as_version=4)


def run(notebook: nbformat.NotebookNode, folder: pathlib.Path) -> None:
    """Runs all cells with the package of this checkout and stores their outputs in the notebook.

    Args:
      notebook: the notebook, which is modified.
      folder: the working directory of the cells.

    Raises:
      nbclient.exceptions.CellExecutionError: a cell fails.
    """
    client = NotebookClient(
        notebook,
        timeout=_SECONDS_PER_CELL,
        kernel_name="python3",
        resources={"metadata": {"path": str(folder)}},
    )
    client.execute(env=os.environ | {"PYTHONPATH": str(_ROOT)})


def keep_pictures(notebook: nbformat.NotebookNode) -> None:
    """Removes all outputs except the pictures of cells tagged `keep-output`, and compresses these."""
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
    """Returns a text whose links to this project point to a GitHub repository, OWNER/NAME."""
    return LINK.sub(rf"\g<1>{repository}", text)


def _display(png: bytes) -> nbformat.NotebookNode:
    kind, data = min(_encodings(png).items(), key=lambda encoding: len(encoding[1]))
    return nbformat.v4.new_output("display_data", {kind: base64.b64encode(data).decode()})


def _encodings(png: bytes) -> dict[str, bytes]:
    """Returns a picture as PNG and as JPEG, scaled down to the width of a page."""
    picture = Image.open(io.BytesIO(png)).convert("RGB")
    picture.thumbnail((_LARGEST_WIDTH, picture.height))
    encodings = {}
    for kind, options in (("png", {"optimize": True}), ("jpeg", {"quality": _JPEG_QUALITY})):
        buffer = io.BytesIO()
        picture.save(buffer, kind, **options)
        encodings[f"image/{kind}"] = buffer.getvalue()
    return encodings
