"""HTML for the numbers of the faces and for the buttons of their files."""

import html
import math
from collections.abc import Mapping

import numpy as np

from twodasl_jax.inference.reconstruction import Face
from twodasl_jax.outputs import records
from twodasl_jax.outputs.scene import Scene
from twodasl_jax.outputs.viewer.files import EmbeddedFile


def summary(scene: Scene) -> str:
    """Returns the subtitle of the page."""
    height, width = scene.size
    count = len(scene.faces)
    return f"{count} face{'s' * (count != 1)} in 3D, photo of {width} &times; {height} pixels"


def face_boxes(scene: Scene) -> str:
    """Returns buttons over the photo that select a face; none for a single face."""
    if len(scene.faces) == 1:
        return ""
    return "\n".join(_box(number, scene) for number in range(len(scene.faces)))


def face_facts(number: int, face: Face, files: Mapping[str, EmbeddedFile]) -> str:
    """Returns the table of a face's numbers and the buttons of its files.

    Args:
      number: the number of the face, from 0.
      face: the face.
      files: the files by their keys in the page. The first word of a key is the label of the
        button.
    """
    rows = "".join(
        f'<tr><th scope="row">{name}</th><td>{value}</td></tr>'
        for name, value in _numbers(face).items()
    )
    buttons = "".join(_file_button(key, file) for key, file in files.items())
    return (
        f'<div data-face="{number}"><table><caption>Face {number + 1}</caption>{rows}</table>'
        f'<div class="files" role="group" aria-label="Files of face {number + 1}">{buttons}</div></div>'
    )


def conventions() -> str:
    """Returns the conventions of `faces.json` as a definition list."""
    entries = "".join(
        f"<dt>{name.replace('_', ' ').capitalize()}</dt><dd>{html.escape(text)}</dd>"
        for name, text in records.CONVENTIONS.items()
    )
    return f"<dl>{entries}</dl>"


def _box(number: int, scene: Scene) -> str:
    height, width = scene.size
    x0, y0, x1, y1 = np.clip(scene.faces[number].box, 0, [width, height, width, height])
    edges = {
        "left": x0 / width,
        "top": y0 / height,
        "width": (x1 - x0) / width,
        "height": (y1 - y0) / height,
    }
    style = ";".join(f"{edge}:{share:.2%}" for edge, share in edges.items())
    return (
        f'<button type="button" class="box" data-choose="{number}" style="{style}" '
        f'aria-label="Show face {number + 1}"><span>{number + 1}</span></button>'
    )


def _numbers(face: Face) -> dict[str, str]:
    yaw, pitch, roll = face.euler_angles
    x0, y0, x1, y1 = np.rint(face.box).astype(int)
    return {
        "Yaw": _angle(yaw, "nose to the photo&rsquo;s left", "nose to the photo&rsquo;s right"),
        "Pitch": _angle(pitch, "nose raised", "nose lowered"),
        "Roll": _angle(roll, "turned clockwise", "turned counter-clockwise"),
        "Box": f"{x0}, {y0} to {x1}, {y1}<small>pixels</small>",
        "Score": "none: given box" if math.isnan(face.score) else f"{face.score:.3f}",
    }


def _angle(degrees: float, positive: str, negative: str) -> str:
    sign = "&minus;" if round(degrees, 1) < 0 else ""
    return f"{sign}{abs(degrees):.1f}&deg;<small>{positive if degrees > 0 else negative}</small>"


def _file_button(key: str, file: EmbeddedFile) -> str:
    label, name = key.partition(" ")[0], html.escape(file.name)
    return (
        f'<button type="button" data-file="{key}" title="Save {name}">{label}'
        f"<small>{_size(len(file.content))}</small></button>"
    )


def _size(count: int) -> str:
    return f"{count / 1e6:.1f} MB" if count >= 1e6 else f"{max(count / 1e3, 1):.0f} kB"
