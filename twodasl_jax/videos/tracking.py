"""Following faces from frame to frame: who is who, whom to look for where, and who is gone.

A face is looked for where the landmarks of the frame before, moved on as they moved last, expect it; the detector
searches the whole frame only now and then, for people who came. What the network sees in a crop is taken for a face if
the detector agrees, when shown that crop alone. Measured on 200 photos of AFLW2000-3D, with crops that were up to a
tenth off, it then agrees with 97 % of faces, with none under a patch of one colour, with 75 % of faces of which half is
outside the picture and 10 % where three quarters are.

Someone hidden is waited for, where they would be had they moved on, for `PATIENCE` frames; whoever comes back later,
or elsewhere, is a new person.
"""

import dataclasses
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
import scipy.optimize
from jaxtyping import Float, UInt8

from twodasl_jax.array_types import typed
from twodasl_jax.geometry.frames import box_from_landmarks
from twodasl_jax.inference.reconstruction import Face

PATIENCE = 20
_SEARCH_EVERY = 10
_SEARCH_EVERY_WHILE_MISSING = 5
# Of the detector: to go on with a face, and to begin with one.
_MIN_SCORE = 0.4
_MIN_SCORE_OF_NEW = 0.65
# Least overlap of a face with the place where it is expected, and of two crops that show the same face.
_MIN_OVERLAP = 0.3
_SAME_FACE_OVERLAP = 0.3
# What is seen of a face behind another is pulled towards that one, so that its velocity is hardly to be believed.
_CROWDED_OVERLAP = 0.1
_TRUST, _TRUST_IN_CROWD = 0.5, 0.1
# When two claim one face, whoever was seen in the frame before may be that much farther off.
_CLAIM_OF_SEEN = 0.2
# Share of a box that lies in the picture, below which nobody is expected or seen there; boxes without bounds, too.
_MIN_VISIBLE = 0.3

_Box = Float[np.ndarray, "4"]


class Eyes(NamedTuple):
    """What faces are seen with.

    Attributes:
      search: finds the crop boxes of the faces in a picture, (N, 4), image frame.
      look: reconstructs the faces in given boxes of a picture.
      judge: says how sure it is that a box of a picture holds a face, from 0 to 1.
    """

    search: Callable[[UInt8[np.ndarray, "H W 3"]], Float[np.ndarray, "N 4"]]
    look: Callable[[UInt8[np.ndarray, "H W 3"], Float[np.ndarray, "N 4"]], list[Face]]
    judge: Callable[[UInt8[np.ndarray, "H W 3"], _Box], float]


@dataclasses.dataclass(frozen=True, eq=False)
class Track:
    """A person who is followed.

    Attributes:
      person: number of the person, from 0 in the order of coming; none is used twice.
      face: as last seen; its score is the detector's of its place.
      box: crop box of the face, image frame; moved on while the face is not seen.
      velocity: of the box, pixels a frame.
      missing: for how many frames the face has not been seen.
    """

    person: int
    face: Face
    box: _Box
    velocity: Float[np.ndarray, "2"]
    missing: int = 0

    @property
    def expected(self) -> _Box:
        """Where the box will be in the next frame."""
        return (self.box + np.tile(self.velocity, 2)).astype(np.float32)


class Tracks(NamedTuple):
    """Everyone who is followed after some frames.

    Attributes:
      frame_count: how many frames there were.
      person_count: how many people there were.
      tracks: of the people who are still followed.
    """

    frame_count: int = 0
    person_count: int = 0
    tracks: tuple[Track, ...] = ()

    @property
    def seen(self) -> tuple[Track, ...]:
        """Who is in the last frame."""
        return tuple(track for track in self.tracks if not track.missing)


def follow(eyes: Eyes, tracks: Tracks, image: UInt8[np.ndarray, "H W 3"]) -> Tracks:
    """Follows everyone into the next frame.

    Args:
      eyes: what the faces are seen with; all boxes of a frame are looked at in one call.
      tracks: after the frame before; `Tracks()` before the first one.
      image: the next frame, RGB, of the same size as the others.

    Returns:
      The tracks after this frame.
    """
    followed = [
        track for track in tracks.tracks if _visible_share(track.expected, image) > _MIN_VISIBLE
    ]
    found = eyes.search(image) if _is_time_to_search(tracks) else np.zeros((0, 4), np.float32)
    expected = np.array([track.expected for track in followed], np.float32).reshape(-1, 4)
    faces, boxes = _faces_in(eyes, image, np.concatenate([expected, found]))
    matches = _matches(followed, boxes)
    trust = _trust(boxes)
    kept = [
        _seen_again(track, faces[matches[row]], boxes[matches[row]], trust[matches[row]])
        if row in matches
        else _missed(track)
        for row, track in enumerate(followed)
    ]
    free = [index for index in range(len(faces)) if index not in matches.values()]
    new = [index for index in free if faces[index].score >= _MIN_SCORE_OF_NEW]
    came = [
        Track(tracks.person_count + number, faces[index], boxes[index], np.zeros(2))
        for number, index in enumerate(new)
    ]
    staying = [track for track in kept if track.missing <= PATIENCE]
    return Tracks(tracks.frame_count + 1, tracks.person_count + len(came), tuple(staying + came))


