"""Who is who from frame to frame, in a world where it is known who is where."""

import dataclasses

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.helpers.fake_reconstruction import make_face
from twodasl_jax.geometry.frames import box_from_landmarks
from twodasl_jax.videos import tracking
from twodasl_jax.videos.tracking import Eyes, Tracks, follow, overlaps

IMAGE = np.zeros((480, 640, 3), np.uint8)


class World:
    """Faces at known places. The detector sees whom it is told of; the network snaps to the nearest face."""

    def __init__(self, model):
        self._face = make_face(model, (0, 0))
        self._box = np.asarray(box_from_landmarks(self._face.landmarks[:, :2]))
        self.visible = []
        self.searches = 0
        self.looks = []

    def box(self, centre):
        return self._box + np.tile(np.array(centre, np.float32), 2)

    def face(self, centre):
        shift = np.array([*centre, 0], np.float32)
        return dataclasses.replace(self._face, landmarks=self._face.landmarks + shift)

    def search(self, image):
        self.searches += 1
        return np.array([self.box(centre) for centre in self.visible], np.float32).reshape(-1, 4)

    def look(self, image, boxes):
        self.looks.append(len(boxes))
        return [self.face(self._nearest(box)) for box in boxes]

    def judge(self, image, box):
        seen = [self.box(centre) for centre in self.visible]
        return 0.9 if seen and overlaps(box[None], np.array(seen)).max() > 0.8 else 0.1

    def _nearest(self, box):
        centre = (box[:2] + box[2:]) / 2
        distances = [np.linalg.norm(centre - np.array(face)) for face in self.visible]
        if not distances or min(distances) > (box[2] - box[0]) / 2:
            return tuple(centre)
        return self.visible[int(np.argmin(distances))]


@pytest.fixture
def world(face_model):
    return World(face_model)


def run(world, moments):
    """Follows a world through its frames; returns who is seen where: person -> centre, for each frame."""
    eyes, tracks, seen = Eyes(world.search, world.look, world.judge), Tracks(), []
    for visible in moments:
        world.visible = visible
        tracks = follow(eyes, tracks, IMAGE)
        seen.append({track.person: centre_of(track) for track in tracks.seen})
    return seen


def centre_of(track):
    return tuple(np.round((track.box[:2] + track.box[2:]) / 2).tolist())


def test_a_moving_face_is_one_person_and_seldom_searched_for(world):
    seen = run(world, [[(100 + 8 * frame, 200)] for frame in range(30)])
    assert [list(people) for people in seen] == [[0]] * 30
    assert seen[-1][0][0] - seen[0][0][0] == 8 * 29
    assert world.searches == 3


def test_all_faces_of_a_frame_are_looked_at_in_one_call(world):
    run(world, [[(100, 200), (300, 200), (500, 200)]] * 5)
    assert world.looks == [3] * 5


def test_the_score_of_a_face_is_that_of_its_place(world):
    world.visible = [(100, 200)]
    tracks = follow(Eyes(world.search, world.look, world.judge), Tracks(), IMAGE)
    assert [track.face.score for track in tracks.seen] == [0.9]


def test_two_people_who_pass_each_other_apart_stay_who_they_are(world):
    seen = run(world, [[(100 + 10 * frame, 120), (500 - 10 * frame, 320)] for frame in range(40)])
    assert all(set(people) == {0, 1} for people in seen)
    assert seen[-1][0][0] > seen[-1][1][0]


def test_someone_hidden_behind_another_is_found_again_on_the_other_side(world):
    def moment(frame):
        front, back = (500 - 10 * frame, 200), (100 + 10 * frame, 200)
        hidden = abs(front[0] - back[0]) < 60
        return [front] if hidden else [front, back]

    seen = run(world, [moment(frame) for frame in range(41)])
    front, back = (min(seen[0], key=lambda p, s=sign: s * seen[0][p][0]) for sign in (-1, 1))
    assert len(seen[20]) == 1
    assert set(seen[-1]) == {front, back}
    assert seen[-1][front][0] < seen[-1][back][0]


