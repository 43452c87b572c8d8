"""Tests of tracking and smoothing together."""

import dataclasses

import jax
import numpy as np
import pytest

from tests.helpers.fake_reconstruction import FakeFaceSource, frame_with_squares, make_face
from twodasl_jax.geometry.coefficients import (
    Coefficients,
    Whitening,
    official_from_coefficients,
)
from twodasl_jax.geometry.frames import crop_affine_from_image
from twodasl_jax.geometry.landmark_map import MapStyle
from twodasl_jax.geometry.projection import WeakPerspective, affine_from_camera
from twodasl_jax.geometry.rotation import rotation_from_euler
from twodasl_jax.inference.reconstruction import Reconstructor
from twodasl_jax.models.face_model import digest
from twodasl_jax.models.weights import Weights
from twodasl_jax.networks import CompactNet
from twodasl_jax.videos import following, smoothing
from twodasl_jax.videos.files import VideoFrame


@pytest.fixture(scope="module")
def reconstructor(face_model):
    """Returns a reconstructor with a network of zeros; the tests use its geometry."""
    network = CompactNet()
    crops = np.zeros((1, 120, 120, 4), np.float32)
    shapes = jax.eval_shape(lambda: network.init(jax.random.key(0), crops, train=False))
    variables = jax.tree.map(lambda part: np.zeros(part.shape, part.dtype), shapes)
    whitening = Whitening(np.zeros(62, np.float32), np.ones(62, np.float32))
    weights = Weights(
        "compact",
        variables,
        whitening,
        digest(face_model),
        MapStyle("inner", "hard"),
    )
    return Reconstructor(face_model, weights)


def face_at(reconstructor, place, box, yaw=0.0, expression=0.0):
    """Returns a face at a place in the image frame, with coefficients for a given crop."""
    angles = np.radians(np.array([yaw, 5, -3], np.float32))
    camera = WeakPerspective(
        np.float32(0.5) * np.ones((), np.float32),
        rotation_from_euler(angles),
        np.array([*place, 0], np.float32),
    )
    box = np.array(box, np.float32)
    affine = np.asarray(crop_affine_from_image(affine_from_camera(camera), box))
    face = Coefficients(affine, np.zeros(40, np.float32), np.full(10, expression, np.float32))
    return reconstructor.face_from_coefficients(np.asarray(official_from_coefficients(face)), box)


class FaceSequence:
    """A stand-in for a reconstructor that returns the given faces, one per call."""

    def __init__(self, reconstructor, faces):
        self.model = reconstructor.model
        self.face_from_coefficients = reconstructor.face_from_coefficients
        self._faces = iter(faces)

    def __call__(self, image, boxes):
        return [next(self._faces)]


def follow(monkeypatch, sequence, count, strength):
    boxes = following.detection.FaceBoxes(
        np.array([[40, 40, 160, 160]], np.float32), np.ones(1, np.float32)
    )
    none = following.detection.FaceBoxes(boxes.boxes[:0], boxes.scores[:0])
    detected = iter([boxes])
    monkeypatch.setattr(following.detection, "detect_faces", lambda image: next(detected, none))
    monkeypatch.setattr(following.detection, "confidence_of_crop", lambda crop: 0.8)
    image = np.zeros((200, 200, 3), np.uint8)
    frames = [VideoFrame(number, number / 30, image) for number in range(count)]
    results = list(following.follow_faces(sequence, frames, strength))
    assert [result.frame.number for result in results] == list(range(count))
    assert all(len(result.people) == 1 for result in results)
    return [result.people[0].face for result in results]


def moving_boxes(count):
    rng = np.random.default_rng(0)
    corners = rng.uniform(30, 50, (count, 2))
    return [
        [x, y, x + side, y + side]
        for (x, y), side in zip(corners, rng.uniform(110, 130, count), strict=True)
    ]


def test_face_at_rest_is_steady_while_its_crops_move(monkeypatch, reconstructor):
    faces = [face_at(reconstructor, (100, 95), box, 10, 0.5) for box in moving_boxes(10)]
    found = follow(
        monkeypatch, FaceSequence(reconstructor, faces), 10, smoothing.STRENGTHS["strong"]
    )
    for ours, face in zip(found, faces, strict=True):
        np.testing.assert_allclose(ours.vertices, faces[0].vertices, atol=0.01)
        np.testing.assert_allclose(ours.landmarks, faces[0].landmarks, atol=0.01)
        np.testing.assert_allclose(ours.euler_angles, [10, 5, -3], atol=0.01)
        np.testing.assert_allclose(ours.coefficients, face.coefficients, atol=1e-2)
        np.testing.assert_array_equal(ours.box, face.box)
        assert ours.score == 0.8


def test_smoothing_reduces_jitter(monkeypatch, reconstructor):
    rng = np.random.default_rng(1)
    places = np.array([100, 95]) + 0.5 * rng.standard_normal((30, 2))
    faces = [
        face_at(reconstructor, place, (40, 40, 160, 160), yaw=rng.normal(0, 1)) for place in places
    ]

    def jitter(strength):
        found = follow(monkeypatch, FaceSequence(reconstructor, faces), 30, strength)
        landmarks = np.stack([face.landmarks[:, :2] for face in found])
        return np.std(np.diff(landmarks[5:], axis=0))

    off, light = jitter(None), jitter(smoothing.STRENGTHS["light"])
    assert light < 0.35 * off


def test_faces_are_unchanged_without_smoothing(monkeypatch, reconstructor):
    faces = [face_at(reconstructor, (100, 95), box) for box in moving_boxes(3)]
    found = follow(monkeypatch, FaceSequence(reconstructor, faces), 3, None)
    for ours, face in zip(found, faces, strict=True):
        expected = dataclasses.replace(face, score=0.8)
        for name in ("vertices", "landmarks", "coefficients", "euler_angles", "box", "score"):
            np.testing.assert_array_equal(getattr(ours, name), getattr(expected, name))


def test_people_keep_their_numbers_and_frames_are_read_lazily(monkeypatch, face_model):
    source = FakeFaceSource(face_model)
    monkeypatch.setattr(following.detection, "detect_faces", source.detect)
    monkeypatch.setattr(following.detection, "confidence_of_crop", source.score)
    requested = []

    def frames():
        for number in range(4):
            requested.append(number)
            yield VideoFrame(number, number / 30, frame_with_squares((50 + number, 60), (150, 60)))

    for number, result in enumerate(following.follow_faces(source, frames(), None)):
        assert requested == list(range(number + 1))
        assert [person.number for person in result.people] == [0, 1]
        left, right = (person.face.landmarks[:, 0].mean() for person in result.people)
        expected = make_face(face_model, (50 + number, 60), scale=0.3).landmarks[:, 0].mean()
        assert left == pytest.approx(expected, abs=1)
        assert right > 120