def _is_time_to_search(tracks: Tracks) -> bool:
    waiting = [track.missing % _SEARCH_EVERY_WHILE_MISSING == 1 for track in tracks.tracks]
    return not tracks.seen or any(waiting) or tracks.frame_count % _SEARCH_EVERY == 0


def _faces_in(eyes: Eyes, image: np.ndarray, boxes: np.ndarray) -> tuple[list[Face], np.ndarray]:
    """Returns the faces that are seen in boxes, each once, and the boxes around their landmarks."""
    seen = eyes.look(image, boxes) if len(boxes) else []
    landmarks = np.array([face.landmarks[:, :2] for face in seen], np.float32)
    around = np.asarray(box_from_landmarks(landmarks.reshape(-1, 68, 2)))
    scores = [
        eyes.judge(image, box) if _visible_share(box, image) > _MIN_VISIBLE else 0.0
        for box in around
    ]
    kept: list[int] = []
    # Of several looks at one face the one whose crop fits best counts.
    for row in np.argsort(-np.diag(overlaps(boxes, around)), kind="stable"):
        known = overlaps(around[[row]], around[kept])
        if scores[row] >= _MIN_SCORE and known.max(initial=0) < _SAME_FACE_OVERLAP:
            kept.append(int(row))
    kept.sort()
    return [dataclasses.replace(seen[row], score=scores[row]) for row in kept], around[kept]


def _matches(tracks: list[Track], boxes: np.ndarray) -> dict[int, int]:
    """Returns which track, by its row, is seen in which box: together they overlap most."""
    expected = np.array([track.expected for track in tracks], np.float32).reshape(-1, 4)
    overlap = overlaps(expected, boxes)
    claim = np.array([0.0 if track.missing else _CLAIM_OF_SEEN for track in tracks])
    possible = overlap >= _MIN_OVERLAP
    gain = np.where(possible, overlap + claim[:, None], 0)
    rows, columns = scipy.optimize.linear_sum_assignment(gain, maximize=True)
    return {
        int(row): int(column)
        for row, column in zip(rows, columns, strict=True)
        if possible[row, column]
    }


def _trust(boxes: np.ndarray) -> np.ndarray:
    """Returns how much the motion of each of the faces in a frame says of its velocity."""
    others = overlaps(boxes, boxes) - np.eye(len(boxes))
    return np.where(others.max(axis=1, initial=0) > _CROWDED_OVERLAP, _TRUST_IN_CROWD, _TRUST)


def _seen_again(track: Track, face: Face, box: _Box, trust: float) -> Track:
    velocity = track.velocity
    if not track.missing:
        velocity = velocity + trust * (_centre(box) - _centre(track.box) - velocity)
    return dataclasses.replace(track, face=face, box=box, velocity=velocity, missing=0)


def _missed(track: Track) -> Track:
    return dataclasses.replace(track, box=track.expected, missing=track.missing + 1)


@typed
def overlaps(
    boxes: Float[np.ndarray, "N 4"], others: Float[np.ndarray, "M 4"]
) -> Float[np.ndarray, "N M"]:
    """Returns intersection over union of every box with every other one; all have an area."""
    low = np.maximum(boxes[:, None, :2], others[None, :, :2])
    high = np.minimum(boxes[:, None, 2:], others[None, :, 2:])
    shared = np.prod(np.maximum(high - low, 0), axis=-1)
    areas, other_areas = (np.prod(some[:, 2:] - some[:, :2], axis=-1) for some in (boxes, others))
    return shared / (areas[:, None] + other_areas - shared)


def _visible_share(box: _Box, image: np.ndarray) -> float:
    limits = np.array(image.shape[1::-1])
    low, high = np.clip(box[:2], 0, limits), np.clip(box[2:], 0, limits)
    return float(np.prod(high - low) / np.prod(box[2:] - box[:2]))


def _centre(box: _Box) -> Float[np.ndarray, "2"]:
    return (box[:2] + box[2:]) / 2
