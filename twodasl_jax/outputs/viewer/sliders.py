"""The sliders of the viewer's page: what of a face they move, how they are called and grouped."""

import html
import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from twodasl_jax.expression_units.activation import stem_of, twin_of
from twodasl_jax.outputs.scene import Scene

# By the first word of a unit's name.
_GROUPS = {
    "Mouth": ("mouth", "tongue"),
    "Jaw": ("jaw",),
    "Eyes": ("eye",),
    "Brows": ("brow",),
    "Cheeks and nose": ("cheek", "nose"),
    "Components": ("expression",),
}
_OTHERS = "Others"
_LEFT = ("Left", "_L")
# First words that the group says already.
_SAID = ("mouth", "jaw", "eye", "brow")
_COMPONENT_LIMIT = 3.0

# How strong the units of an expression are, without their side where both take part.
_PRESETS: dict[str, dict[str, float]] = {
    "Neutral": {},
    "Smile": {"mouthSmile": 0.75, "cheekSquint": 0.5, "eyeSquint": 0.3, "mouthUpperUp": 0.15},
    "Surprise": {"jawOpen": 0.5, "eyeWide": 0.9, "browInnerUp": 0.9, "browOuterUp": 0.8},
    "Sad": {"mouthFrown": 0.8, "browInnerUp": 0.9, "mouthShrugLower": 0.4, "eyeSquint": 0.3},
    "Angry": {"browDown": 1.0, "noseSneer": 0.7, "mouthPress": 0.6, "eyeSquint": 0.5},
    "Kiss": {"mouthPucker": 0.95, "eyeSquint": 0.2},
    "Wink": {"eyeBlinkLeft": 1.0, "mouthSmileLeft": 0.6, "cheekSquintLeft": 0.6},
}


class Sliders(NamedTuple):
    """What a person may do to a face.

    Attributes:
      names: of the movements, no two alike.
      displacements: of each vertex where a slider is at 1, model frame, mm.
      lowest: value of each slider, as the others below.
      highest: at the other end; a slider at 0 leaves the face as it is.
    """

    names: tuple[str, ...]
    displacements: Float[np.ndarray, "K V 3"]
    lowest: float
    highest: float


def sliders_of(scene: Scene) -> Sliders:
    """Returns the units of the face model that move anything or, where it has none, its expression components."""
    if scene.units is not None:
        names, fields = scene.units.names, np.moveaxis(scene.units.displacements, -1, 0)
        moving = np.flatnonzero(np.abs(fields).max(axis=(1, 2)))
        return Sliders(tuple(names[unit] for unit in moving), fields[moving], 0.0, 1.0)
    model = scene.model
    components = np.moveaxis(np.asarray(model.expression_basis * model.expression_std), -1, 0)
    return Sliders(scene.expression_names, components, -_COMPONENT_LIMIT, _COMPONENT_LIMIT)


def sliders_html(sliders: Sliders) -> str:
    """Returns the controls: expressions to choose, the photo's own, and a slider for each movement, by groups."""
    own = '<input type="range" id="own" min="0" max="1" step="0.01" value="1">'
    hint = "How much of the expression in the photo stays"
    parts = [
        _presets(sliders.names),
        f'<label class="row" title="{hint}"><span>Original</span>{own}</label>',
    ]
    for number, (title, stems) in enumerate(_grouped(sliders.names).items()):
        rows = "\n".join(_row(stem, sliders) for stem in stems)
        sided = any(_sides(stem, sliders.names) for stem in stems)
        sides = '<div class="row sides"><span></span><span>right</span><span>left</span></div>'
        parts.append(
            f'<details class="group" data-group{" open" * (number == 0)}><summary>{title}<b data-moved></b></summary>\n'
            f"{sides * sided}{rows}</details>"
        )
    parts += (f'<p class="aside">{remark}</p>' for remark in _remarks(sliders.names))
    return "\n".join(parts)


def _remarks(names: Sequence[str]) -> Iterator[str]:
    if any(twin_of(name) != name for name in names):
        yield "Right and left are those of the person in the photo."
    if "mouthClose" in names:
        yield "The lips close as far as the jaw is open."


def _presets(names: Sequence[str]) -> str:
    """Returns a button for each expression of which the sliders can do every part, and for the photo's own."""
    chosen = {"Original": {"own": 1.0}}
    for title, strengths in _PRESETS.items():
        parts = {
            part: [name for name in names if part in (name, stem_of(name))] for part in strengths
        }
        if all(parts.values()):
            weights = {name: strengths[part] for part, moved in parts.items() for name in moved}
            chosen[title] = {"own": 0.0, **weights}
    buttons = (
        f'<button type="button" data-preset="{html.escape(json.dumps(weights))}">{title}</button>'
        for title, weights in chosen.items()
    )
    return f'<div class="presets">{"".join(buttons)}</div>'


def _grouped(names: Sequence[str]) -> dict[str, list[str]]:
    """Returns the names without their sides, each once, under the titles of their groups."""
    groups: dict[str, list[str]] = {title: [] for title in (*_GROUPS, _OTHERS)}
    for name in names:
        word = _words(name)[0]
        title = next((title for title, known in _GROUPS.items() if word in known), _OTHERS)
        stem = stem_of(name)
        if stem not in groups[title]:
            groups[title].append(stem)
    return {title: stems for title, stems in groups.items() if stems}


def _row(stem: str, sliders: Sliders) -> str:
    """Returns one line: a label, and a slider or one for each side."""
    label = _label(stem)
    inputs = [
        f'<input type="range" data-slider="{sliders.names.index(name)}" min="{sliders.lowest:g}" '
        f'max="{sliders.highest:g}" step="0.01" value="0" aria-label="{html.escape(described)}">'
        for name, described in _inputs(stem, label, sliders.names)
    ]
    return f'<div class="row"><span>{html.escape(label)}</span>{"".join(inputs)}</div>'


def _inputs(stem: str, label: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yields the movements of a line and what they are called."""
    sides = _sides(stem, names)
    if not sides:
        yield stem, label
    for name in sides:
        yield name, f"{label}, {'left' if name.removeprefix(stem) in _LEFT else 'right'}"


def _sides(stem: str, names: Sequence[str]) -> tuple[str, ...]:
    """Returns the right and the left one of a movement, as they are seen in a picture; none if it has no sides."""
    return tuple(
        sorted((name for name in names if stem_of(name) == stem and name != stem), reverse=True)
    )


def _label(stem: str) -> str:
    """Returns a name for people."""
    first, *rest = _words(stem)
    words = rest or ["sideways"] if first in _SAID else [first, *rest]
    return " ".join(words).capitalize()


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Za-z][a-z]*|\S+", name)]
