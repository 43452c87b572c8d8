"""Measures how much steadier smoothing makes the faces of a video, and how far they then lag behind.

  python experiments/maintenance/measure_smoothing.py [--heads=2] [--seed=7]

Each head is drawn from the face model with camera noise, 30 frames a second: it rests for a second and a half, then it
turns, moves about and speaks for two and a half. Its truth is known. The table has, for each --smoothing of
twodasl-reconstruct, means over the heads:

  jitter      root mean square of the second difference, from frame to frame, of the error of 68 landmarks (2D), at rest
              and in motion, in % of the size of the face
  lag         frames by which the place of the face and its yaw follow the truth: the shift at which they correlate most
  error       mean error of the landmarks in motion, in % of the size of the face
  fastest     the true motion, for comparison: largest step from frame to frame, in % of the size of the face
"""

import dataclasses
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import tqdm
from absl import flags
from jaxtyping import Float

from twodasl_jax.commands import entry_points
from twodasl_jax.inference.reconstruction import Reconstructor
from twodasl_jax.synthetic_faces import (
    FaceParameters,
    Studio,
    SyntheticFace,
    build_studio,
    render,
    sample_parameters,
)
from twodasl_jax.videos import smoothing
from twodasl_jax.videos.files import VideoFrame
from twodasl_jax.videos.following import follow_faces

_HEADS = flags.DEFINE_integer("heads", 2, "How many heads.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 7, "Which heads, and which noise.", lower_bound=0)

_RATE = 30
_RESTING, _MOVING = slice(10, 40), slice(45, 120)
_FRAMES = 120
_SIDE = 256
_NOISE = 4.0  # grey levels of 255
_SHIFTS = np.arange(-2, 8, 0.05)  # frames


class Clip(NamedTuple):
    """A video of a head and its truth.

    Attributes:
      frames: the video.
      landmarks: of each frame, image frame, pixels.
      yaw: degrees.
    """

    frames: list[VideoFrame]
    landmarks: Float[np.ndarray, "T 68 2"]
    yaw: Float[np.ndarray, " T"]


def main() -> None:
    reconstructor = Reconstructor.pretrained()
    studio = build_studio(reconstructor.model)
    strengths = {"off": None, **smoothing.STRENGTHS}
    rows: dict[str, list[list[float]]] = {name: [] for name in strengths}
    for head in tqdm.trange(_HEADS.value, unit="head", leave=False, disable=None):
        clip = film(studio, head)
        for name, strength in strengths.items():
            rows[name].append(measured(clip, seen(reconstructor, clip, strength)))
    print("smoothing  jitter at rest  in motion  lag of place  of yaw  error  fastest")
    for name, values in rows.items():
        rest, motion, place, yaw, error, fastest = np.mean(values, axis=0)
        print(
            f"{name:9}  {rest:14.3f}  {motion:9.3f}  {place:12.2f}  {yaw:6.2f}  {error:5.2f}  {fastest:7.2f}"
        )


def film(studio: Studio, head: int) -> Clip:
    """Returns the video of one of the heads."""
    noise = np.random.default_rng([_SEED.value, head])
    frames, faces = [], list(moving_head(studio, noise))
    for number, face in enumerate(faces):
        noisy = face.image + _NOISE * noise.standard_normal(face.image.shape)
        image = np.clip(noisy, 0, 255).astype(np.uint8)
        frames.append(VideoFrame(number, number / _RATE, image))
    landmarks = np.stack([face.landmarks[:, :2] for face in faces])
    return Clip(frames, landmarks, np.array([face.yaw_pitch_roll[0] for face in faces]))


def moving_head(studio: Studio, rng: np.random.Generator) -> Iterator[SyntheticFace]:
    """Yields a head at rest, then in smooth motion."""
    model = studio.model
    head = _plain(sample_parameters(rng, len(model.shape_std), len(model.expression_std)))
    speech = rng.standard_normal(len(model.expression_std))
    for seconds in np.maximum(np.arange(_FRAMES) / _RATE - _MOVING.start / _RATE, 0):
        wave, slow = np.sin(2 * np.pi * seconds), np.sin(np.pi * seconds)
        pose = dataclasses.replace(
            head,
            yaw_pitch_roll=np.array([25 * wave, 8 * slow, 10 * slow], np.float32),
            crop_centre=np.array([0.5 + 0.12 * slow, 0.5 + 0.05 * wave], np.float32),
            expression=(wave * speech).astype(np.float32),
        )
        yield render(studio, pose, side=_SIDE)


def _plain(head: FaceParameters) -> FaceParameters:
    """Returns a head with nothing before it, in the middle of a good camera's picture."""
    capture = dataclasses.replace(
        head.capture, blur=0.5, motion=0.0, resolution=1.0, noise=0.0, jpeg_quality=None
    )
    return dataclasses.replace(head, occluder="none", capture=capture, crop_share=0.55)


def seen(
    reconstructor: Reconstructor, clip: Clip, strength: smoothing.Strength | None
) -> list[tuple[Float[np.ndarray, "68 2"], float]]:
    """Returns landmarks and yaw of each frame, as they are found."""
    found = follow_faces(reconstructor, clip.frames, strength)
    faces = [moment.people[0].face for moment in found]
    return [(face.landmarks[:, :2], face.euler_angles[0]) for face in faces]


def measured(clip: Clip, found: list[tuple[Float[np.ndarray, "68 2"], float]]) -> list[float]:
    """Returns the row of the table."""
    landmarks, yaw = (np.array(values) for values in zip(*found, strict=True))
    size = np.sqrt(np.prod(np.ptp(clip.landmarks[0], axis=0)))
    error = (landmarks - clip.landmarks) / size * 100
    trembling = np.linalg.norm(np.diff(error, 2, axis=0), axis=-1)
    place, true_place = (points[:, :, 0].mean(axis=1) for points in (landmarks, clip.landmarks))
    steps = np.linalg.norm(np.diff(clip.landmarks, axis=0), axis=-1)
    return [
        *(float(np.sqrt(np.mean(trembling[part] ** 2))) for part in (_RESTING, _MOVING)),
        lag(place[_MOVING], true_place[_MOVING]),
        lag(yaw[_MOVING], clip.yaw[_MOVING]),
        float(np.linalg.norm(error[_MOVING], axis=-1).mean()),
        float(steps.max() / size * 100),
    ]


def lag(found: Float[np.ndarray, " T"], truth: Float[np.ndarray, " T"]) -> float:
    """Returns by how many frames a curve follows another one."""
    times = np.arange(len(truth))
    inner = slice(8, -8)
    match = [
        np.corrcoef(found[inner], np.interp(times - shift, times, truth)[inner])[0, 1]
        for shift in _SHIFTS
    ]
    return float(_SHIFTS[np.argmax(match)])


if __name__ == "__main__":
    entry_points.run(main)
