"""The parameters of a synthetic photo of a face, and their distribution."""

import dataclasses
from collections.abc import Sequence
from typing import Literal

import numpy as np
from jaxtyping import Float32

from twodasl_jax.array_types import typed
from twodasl_jax.synthetic_faces.light import ambient_light, directed_light

Occluder = Literal["none", "ellipse", "polygon", "bar", "sunglasses", "glasses", "mask"]
Conditions = Literal["usual", "harsh"]

# Distribution of the pose: degrees, and lengths relative to the side of the picture.
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
    """The appearance of the skin.

    Attributes:
      melanin: the amount of melanin, from 0 (palest) to 1.
      blood: the amount of blood, about 0.3; more is redder.
      freckles: the strength of freckles, from 0 to 1.
      gloss: the fraction of specularly reflected light.
      lipstick: the additional redness of the lips, in units of blood.
    """

    melanin: float
    blood: float
    freckles: float
    gloss: float
    lipstick: float


@dataclasses.dataclass(frozen=True)
class Hair:
    """The appearance of the hair on head and face.

    Attributes:
      colour: (3,) reflectance, linear RGB.
      line: the height of the hair line above its usual place, mm; negative on the forehead.
      volume: the thickness of the hair relative to the radius of the skull.
      length: the length of the hair at the sides and behind, from 0 to 1.
      beard: the density of the beard, from 0 (shaved) to 1.
      brow: the additional thickness of the brows, mm.
    """

    colour: Float32[np.ndarray, "3"]
    line: float
    volume: float
    length: float
    beard: float
    brow: float


@dataclasses.dataclass(frozen=True)
class Capture:
    """The properties of the camera.

    Attributes:
      exposure: the factor applied to the light.
      contrast: the factor of deviations from middle grey.
      blur: the standard deviation of the blur, pixels.
      motion: the length of the motion blur, pixels; 0 for none.
      direction: the direction of the motion blur, radians.
      resolution: the factor by which the picture is reduced and enlarged again.
      noise: the standard deviation of the noise, grey levels from 0 to 255.
      jpeg_quality: the JPEG quality, None for no compression.
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
    """The parameters of a synthetic photo of a face.

    Attributes:
      shape: (S,) shape coefficients, in standard deviations.
      expression: (E,) expression coefficients, in standard deviations.
      yaw_pitch_roll: (3,) angles in degrees, with the signs of `twodasl_jax.geometry`.
      crop_share: the side of the crop around the landmarks (`box_from_landmarks`), relative to the
        side of the picture.
      crop_centre: (2,) x and y of the centre of that crop, relative to the side of the picture.
      light: (9, 3) irradiance in real spherical harmonics, linear RGB; directions in the image
        frame (y down).
      skin: the appearance of the skin.
      hair: the appearance of the hair.
      occluder: the kind of occluder.
      capture: the properties of the camera.
      detail: the seed of everything else: skin variation, eyes, background, place of the occluder,
        noise.
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
    """Samples the parameters of a photo.

    The coefficients are normally distributed, the yaw is uniform.

    Args:
      rng: the random generator.
      shape_count: S, the number of shape components of the face model.
      expression_count: E, the number of expression components of the face model.
      conditions: the conditions of the photo. "harsh" gives the same faces as "usual", but with an
        occluder, dim light and a poor camera.
    """
    usual = _sample_usual(rng, shape_count, expression_count)
    return usual if conditions == "usual" else _with_harsh_conditions(rng, usual)


def _sample_usual(
    rng: np.random.Generator, shape_count: int, expression_count: int
) -> FaceParameters:
    share = rng.uniform(*_CROP_SHARE)
    largest_shift = (1 - share) / 2 + _CROP_OVERHANG
    return FaceParameters(
        shape=_sample_coefficients(rng, shape_count),
        expression=_sample_coefficients(rng, expression_count)
        * np.float32(rng.uniform(*_EXPRESSION_STRENGTH)),
        yaw_pitch_roll=np.array(
            [
                rng.uniform(-_YAW_LIMIT, _YAW_LIMIT),
                np.clip(rng.normal(0, _PITCH_SPREAD), -_PITCH_LIMIT, _PITCH_LIMIT),
                np.clip(rng.normal(0, _ROLL_SPREAD), -_ROLL_LIMIT, _ROLL_LIMIT),
            ],
            np.float32,
        ),
        crop_share=share,
        crop_centre=(0.5 + rng.uniform(-largest_shift, largest_shift, 2)).astype(np.float32),
        light=_sample_light(rng),
        skin=_sample_skin(rng),
        hair=_sample_hair(rng),
        occluder=_sample_occluder(rng),
        capture=_sample_capture(rng),
        detail=int(rng.integers(2**63)),
    )


def _with_harsh_conditions(rng: np.random.Generator, face: FaceParameters) -> FaceParameters:
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


def _sample_coefficients(rng: np.random.Generator, count: int) -> np.ndarray:
    draw = rng.standard_normal(count, np.float32)
    return np.clip(draw, -_COEFFICIENT_LIMIT, _COEFFICIENT_LIMIT)


def _sample_light(rng: np.random.Generator) -> np.ndarray:
    """Samples ambient light and one or two directional lights, each with a tint."""
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
    """Samples a tint between candlelight and skylight, as factors of RGB."""
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
