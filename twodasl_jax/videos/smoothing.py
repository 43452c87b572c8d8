"""Smoothing of a face over time with the one-euro filter.

The crop of a face varies from frame to frame, which makes the reconstructed face jitter. The one-euro filter is a low
pass with a cut-off that grows with the speed: it removes jitter at rest, and follows fast motion with little lag. It
runs in the image frame, because crops move.

    cutoff = min_cutoff + beta * speed        gain = 1 / (1 + 1 / (2 pi cutoff elapsed))
    smooth = before + gain * (now - before)

The speed is smoothed likewise, with a fixed cut-off. The difference of two rotations is a rotation vector. A fraction
of this vector is applied as a rotation, so the result is a rotation. Positions are filtered in units of the size of the
face, and scales in the logarithm. A person's shape does not change, so it is averaged over the frames so far, with a
time constant of about ten seconds.

References:
  Casiez, Roussel, Vogel, 1 euro Filter, CHI 2012.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from scipy.spatial.transform import Rotation

from twodasl_jax.array_types import typed

# The cut-off of speeds, hertz; the default of the paper.
_SPEED_CUTOFF = 1.0
# The time constant of the mean shape, seconds.
_SHAPE_TIME_CONSTANT = 10.0


class Cutoff(NamedTuple):
    """The cut-off of one quantity.

    Attributes:
      minimum: the cut-off at rest, hertz (min_cutoff of the paper).
      beta: the increase of the cut-off per unit of speed, hertz.
    """

    minimum: float
    beta: float


class Strength(NamedTuple):
    """The cut-offs of a face.

    Attributes:
      place: the cut-off of the position; its speed is in sizes of the face per second.
      scale: the cut-off of the log scale; its rate of change is per second.
      rotation: the cut-off of the rotation; its speed is in radians per second.
      expression: the cut-off of the expression; its speed is in standard deviations per second.
    """

    place: Cutoff
    scale: Cutoff
    rotation: Cutoff
    expression: Cutoff


# Chosen with experiments/maintenance/measure_smoothing.py.
STRENGTHS = {
    "light": Strength(Cutoff(1.0, 30.0), Cutoff(1.0, 30.0), Cutoff(1.0, 15.0), Cutoff(1.0, 2.0)),
    "strong": Strength(Cutoff(0.3, 10.0), Cutoff(0.3, 10.0), Cutoff(0.3, 5.0), Cutoff(0.3, 1.0)),
}


class PlacedFace(NamedTuple):
    """The camera and the coefficients of a face in the image frame.

    Attributes:
      place: (2,) the position of the model's origin: x and y, image frame, pixels.
      scale: the scale of the camera, pixels per model unit.
      rotation: (3, 3) the rotation from the model frame to the camera axes.
      shape: (S,) shape coefficients, in standard deviations.
      expression: (E,) expression coefficients, in standard deviations.
    """

    place: Float[np.ndarray, "2"]
    scale: float
    rotation: Float[np.ndarray, "3 3"]
    shape: Float[np.ndarray, " S"]
    expression: Float[np.ndarray, " E"]


class Speeds(NamedTuple):
    """The smoothed rates of change of a face.

    Attributes:
      place: (2,) the velocity of the position, pixels per second.
      scale: (1,) the rate of change of the log scale, per second.
      rotation: (3,) the angular velocity about the camera axes, radians per second.
      expression: (E,) the rate of change of the expression, standard deviations per second.
    """

    place: Float[np.ndarray, "2"]
    scale: Float[np.ndarray, "1"]
    rotation: Float[np.ndarray, "3"]
    expression: Float[np.ndarray, " E"]


class FilterState(NamedTuple):
    """The state of a person's filter.

    Attributes:
      face: the smoothed face.
      speeds: its smoothed rates of change.
      frame_count: the number of frames so far.
    """

    face: PlacedFace
    speeds: Speeds
    frame_count: int


def initial_state(face: PlacedFace) -> FilterState:
    """Returns the state of the filter after the first frame: the unfiltered face, at rest."""
    at_rest = Speeds(np.zeros(2), np.zeros(1), np.zeros(3), np.zeros_like(face.expression))
    return FilterState(face, at_rest, 1)


def smooth(
    strength: Strength, before: FilterState, now: PlacedFace, elapsed: float, size: float
) -> FilterState:
    """Returns the state of the filter after the next frame.

    Args:
      strength: the cut-offs.
      before: the state after the previous frame.
      now: the reconstructed face of this frame.
      elapsed: the time since the previous frame, seconds; positive.
      size: the size of the face in the frame, pixels.
    """
    face, speeds = before.face, before.speeds
    rotation_step = Rotation.from_matrix(now.rotation) * Rotation.from_matrix(face.rotation).inv()
    log_scale_step = np.log([now.scale / face.scale])
    place_speed, place = one_euro(
        strength.place, speeds.place / size, (now.place - face.place) / size, elapsed
    )
    scale_speed, scale = one_euro(strength.scale, speeds.scale, log_scale_step, elapsed)
    rotation_speed, rotation = one_euro(
        strength.rotation, speeds.rotation, rotation_step.as_rotvec(), elapsed
    )
    expression_speed, expression = one_euro(
        strength.expression, speeds.expression, now.expression - face.expression, elapsed
    )
    shape_gain = max(1 / (before.frame_count + 1), elapsed / (_SHAPE_TIME_CONSTANT + elapsed))
    smoothed = PlacedFace(
        place=face.place + place * size,
        scale=face.scale * float(np.exp(scale[0])),
        rotation=(Rotation.from_rotvec(rotation) * Rotation.from_matrix(face.rotation)).as_matrix(),
        shape=face.shape + shape_gain * (now.shape - face.shape),
        expression=face.expression + expression,
    )
    new_speeds = Speeds(place_speed * size, scale_speed, rotation_speed, expression_speed)
    return FilterState(smoothed, new_speeds, before.frame_count + 1)


@typed
def one_euro(
    cutoff: Cutoff,
    speed: Float[np.ndarray, " N"],
    step: Float[np.ndarray, " N"],
    elapsed: float,
) -> tuple[Float[np.ndarray, " N"], Float[np.ndarray, " N"]]:
    """Computes one step of the one-euro filter.

    Args:
      cutoff: the cut-off. The length of the speed vector determines the common gain of all entries.
      speed: (N,) the smoothed speed after the previous frame, per second.
      step: (N,) the difference from the smoothed value of the previous frame to the value of this frame.
      elapsed: the time between the frames, seconds.

    Returns:
      The new smoothed speed, and the step of the smoothed value.
    """
    new_speed = speed + _gain(_SPEED_CUTOFF, elapsed) * (step / elapsed - speed)
    gain = _gain(cutoff.minimum + cutoff.beta * float(np.linalg.norm(new_speed)), elapsed)
    return new_speed, gain * step


def _gain(cutoff: float, elapsed: float) -> float:
    """Returns the gain of an exponential low pass with a cut-off in hertz."""
    return 1 / (1 + 1 / (2 * np.pi * cutoff * elapsed))
