"""The people of a stream of frames: tracked from frame to frame, with smoothed faces."""

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
    """A person in a frame.

    Attributes:
      number: the number of the person, the same in every frame (`tracking.Track`).
      face: the face in this frame. Its score is the detector's confidence in its crop.
    """

    number: int
    face: Face


class PeopleInFrame(NamedTuple):
    """A frame and the people in it."""

    frame: VideoFrame
    people: tuple[Person, ...]


def follow_faces(
    reconstructor: Reconstructor,
    frames: Iterable[VideoFrame],
    strength: smoothing.Strength | None,
) -> Iterator[PeopleInFrame]:
    """Yields each frame with the people in it, before it reads the next frame.

    Args:
      reconstructor: the face model and the network.
      frames: frames of one size, in the order of their times.
      strength: the strength of the smoothing; None for no smoothing.
    """
    source, tracks = face_source(reconstructor), tracking.Tracks()
    filters: dict[int, _Filter] = {}
    for frame in frames:
        tracks = tracking.follow(source, tracks, frame.image)
        faces = {track.person: track.face for track in tracks.visible}
        if strength is not None:
            filters = _update_filters(reconstructor, strength, filters, tracks, frame.time)
            faces = {
                person: _smoothed_face(reconstructor, face, filters[person].state.face)
                for person, face in faces.items()
            }
        yield PeopleInFrame(frame, tuple(Person(*item) for item in faces.items()))


def face_source(reconstructor: Reconstructor) -> tracking.FaceSource:
    """Returns the face source of a reconstructor and the face detector."""
    return tracking.FaceSource(
        detect=lambda image: detection.detect_faces(image).boxes,
        reconstruct=lambda image, boxes: reconstructor(image, boxes=boxes),
        score=lambda image, box: detection.confidence_of_crop(crop_photo(image, box)),
    )


class _Filter(NamedTuple):
    """The filter of a person, and the time in seconds of the last frame with this person."""

    state: smoothing.FilterState
    time: float


def _update_filters(
    reconstructor: Reconstructor,
    strength: smoothing.Strength,
    filters: dict[int, _Filter],
    tracks: tracking.Tracks,
    time: float,
) -> dict[int, _Filter]:
    """Returns the filter of each tracked person after a frame."""
    updated = {track.person: filters[track.person] for track in tracks.tracks if track.missing}
    for track in tracks.visible:
        face = _placed_face(track.face, len(reconstructor.model.shape_std))
        before = filters.get(track.person)
        state = (
            smoothing.initial_state(face)
            if before is None
            else smoothing.smooth(
                strength, before.state, face, time - before.time, _size(track.face)
            )
        )
        updated[track.person] = _Filter(state, time)
    return updated


def _size(face: Face) -> float:
    """Returns the square root of the area of the landmarks' bounding box, pixels."""
    return float(np.sqrt(np.prod(np.ptp(face.landmarks[:, :2], axis=0))))


def _placed_face(face: Face, shape_count: int) -> smoothing.PlacedFace:
    """Returns a face in the image frame, in double precision."""
    camera, shape, expression = jax.device_get(_unpack(face.coefficients, face.box, shape_count))
    double = functools.partial(np.asarray, dtype=np.float64)
    return smoothing.PlacedFace(
        double(camera.translation[:2]),
        float(camera.scale),
        double(camera.rotation),
        double(shape),
        double(expression),
    )


def _smoothed_face(
    reconstructor: Reconstructor, original: Face, smoothed: smoothing.PlacedFace
) -> Face:
    """Returns a smoothed face, with the box and the score of the original one."""
    single = functools.partial(np.asarray, dtype=np.float32)
    camera = WeakPerspective(
        single(smoothed.scale), single(smoothed.rotation), single([*smoothed.place, 0])
    )
    vector = _pack(camera, single(smoothed.shape), single(smoothed.expression), original.box)
    face = reconstructor.face_from_coefficients(np.asarray(vector), original.box)
    return dataclasses.replace(face, score=original.score)


@functools.partial(jax.jit, static_argnums=2)
def _unpack(
    vector: Float[Array, " C"], box: Float[Array, "4"], shape_count: int
) -> tuple[WeakPerspective, Float[Array, " S"], Float[Array, " E"]]:
    """Returns the camera to the image frame, the shape and the expression of an official coefficient vector."""
    face = coefficients_from_official(vector, shape_count)
    camera = camera_from_affine(image_affine_from_crop(face.affine, box))
    return camera, face.shape, face.expression


@jax.jit
def _pack(
    camera: WeakPerspective,
    shape: Float[Array, " S"],
    expression: Float[Array, " E"],
    box: Float[Array, "4"],
) -> Float[Array, " C"]:
    """Returns the official coefficient vector; the inverse of `_unpack`."""
    affine = crop_affine_from_image(affine_from_camera(camera), box)
    return official_from_coefficients(Coefficients(affine, shape, expression))
