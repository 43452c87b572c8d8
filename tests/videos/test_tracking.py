"""Tests of tracking, on a simulated scene with known faces."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.fake_reconstruction import make_face
from twodasl_jax.geometry.frames import box_from_landmarks
from twodasl_jax.videos import tracking
from twodasl_jax.videos.tracking import FaceSource, Tracks, follow, overlaps

IMAGE = np.zeros((480, 640, 3), np.uint8)


class Scene:
    """Faces at known places. The detector finds the visible ones; the network moves to the nearest one."""

    def __init__(self, model):
        self._face = make_face(model, (0, 0))
        self._box = np.asarray(box_from_landmarks(self._face.landmarks[:, :2]))
        self.visible = []
        self.detections = 0
        self.batches = []
        self.source = FaceSource(self.detect, self.reconstruct, self.score)

    def box(self, centre):
        return self._box + np.tile(np.array(centre, np.float32), 2)

    def face(self, centre):
        shift = np.array([*centre, 0], np.float32)
        return dataclasses.replace(self._face, landmarks=self._face.landmarks + shift)

    def detect(self, image):
        self.detections += 1
        return np.array([self.box(centre) for centre in self.visible], np.float32).reshape(-1, 4)

    def reconstruct(self, image, boxes):
        self.batches.append(len(boxes))
        return [self.face(self._nearest(box)) for box in boxes]

    def score(self, image, box):
        boxes = [self.box(centre) for centre in self.visible]
        return 0.9 if boxes and overlaps(box[None], np.array(boxes)).max() > 0.8 else 0.1

    def _nearest(self, box):
        centre = (box[:2] + box[2:]) / 2
        distances = [np.linalg.norm(centre - np.array(face)) for face in self.visible]
        if not distances or min(distances) > (box[2] - box[0]) / 2:
            return tuple(centre)
        return self.visible[int(np.argmin(distances))]


@pytest.fixture
def scene(face_model):
    return Scene(face_model)


def run(scene, frames):
    """Tracks the faces of a scene. Returns the centres of the visible people of each frame, by person.

    Args:
      scene: the scene.
      frames: the centres of the visible faces of each frame.
    """
    tracks, people = Tracks(), []
    for visible in frames:
        scene.visible = visible
        tracks = follow(scene.source, tracks, IMAGE)
        people.append({track.person: centre_of(track) for track in tracks.visible})
    return people


def centre_of(track):
    return tuple(np.round((track.box[:2] + track.box[2:]) / 2).tolist())


def test_moving_face_is_one_person_and_rarely_detected(scene):
    frames = run(scene, [[(100 + 8 * frame, 200)] for frame in range(30)])
    assert [list(people) for people in frames] == [[0]] * 30
    assert frames[-1][0][0] - frames[0][0][0] == 8 * 29
    assert scene.detections == 3


def test_all_faces_of_frame_are_reconstructed_in_one_call(scene):
    run(scene, [[(100, 200), (300, 200), (500, 200)]] * 5)
    assert scene.batches == [3] * 5


def test_score_of_face_is_that_of_its_box(scene):
    scene.visible = [(100, 200)]
    tracks = follow(scene.source, Tracks(), IMAGE)
    assert [track.face.score for track in tracks.visible] == [0.9]


def test_people_who_pass_at_distance_keep_their_numbers(scene):
    frames = run(scene, [[(100 + 10 * frame, 120), (500 - 10 * frame, 320)] for frame in range(40)])
    assert all(set(people) == {0, 1} for people in frames)
    assert frames[-1][0][0] > frames[-1][1][0]


def test_face_hidden_behind_another_is_found_again(scene):
    def visible_faces(frame):
        front, back = (500 - 10 * frame, 200), (100 + 10 * frame, 200)
        hidden = abs(front[0] - back[0]) < 60
        return [front] if hidden else [front, back]

    frames = run(scene, [visible_faces(frame) for frame in range(41)])
    front, back = (min(frames[0], key=lambda p, s=sign: s * frames[0][p][0]) for sign in (-1, 1))
    assert len(frames[20]) == 1
    assert set(frames[-1]) == {front, back}
    assert frames[-1][front][0] < frames[-1][back][0]


def test_track_ends_when_face_leaves_picture(scene):
    tracks = Tracks()
    for frame in range(40):
        scene.visible = [(500 + 8 * frame, 200)] if frame < 20 else []
        tracks = follow(scene.source, tracks, IMAGE)
    assert tracks.tracks == ()
    assert tracks.person_count == 1


def test_boxes_much_larger_than_picture_are_not_scored(scene):
    """Such boxes of failed reconstructions cannot be cropped."""
    scene.visible = [(300, 200)]
    tracks = follow(scene.source, Tracks(), IMAGE)
    vast = dataclasses.replace(scene.face((300, 200)), landmarks=scene.face((0, 0)).landmarks * 100)
    scored = []
    failing = scene.source._replace(
        reconstruct=lambda *_: [vast], score=lambda _, box: scored.append(box) or 0.9
    )
    assert follow(failing, tracks, IMAGE).visible == ()
    assert scored == []


def test_person_keeps_number_if_back_within_patience(scene):
    here = [[(300, 200)]] * 5
    soon = run(scene, here + [[]] * tracking.PATIENCE + here)
    assert set(soon[-1]) == {0}
    late = run(scene, here + [[]] * (tracking.PATIENCE + 1) + here)
    assert set(late[-1]) == {1}


def test_new_person_gets_number_at_next_detection(scene):
    frames = run(scene, [[(100, 200)]] * 3 + [[(100, 200), (400, 200)]] * 10)
    assert [set(people) for people in frames[:10]] == [{0}] * 10
    assert set(frames[-1]) == {0, 1}


def test_empty_frames_have_no_people(scene):
    assert run(scene, [[]] * 3) == [{}, {}, {}]
    assert scene.detections == 3


def test_face_with_low_score_starts_no_track(scene):
    scene.source = scene.source._replace(score=lambda image, box: 0.5)
    assert run(scene, [[(100, 200)]] * 3) == [{}, {}, {}]


def test_face_in_two_tracks_keeps_its_own_track(scene):
    """From the box of a hidden face, the network may reconstruct the face in front of it."""
    frames = run(scene, [[(100, 200), (200, 200)]] * 5 + [[(200, 200)]] * 10)
    left, right = sorted(frames[0], key=lambda person: frames[0][person])
    assert set(frames[-1]) == {right}
    assert left not in frames[-1]


def test_follow_does_not_modify_its_arguments(scene):
    scene.visible = [(100, 200)]
    before = follow(scene.source, Tracks(), IMAGE)
    box = before.tracks[0].box.copy()
    scene.visible = [(110, 200)]
    first, second = (follow(scene.source, before, IMAGE) for _ in range(2))
    np.testing.assert_array_equal(before.tracks[0].box, box)
    np.testing.assert_array_equal(first.tracks[0].box, second.tracks[0].box)


corner = st.floats(-50, 50)
side = st.floats(1, 80)


@given(corner, corner, side, side, corner, corner, side, side)
def test_overlaps_equal_intersection_over_union(x, y, width, height, u, v, w, h):
    ours, theirs = np.array([[x, y, x + width, y + height]]), np.array([[u, v, u + w, v + h]])
    shared = max(0, min(x + width, u + w) - max(x, u)) * max(0, min(y + height, v + h) - max(y, v))
    expected = shared / (width * height + w * h - shared)
    assert overlaps(ours, theirs)[0, 0] == pytest.approx(expected, abs=1e-9)
    assert overlaps(theirs, ours)[0, 0] == pytest.approx(expected, abs=1e-9)


def test_overlaps_of_no_boxes_are_empty():
    some, none = np.array([[0.0, 0, 1, 1]]), np.zeros((0, 4))
    assert overlaps(some, none).shape == (1, 0)
    assert overlaps(none, some).shape == (0, 1)
