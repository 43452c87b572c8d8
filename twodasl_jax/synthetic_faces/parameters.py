"""Everything that makes a picture of a face, and its distribution."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float32

from twodasl_jax.array_types import typed
from twodasl_jax.synthetic_faces.light import ambient_light, directed_light

Occluder = Literal["none", "ellipse", "polygon", "bar", "sunglasses", "glasses", "mask"]
Conditions = Literal["usual", "harsh"]


# Distributions of the pose: degrees, and shares of the picture's side.
_YAW_LIMIT = 90.0
_PITCH_SPREAD, _PITCH_LIMIT = 15.0, 40.0
_ROLL_SPREAD, _ROLL_LIMIT = 12.0, 36.0
_CROP_SHARE = (0.6, 1.0)
_CROP_OVERHANG = 0.06
_COEFFICIENT_LIMIT = 3.0  # standard deviations
_EXPRESSION_STRENGTH = (0.4, 1.3)
_PALE_HAIR = np.array([0.55, 0.40, 0.24], np.float32)
_HAIR_PIGMENT = np.array([1.0, 1.25, 1.5], np.float32)
_GREY_HAIR = np.array([0.42, 0.42, 0.42], np.float32)


@dataclasses.dataclass(frozen=True)
class Skin:
    """What a skin looks like.

    Attributes:
      melanin: from 0, the palest, to 1.
      blood: how red it is, about 0.3.
      freckles: from 0 to 1.
      gloss: share of the light that it mirrors.
      lipstick: how much redder the lips are than the skin, in units of blood.
    """

    melanin: float
    blood: float
    freckles: float
    gloss: float
    lipstick: float


@dataclasses.dataclass(frozen=True)
class Hair:
    """Hair on and around a face.

    Attributes:
      colour: (3,) reflectance, linear RGB.
      line: mm that the hair line lies above its usual place; negative hangs into the forehead.
      volume: thickness over the radius of the skull.
      length: how far it falls at the sides and behind, from 0 to 1.
      beard: from 0, shaved, to 1.
      brow: mm by which the brows are thicker than usual.
    """

    colour: Float32[np.ndarray, "3"]
    line: float
    volume: float
    length: float
    beard: float
    brow: float


@dataclasses.dataclass(frozen=True)
class Capture:
    """What a camera makes of the scene.

    Attributes:
      exposure: factor of the light.
      contrast: factor around middle grey.
      blur: standard deviation in pixels.
      motion: length of the motion blur in pixels; 0 for none.
      direction: of the motion, radians.
      resolution: share of the rows and columns that survive.
      noise: standard deviation, of 255 grey levels.
      jpeg_quality: None for no compression.
    """

    exposure: float
    contrast: float
    blur: float
    motion: float
    direction: float
    resolution: float
    noise: float
    jpeg_quality: int | None


@dataclasses.dataclass(frozen=True)
class FaceParameters:
    """Everything that makes a picture of a face.

    Attributes:
      shape: (S,) identity, in standard deviations.
      expression: (E,) expression, in standard deviations.
      yaw_pitch_roll: (3,) degrees, signs as in `twodasl_jax.geometry`.
      crop_share: side of the crop around the landmarks (`box_from_landmarks`) over the picture's.
      crop_centre: (2,) x and y of the centre of that crop over the picture's side.
      light: (9, 3) irradiance in real spherical harmonics for each colour, on directions in the
        image frame (y down).
      skin: colour of the skin.
      hair: on head and face.
      occluder: what hides part of the face.
      capture: properties of the camera.
      detail: seed of all else: skin variation, eyes, background, place of the occluder, noise.
    """

    shape: Float32[np.ndarray, " S"]
    expression: Float32[np.ndarray, " E"]
    yaw_pitch_roll: Float32[np.ndarray, "3"]
    crop_share: float
    crop_centre: Float32[np.ndarray, "2"]
    light: Float32[np.ndarray, "9 3"]
    skin: Skin
    hair: Hair
    occluder: Occluder
    capture: Capture
    detail: int


@typed
def sample_parameters(
    rng: np.random.Generator,
    shape_count: int,
    expression_count: int,
    conditions: Conditions = "usual",
) -> FaceParameters:
    """Draws a face: coefficients normal, yaw uniform, all else as plausible as it is varied.

    Args:
      rng: where the randomness comes from.
      shape_count: S, shape components of the model.
      expression_count: E, expression components of the model.
      conditions: of the photo. Harsh ones, of the same faces, are: something in front of the face, dim light, and a
        poor camera.
    """
    usual = _sample_usual(rng, shape_count, expression_count)
    return usual if conditions == "usual" else _made_harsh(rng, usual)


def _sample_usual(
    rng: np.random.Generator, shape_count: int, expression_count: int
) -> FaceParameters:
    share = rng.uniform(*_CROP_SHARE)
    room = (1 - share) / 2 + _CROP_OVERHANG
    return FaceParameters(
        shape=_normal(rng, shape_count),
        expression=_normal(rng, expression_count) * np.float32(rng.uniform(*_EXPRESSION_STRENGTH)),
        yaw_pitch_roll=np.array(
            [
                rng.uniform(-_YAW_LIMIT, _YAW_LIMIT),
                np.clip(rng.normal(0, _PITCH_SPREAD), -_PITCH_LIMIT, _PITCH_LIMIT),
                np.clip(rng.normal(0, _ROLL_SPREAD), -_ROLL_LIMIT, _ROLL_LIMIT),
            ],
            np.float32,
        ),
        crop_share=share,
        crop_centre=(0.5 + rng.uniform(-room, room, 2)).astype(np.float32),
        light=_sample_light(rng),
        skin=_sample_skin(rng),
        hair=_sample_hair(rng),
        occluder=_sample_occluder(rng),
        capture=_sample_capture(rng),
        detail=int(rng.integers(2**63)),
    )


def _made_harsh(rng: np.random.Generator, face: FaceParameters) -> FaceParameters:
    kinds: Sequence[Occluder] = ("ellipse", "polygon", "bar", "sunglasses", "mask")
    capture = Capture(
        exposure=float(np.exp(rng.normal(-0.3, 0.3))),
        contrast=rng.uniform(0.55, 0.8),
        blur=rng.uniform(1.0, 2.5),
        motion=rng.uniform(3, 8) if rng.random() < 0.3 else 0.0,
        direction=face.capture.direction,
        resolution=rng.uniform(0.25, 0.5),
        noise=rng.uniform(6, 16),
        jpeg_quality=int(rng.integers(15, 40)),
    )
    light = (rng.uniform(0.35, 0.7) * _tint(rng, 2.0) * face.light).astype(np.float32)
    occluder = kinds[int(rng.integers(len(kinds)))]
    return dataclasses.replace(face, capture=capture, light=light, occluder=occluder)


def _normal(rng: np.random.Generator, count: int) -> np.ndarray:
    draw = rng.standard_normal(count, np.float32)
    return np.clip(draw, -_COEFFICIENT_LIMIT, _COEFFICIENT_LIMIT)


def _sample_light(rng: np.random.Generator) -> np.ndarray:
    """Light from all around, and one or two lamps, each with a colour."""
    light = ambient_light(rng.uniform(0.25, 0.7) * _tint(rng, 0.5))
    for strength in (rng.uniform(0.4, 1.1), rng.uniform(0, 0.5) * (rng.random() < 0.6)):
        azimuth, elevation = rng.normal(0, 0.9), rng.uniform(-0.1, 1.1)
        direction = np.array(
            [
                np.sin(azimuth) * np.cos(elevation),
                -np.sin(elevation),
                np.cos(azimuth) * np.cos(elevation),
            ]
        )
        light = light + directed_light(direction, strength * _tint(rng, 1.0))
    return light


def _tint(rng: np.random.Generator, strength: float) -> np.ndarray:
    """A white between candle and sky, as factors of RGB."""
    return np.exp(strength * (rng.normal() * np.array([0.10, 0, -0.18]) + rng.normal(0, 0.03, 3)))


def _sample_skin(rng: np.random.Generator) -> Skin:
    return Skin(
        melanin=rng.beta(1.1, 1.7),
        blood=rng.uniform(0.15, 0.5),
        freckles=rng.uniform(0.3, 1) * (rng.random() < 0.15),
        gloss=rng.uniform(0.0, 0.10),
        lipstick=rng.uniform(0.35, 1.2),
    )


def _sample_hair(rng: np.random.Generator) -> Hair:
    pigment = rng.choice([0.3, 1.0, 2.0, 3.0, 3.5])
    brown = _PALE_HAIR * np.exp(-pigment * _HAIR_PIGMENT * rng.uniform(0.8, 1.2, 3))
    grey = rng.uniform(0, 1) * (rng.random() < 0.2)
    bald = rng.random() < 0.12
    return Hair(
        colour=(brown + grey * (_GREY_HAIR - brown)).astype(np.float32),
        line=200.0 if bald else rng.normal(0, 9),
        volume=0.0 if bald else rng.uniform(0.02, 0.22),
        length=0.0 if bald else rng.uniform(0.2, 1) * (rng.random() < 0.45),
        beard=rng.choice([0.0, rng.uniform(0.1, 0.35), rng.uniform(0.4, 1)], p=[0.65, 0.2, 0.15]),
        brow=rng.uniform(-0.8, 1.2),
    )


def _sample_occluder(rng: np.random.Generator) -> Occluder:
    kinds: Sequence[Occluder] = (
        *("none", "ellipse", "polygon", "bar"),
        *("sunglasses", "glasses", "mask"),
    )
    return kinds[rng.choice(len(kinds), p=[0.66, 0.06, 0.06, 0.06, 0.04, 0.08, 0.04])]


def _sample_capture(rng: np.random.Generator) -> Capture:
    return Capture(
        exposure=float(np.exp(rng.normal(0, 0.25))),
        contrast=rng.uniform(0.8, 1.2),
        blur=rng.uniform(0, 1.2) if rng.random() < 0.7 else rng.uniform(1.2, 2.5),
        motion=rng.uniform(3, 8) if rng.random() < 0.1 else 0.0,
        direction=rng.uniform(0, np.pi),
        resolution=rng.uniform(0.25, 0.7) if rng.random() < 0.25 else 1.0,
        noise=rng.uniform(0, 3) if rng.random() < 0.75 else rng.uniform(3, 10),
        jpeg_quality=int(rng.integers(25, 95)) if rng.random() < 0.6 else None,
    )
