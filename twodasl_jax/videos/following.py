"""The faces of moving pictures: followed from frame to frame, and steady.

frames -> tracking (who is where) -> smoothing (in the image frame) -> the people of each frame
"""

import dataclasses
import functools
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import jax
import numpy as np
from jaxtyping import Float

from twodasl_jax.array_types import Array
from twodasl_jax.geometry.coefficients import (
    Coefficients,
    coefficients_from_official,
    official_from_coefficients,
)
from twodasl_jax.geometry.frames import crop_affine_from_image, image_affine_from_crop
from twodasl_jax.geometry.projection import WeakPerspective, affine_from_camera, camera_from_affine
from twodasl_jax.imaging import detection
from twodasl_jax.imaging.crops import crop_photo
from twodasl_jax.inference.reconstruction import Face, Reconstructor
from twodasl_jax.videos import smoothing, tracking
from twodasl_jax.videos.files import VideoFrame


class Person(NamedTuple):
    """Someone in a frame.

    Attributes:
      number: of the person, the same in every frame (`tracking.Track`).
      face: as it is in the frame; its score is the detector's confidence in its place.
    """

    number: int
    face: Face


class PeopleInFrame(NamedTuple):
    """A frame and everyone who is seen in it."""

    frame: VideoFrame
    people: tuple[Person, ...]


def follow_faces(
    reconstructor: Reconstructor,
    frames: Iterable[VideoFrame],
    strength: smoothing.Strength | None,
) -> Iterator[PeopleInFrame]:
    """Yields each frame with the people in it, as soon as the frame is there.

    Args:
      reconstructor: face model and network.
      frames: of one size, in the order of their times.
      strength: how strongly faces are smoothed; None leaves them as they are.
    """
    eyes, tracks = eyes_of(reconstructor), tracking.Tracks()
    known: dict[int, _Known] = {}
    for frame in frames:
        tracks = tracking.follow(eyes, tracks, frame.image)
        faces = {track.person: track.face for track in tracks.seen}
        if strength is not None:
            known = _updated(reconstructor, strength, known, tracks, frame.time)
            faces = {
                person: _steadied(reconstructor, face, known[person].steady.face)
                for person, face in faces.items()
            }
        yield PeopleInFrame(frame, tuple(Person(*item) for item in faces.items()))


def eyes_of(reconstructor: Reconstructor) -> tracking.Eyes:
    """Returns what a reconstructor and the detector see."""
    return tracking.Eyes(
        search=lambda image: detection.detect_faces(image).boxes,
        look=lambda image, boxes: reconstructor(image, boxes=boxes),
        judge=lambda image, box: detection.confidence_of_crop(crop_photo(image, box)),
    )


class _Known(NamedTuple):
    """What is known of someone, and the time of the frame that showed the face last."""

    steady: smoothing.SteadyFace
    time: float


def _updated(
    reconstructor: Reconstructor,
    strength: smoothing.Strength,
    known: dict[int, _Known],
    tracks: tracking.Tracks,
    time: float,
) -> dict[int, _Known]:
    """Returns what is known of everyone who is followed, after a frame."""
    updated = {track.person: known[track.person] for track in tracks.tracks if track.missing}
    for track in tracks.seen:
        face, before = (
            _placed(track.face, len(reconstructor.model.shape_std)),
            known.get(track.person),
        )
        steady = (
            smoothing.first(face)
            if before is None
            else smoothing.smooth(
                strength, before.steady, face, time - before.time, _size(track.face)
            )
        )
        updated[track.person] = _Known(steady, time)
    return updated


def _size(face: Face) -> float:
    """Returns the root of the area of the landmarks' bounding box, pixels."""
    return float(np.sqrt(np.prod(np.ptp(face.landmarks[:, :2], axis=0))))


def _placed(face: Face, shape_count: int) -> smoothing.PlacedFace:
    """Returns a face in the image frame, in double precision."""
    camera, shape, expression = jax.device_get(_decoded(face.coefficients, face.box, shape_count))
    double = functools.partial(np.asarray, dtype=np.float64)
    return smoothing.PlacedFace(
        double(camera.translation[:2]),
        float(camera.scale),
        double(camera.rotation),
        double(shape),
        double(expression),
    )


def _steadied(reconstructor: Reconstructor, seen: Face, placed: smoothing.PlacedFace) -> Face:
    """Returns a smoothed face, by coefficients of the crop in which it was seen."""
    single = functools.partial(np.asarray, dtype=np.float32)
    camera = WeakPerspective(
        single(placed.scale), single(placed.rotation), single([*placed.place, 0])
    )
    vector = _encoded(camera, single(placed.shape), single(placed.expression), seen.box)
    face = reconstructor.face_from_coefficients(np.asarray(vector), seen.box)
    return dataclasses.replace(face, score=seen.score)


@functools.partial(jax.jit, static_argnums=2)
def _decoded(
    vector: Float[Array, " C"], box: Float[Array, "4"], shape_count: int
) -> tuple[WeakPerspective, Float[Array, " S"], Float[Array, " E"]]:
    """Returns the camera to the image frame, shape and expression of a vector in the official layout."""
    face = coefficients_from_official(vector, shape_count)
    camera = camera_from_affine(image_affine_from_crop(face.affine, box))
    return camera, face.shape, face.expression


@jax.jit
def _encoded(
    camera: WeakPerspective,
    shape: Float[Array, " S"],
    expression: Float[Array, " E"],
    box: Float[Array, "4"],
) -> Float[Array, " C"]:
    """Inverts `_decoded`."""
    affine = crop_affine_from_image(affine_from_camera(camera), box)
    return official_from_coefficients(Coefficients(affine, shape, expression))