def test_a_face_that_leaves_the_picture_is_followed_no_longer(world):
    eyes, tracks = Eyes(world.search, world.look, world.judge), Tracks()
    for frame in range(40):
        world.visible = [(500 + 8 * frame, 200)] if frame < 20 else []
        tracks = follow(eyes, tracks, IMAGE)
    assert tracks.tracks == ()
    assert tracks.person_count == 1


def test_a_look_that_goes_astray_is_no_face(world):
    """The detector is not asked of boxes that are far larger than the picture: they cannot be cropped."""
    world.visible = [(300, 200)]
    eyes = Eyes(world.search, world.look, world.judge)
    tracks = follow(eyes, Tracks(), IMAGE)
    vast = dataclasses.replace(world.face((300, 200)), landmarks=world.face((0, 0)).landmarks * 100)
    judged = []
    astray = Eyes(world.search, lambda *_: [vast], lambda _, box: judged.append(box) or 0.9)
    assert follow(astray, tracks, IMAGE).seen == ()
    assert judged == []


def test_someone_back_soon_is_the_same_person_and_someone_back_late_is_not(world):
    here = [[(300, 200)]] * 5
    soon = run(world, here + [[]] * tracking.PATIENCE + here)
    assert set(soon[-1]) == {0}
    late = run(world, here + [[]] * (tracking.PATIENCE + 1) + here)
    assert set(late[-1]) == {1}


def test_someone_who_comes_gets_a_new_number_at_the_next_search(world):
    seen = run(world, [[(100, 200)]] * 3 + [[(100, 200), (400, 200)]] * 10)
    assert [set(people) for people in seen[:10]] == [{0}] * 10
    assert set(seen[-1]) == {0, 1}


def test_nobody_is_followed_where_nobody_is(world):
    assert run(world, [[]] * 3) == [{}, {}, {}]
    assert world.searches == 3


def test_a_face_that_the_detector_hardly_sees_begins_no_track(world):
    world.judge = lambda image, box: 0.5
    assert run(world, [[(100, 200)]] * 3) == [{}, {}, {}]


def test_one_face_in_two_tracks_stays_with_who_was_seen_there(world):
    """The network may find the face in front from the box of the one behind."""
    seen = run(world, [[(100, 200), (200, 200)]] * 5 + [[(200, 200)]] * 10)
    left, right = sorted(seen[0], key=lambda person: seen[0][person])
    assert set(seen[-1]) == {right}
    assert left not in seen[-1]


def test_a_step_changes_nothing_of_what_it_is_given(world):
    eyes = Eyes(world.search, world.look, world.judge)
    world.visible = [(100, 200)]
    before = follow(eyes, Tracks(), IMAGE)
    box = before.tracks[0].box.copy()
    world.visible = [(110, 200)]
    first, second = (follow(eyes, before, IMAGE) for _ in range(2))
    np.testing.assert_array_equal(before.tracks[0].box, box)
    np.testing.assert_array_equal(first.tracks[0].box, second.tracks[0].box)


corner = st.floats(-50, 50)
side = st.floats(1, 80)


@given(corner, corner, side, side, corner, corner, side, side)
def test_overlaps_are_those_of_areas_counted_by_hand(x, y, width, height, u, v, w, h):
    ours, theirs = np.array([[x, y, x + width, y + height]]), np.array([[u, v, u + w, v + h]])
    shared = max(0, min(x + width, u + w) - max(x, u)) * max(0, min(y + height, v + h) - max(y, v))
    expected = shared / (width * height + w * h - shared)
    assert overlaps(ours, theirs)[0, 0] == pytest.approx(expected, abs=1e-9)
    assert overlaps(theirs, ours)[0, 0] == pytest.approx(expected, abs=1e-9)


def test_overlaps_of_nothing_are_none():
    some, none = np.array([[0.0, 0, 1, 1]]), np.zeros((0, 4))
    assert overlaps(some, none).shape == (1, 0)
    assert overlaps(none, some).shape == (0, 1)
