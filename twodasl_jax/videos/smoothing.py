"""Steady faces: the one-euro filter on where a face is, how it is turned and what it looks like.

A face trembles from frame to frame because its crop does. The filter is a low pass whose cut-off grows with the speed:
at rest it takes the trembling away, in motion it does not lag behind. It works in the image frame, since crops move.

    cutoff = min_cutoff + beta * speed        gain = 1 / (1 + 1 / (2 pi cutoff elapsed))
    smooth = before + gain * (now - before)

The speed is smoothed likewise, with a fixed cut-off. Of rotations the difference is the rotation vector from one to the
other, and the sum turns by one, so that a filtered rotation is a rotation. Places count in sizes of the face, scales in
their logarithm. Who someone is does not change: the shape is the mean over the frames so far, which forgets over about
ten seconds.

References:
  Casiez, Roussel, Vogel, 1 euro Filter, CHI 2012.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from twodasl_jax.array_types import typed

# Of the speeds, hertz, as the authors have it.
_SPEED_CUTOFF = 1.0
# The mean shape forgets over so many seconds.
_MEMORY = 10.0


class Cutoff(NamedTuple):
    """How strongly one thing is smoothed.

    Attributes:
      least: of the low pass at rest, hertz.
      growth: by which it grows with each unit of speed: hertz per unit a second (the authors' beta).
    """

    least: float
    growth: float


class Strength(NamedTuple):
    """How strongly a face is smoothed.

    Attributes:
      place: where the face is; unit of speed: the size of the face a second.
      scale: how large it is; unit: powers of e a second.
      rotation: how it is turned; unit: radians a second.
      expression: unit: standard deviations a second.
    """

    place: Cutoff
    scale: Cutoff
    rotation: Cutoff
    expression: Cutoff


# Chosen by experiments/maintenance/measure_smoothing.py.
STRENGTHS = {
    "light": Strength(Cutoff(1.0, 30.0), Cutoff(1.0, 30.0), Cutoff(1.0, 15.0), Cutoff(1.0, 2.0)),
    "strong": Strength(Cutoff(0.3, 10.0), Cutoff(0.3, 10.0), Cutoff(0.3, 5.0), Cutoff(0.3, 1.0)),
}


class PlacedFace(NamedTuple):
    """A face in the picture, by its coefficients.

    Attributes:
      place: x, y of the model's origin, image frame, pixels.
      scale: pixels per model unit.
      rotation: model frame to camera axes.
      shape: identity, in standard deviations.
      expression: in standard deviations.
    """

    place: Float[np.ndarray, "2"]
    scale: float
    rotation: Float[np.ndarray, "3 3"]
    shape: Float[np.ndarray, " S"]
    expression: Float[np.ndarray, " E"]


class Speeds(NamedTuple):
    """How fast a face changes, smoothed.

    Attributes:
      place: pixels a second.
      scale: of its logarithm, a second.
      rotation: radians a second, about the camera axes.
      expression: standard deviations a second.
    """

    place: Float[np.ndarray, "2"]
    scale: Float[np.ndarray, "1"]
    rotation: Float[np.ndarray, "3"]
    expression: Float[np.ndarray, " E"]


class SteadyFace(NamedTuple):
    """What the filter knows of a person after some frames.

    Attributes:
      face: smoothed.
      speeds: of its changes.
      frame_count: of the frames so far.
    """

    face: PlacedFace
    speeds: Speeds
    frame_count: int


def first(face: PlacedFace) -> SteadyFace:
    """Returns what the filter knows of a person after the first frame: the face as it is, at rest."""
    at_rest = Speeds(np.zeros(2), np.zeros(1), np.zeros(3), np.zeros_like(face.expression))
    return SteadyFace(face, at_rest, 1)


def smooth(
    strength: Strength, before: SteadyFace, now: PlacedFace, elapsed: float, size: float
) -> SteadyFace:
    """Moves a smoothed face on to the next frame.

    Args:
      strength: how strongly.
      before: what is known of this person after the frame before.
      now: the face in this frame, as it was reconstructed.
      elapsed: since the frame before, seconds; more than 0.
      size: of the face in the picture, pixels.

    Returns:
      What is known after this frame.
    """
    face, speeds = before.face, before.speeds
    turn = Rotation.from_matrix(now.rotation) * Rotation.from_matrix(face.rotation).inv()
    growth = np.log([now.scale / face.scale])
    place_speed, place = one_euro(
        strength.place, speeds.place / size, (now.place - face.place) / size, elapsed
    )
    scale_speed, scale = one_euro(strength.scale, speeds.scale, growth, elapsed)
    turn_speed, turned = one_euro(strength.rotation, speeds.rotation, turn.as_rotvec(), elapsed)
    expression_speed, expression = one_euro(
        strength.expression, speeds.expression, now.expression - face.expression, elapsed
    )
    forgetting = max(1 / (before.frame_count + 1), elapsed / (_MEMORY + elapsed))
    smoothed = PlacedFace(
        place=face.place + place * size,
        scale=face.scale * float(np.exp(scale[0])),
        rotation=(Rotation.from_rotvec(turned) * Rotation.from_matrix(face.rotation)).as_matrix(),
        shape=face.shape + forgetting * (now.shape - face.shape),
        expression=face.expression + expression,
    )
    moving = Speeds(place_speed * size, scale_speed, turn_speed, expression_speed)
    return SteadyFace(smoothed, moving, before.frame_count + 1)


@typed
def one_euro(
    cutoff: Cutoff,
    speed: Float[np.ndarray, " N"],
    step: Float[np.ndarray, " N"],
    elapsed: float,
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Returns the one-euro filter's next speed, and how far its value moves in this frame.

    Args:
      cutoff: how strongly; all values move at one speed, the length of their vector.
      speed: after the frame before, a second.
      step: from the smoothed value of the frame before to the value of this frame.
      elapsed: between the frames, seconds.
    """
    faster = speed + _gain(_SPEED_CUTOFF, elapsed) * (step / elapsed - speed)
    gain = _gain(cutoff.least + cutoff.growth * float(np.linalg.norm(faster)), elapsed)
    return faster, gain * step


def _gain(cutoff: float, elapsed: float) -> float:
    """Of an exponential low pass with a cut-off in hertz."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff * elapsed))
