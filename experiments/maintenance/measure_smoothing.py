"""Measures the jitter and the lag of smoothed faces, on rendered videos with known truth.

  python experiments/maintenance/measure_smoothing.py [--heads=2] [--seed=7]

Each video has a random head with camera noise, at 30 frames per second. The head rests for 1.5 seconds; then it turns,
moves and speaks for 2.5 seconds. The table has one row for each value of --smoothing of twodasl-reconstruct, with means
over the heads:

  jitter     the root mean square of the second difference in time of the error of the 68 landmarks (2D), at rest and in
             motion, in % of the size of the face
  lag        the delay of the position and of the yaw in frames: the shift with the highest correlation with the truth
  error      the mean error of the landmarks in motion, in % of the size of the face
  fastest    the largest true step between two frames, in % of the size of the face, for comparison
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
    RenderableModel,
    SyntheticFace,
    build_renderable_model,
    render,
    sample_parameters,
)
from twodasl_jax.videos import smoothing
from twodasl_jax.videos.files import VideoFrame
from twodasl_jax.videos.following import follow_faces

_HEADS = flags.DEFINE_integer("heads", 2, "The number of heads.", lower_bound=1)
_SEED = flags.DEFINE_integer("seed", 7, "The seed of the heads and of the noise.", lower_bound=0)

_RATE = 30
_RESTING, _MOVING = slice(10, 40), slice(45, 120)
_FRAMES = 120
_SIDE = 256
_NOISE = 4.0  # standard deviation of the camera noise, grey levels of 255
_SHIFTS = np.arange(-2, 8, 0.05)  # frames


class Clip(NamedTuple):
    """A video of a head, with its true pose.

    Attributes:
      frames: the frames of the video.
      landmarks: (T, 68, 2) the true landmarks of each frame, image frame, pixels.
      yaw: (T,) the true yaw of each frame, degrees.
    """

    frames: list[VideoFrame]
    landmarks: Float[np.ndarray, "T 68 2"]
    yaw: Float[np.ndarray, " T"]


def main() -> None:
    reconstructor = Reconstructor.pretrained()
    renderable = build_renderable_model(reconstructor.model)
    strengths = {"off": None, **smoothing.STRENGTHS}
    rows: dict[str, list[list[float]]] = {name: [] for name in strengths}
    for head in tqdm.trange(_HEADS.value, unit="head", leave=False, disable=None):
        clip = film(renderable, head)
        for name, strength in strengths.items():
            rows[name].append(measure(clip, reconstruct(reconstructor, clip, strength)))
    print("smoothing  jitter at rest  in motion  lag of place  of yaw  error  fastest")
    for name, values in rows.items():
        rest, motion, place, yaw, error, fastest = np.mean(values, axis=0)
        print(
            f"{name:9}  {rest:14.3f}  {motion:9.3f}  {place:12.2f}  {yaw:6.2f}  {error:5.2f}  {fastest:7.2f}"
        )


def film(renderable: RenderableModel, head: int) -> Clip:
    """Renders the video of a head.

    Args:
      renderable: the face model, prepared for rendering.
      head: the number of the head.
    """
    noise = np.random.default_rng([_SEED.value, head])
    frames, faces = [], list(moving_head(renderable, noise))
    for number, face in enumerate(faces):
        noisy = face.image + _NOISE * noise.standard_normal(face.image.shape)
        image = np.clip(noisy, 0, 255).astype(np.uint8)
        frames.append(VideoFrame(number, number / _RATE, image))
    landmarks = np.stack([face.landmarks[:, :2] for face in faces])
    return Clip(frames, landmarks, np.array([face.yaw_pitch_roll[0] for face in faces]))


def moving_head(renderable: RenderableModel, rng: np.random.Generator) -> Iterator[SyntheticFace]:
    """Yields the pictures of a head at rest, then in smooth motion."""
    model = renderable.model
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
        yield render(renderable, pose, side=_SIDE)


def _plain(head: FaceParameters) -> FaceParameters:
    """Returns the parameters without occluder, at a fixed size, with a sharp camera without noise."""
    capture = dataclasses.replace(
        head.capture, blur=0.5, motion=0.0, resolution=1.0, noise=0.0, jpeg_quality=None
    )
    return dataclasses.replace(head, occluder="none", capture=capture, crop_share=0.55)


def reconstruct(
    reconstructor: Reconstructor, clip: Clip, strength: smoothing.Strength | None
) -> list[tuple[Float[np.ndarray, "68 2"], float]]:
    """Returns the reconstructed landmarks and yaw of each frame."""
    results = follow_faces(reconstructor, clip.frames, strength)
    faces = [result.people[0].face for result in results]
    return [(face.landmarks[:, :2], face.euler_angles[0]) for face in faces]


def measure(clip: Clip, faces: list[tuple[Float[np.ndarray, "68 2"], float]]) -> list[float]:
    """Returns a row of the table, from the reconstructed landmarks and yaw of each frame."""
    landmarks, yaw = (np.array(values) for values in zip(*faces, strict=True))
    size = np.sqrt(np.prod(np.ptp(clip.landmarks[0], axis=0)))
    error = (landmarks - clip.landmarks) / size * 100
    jitter = np.linalg.norm(np.diff(error, 2, axis=0), axis=-1)
    x, true_x = (points[:, :, 0].mean(axis=1) for points in (landmarks, clip.landmarks))
    steps = np.linalg.norm(np.diff(clip.landmarks, axis=0), axis=-1)
    return [
        *(float(np.sqrt(np.mean(jitter[part] ** 2))) for part in (_RESTING, _MOVING)),
        lag(x[_MOVING], true_x[_MOVING]),
        lag(yaw[_MOVING], clip.yaw[_MOVING]),
        float(np.linalg.norm(error[_MOVING], axis=-1).mean()),
        float(steps.max() / size * 100),
    ]


def lag(measured: Float[np.ndarray, " T"], truth: Float[np.ndarray, " T"]) -> float:
    """Returns the delay of a measured curve behind the true one, frames."""
    times = np.arange(len(truth))
    inner = slice(8, -8)
    correlations = [
        np.corrcoef(measured[inner], np.interp(times - shift, times, truth)[inner])[0, 1]
        for shift in _SHIFTS
    ]
    return float(_SHIFTS[np.argmax(correlations)])


if __name__ == "__main__":
    entry_points.run(main)
