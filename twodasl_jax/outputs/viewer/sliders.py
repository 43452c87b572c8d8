"""Expression sliders of a page: their displacements, labels, groups and presets."""

import html
import json
import re
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from jaxtyping import Float

from twodasl_jax.models.expression_units.activation import stem_of, twin_of
from twodasl_jax.outputs.scene import Scene

# The first words of the unit names of each group.
_GROUPS = {
    "Mouth": ("mouth", "tongue"),
    "Jaw": ("jaw",),
    "Eyes": ("eye",),
    "Brows": ("brow",),
    "Cheeks and nose": ("cheek", "nose"),
    "Components": ("expression",),
}
_OTHERS = "Others"
_LEFT_ENDINGS = ("Left", "_L")
# First words that labels omit, because the title of the group contains them.
_OMITTED_WORDS = ("mouth", "jaw", "eye", "brow")
# Range of a slider for an expression component, in standard deviations.
_COMPONENT_LIMIT = 3.0

# The activations of the units in each preset. A unit name without a side stands for both sides.
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
    """The sliders of a page. A slider at 0 has no effect.

    Attributes:
      names: the distinct name of each slider.
      displacements: the displacement of each vertex by a slider at 1, model frame, mm.
      lowest: the lowest value of all sliders.
      highest: the highest value of all sliders.
    """

    names: tuple[str, ...]
    displacements: Float[np.ndarray, "K V 3"]
    lowest: float
    highest: float


def sliders_of(scene: Scene) -> Sliders:
    """Returns sliders for the expression units that move a vertex or, without units, for components."""
    if scene.units is None:
        limit = _COMPONENT_LIMIT
        return Sliders(scene.expression_names, scene.expression_displacements, -limit, limit)
    names, displacements = scene.units.names, np.moveaxis(scene.units.displacements, -1, 0)
    moving = np.flatnonzero(np.abs(displacements).max(axis=(1, 2)))
    return Sliders(tuple(names[unit] for unit in moving), displacements[moving], 0.0, 1.0)


def sliders_html(sliders: Sliders) -> str:
    """Returns the presets, the slider of the original expression, and the sliders by groups."""
    own = '<input type="range" id="own" min="0" max="1" step="0.01" value="1">'
    hint = "Share of the expression in the photo"
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
        yield "The lips close only as far as the jaw is open."


def _presets(names: Sequence[str]) -> str:
    """Returns buttons for the original expression and for the presets that the sliders can show."""
    presets = {"Original": {"own": 1.0}}
    for title, activations in _PRESETS.items():
        sliders = {
            unit: [name for name in names if unit in (name, stem_of(name))] for unit in activations
        }
        if all(sliders.values()):
            weights = {name: activations[unit] for unit, moved in sliders.items() for name in moved}
            presets[title] = {"own": 0.0, **weights}
    buttons = (
        f'<button type="button" data-preset="{html.escape(json.dumps(weights))}">{title}</button>'
        for title, weights in presets.items()
    )
    return f'<div class="presets">{"".join(buttons)}</div>'


def _grouped(names: Sequence[str]) -> dict[str, list[str]]:
    """Returns the distinct names without their sides, by the titles of their groups."""
    groups: dict[str, list[str]] = {title: [] for title in (*_GROUPS, _OTHERS)}
    for name in names:
        word = _words(name)[0]
        title = next((title for title, known in _GROUPS.items() if word in known), _OTHERS)
        stem = stem_of(name)
        if stem not in groups[title]:
            groups[title].append(stem)
    return {title: stems for title, stems in groups.items() if stems}


def _row(stem: str, sliders: Sliders) -> str:
    """Returns a row: a label with one slider, or with one slider per side."""
    label = _label(stem)
    inputs = [
        f'<input type="range" data-slider="{sliders.names.index(name)}" min="{sliders.lowest:g}" '
        f'max="{sliders.highest:g}" step="0.01" value="0" aria-label="{html.escape(spoken)}">'
        for name, spoken in _inputs(stem, label, sliders.names)
    ]
    return f'<div class="row"><span>{html.escape(label)}</span>{"".join(inputs)}</div>'


def _inputs(stem: str, label: str, names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yields the name and the spoken label of each slider in a row."""
    sides = _sides(stem, names)
    if not sides:
        yield stem, label
    for name in sides:
        yield name, f"{label}, {'left' if name.removeprefix(stem) in _LEFT_ENDINGS else 'right'}"


def _sides(stem: str, names: Sequence[str]) -> tuple[str, ...]:
    """Returns the right and the left slider of a stem, or nothing if it has no sides."""
    return tuple(
        sorted((name for name in names if stem_of(name) == stem and name != stem), reverse=True)
    )


def _label(stem: str) -> str:
    """Returns the visible label of a row."""
    first, *rest = _words(stem)
    words = rest or ["sideways"] if first in _OMITTED_WORDS else [first, *rest]
    return " ".join(words).capitalize()


def _words(name: str) -> list[str]:
    return [word.lower() for word in re.findall(r"[A-Za-z][a-z]*|\S+", name)]
