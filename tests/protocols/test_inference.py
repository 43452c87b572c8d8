"""What a network is shown: landmarks, noise, crops of the set and of the detector."""

import dataclasses
import types

import numpy as np
import pytest

from tests.helpers.fake_reconstruction import make_face
from tests.helpers.protocol_files import write_annotations
from twodasl_jax.errors import ConfigError, DatasetError, PhotoError
from twodasl_jax.geometry.frames import crop_from_image
from twodasl_jax.protocols import inference
from twodasl_jax.protocols.annotations import read_annotated_photos
from twodasl_jax.protocols.inference import NetworkInput, landmark_input, predict


class Recorder:
    """A reconstructor that remembers what it was given."""

    def __init__(self, model):
        self.model, self.calls = model, []

    def __call__(self, image, boxes, landmarks):
        self.calls.append((image, boxes[0], landmarks[0]))
        face = make_face(self.model, (boxes[0][0], boxes[0][1]))
        return [dataclasses.replace(face, coefficients=np.arange(62, dtype=np.float32))]


@pytest.fixture
def photos(tmp_path, faces):
    seen = np.ones((6, 68))
    seen[0, 5] = 0
    found = np.asarray(crop_from_image(faces.points[..., :2] + 1, faces.boxes))
    write_annotations(tmp_path, faces, visible=seen, fan68_crop=found)
    return read_annotated_photos(tmp_path)


def test_nothing_given_points_or_detected_ones(photos, faces):
    assert np.isnan(landmark_input("none", photos)).all()
    given = landmark_input("given", photos)
    assert np.isnan(given[0, 5]).all()
    np.testing.assert_allclose(given[1:], faces.points[1:, :, :2])
    np.testing.assert_allclose(
        landmark_input("detected", photos), faces.points[..., :2] + 1, atol=1e-3
    )


def test_noise_is_in_pixels_of_the_crop_and_repeatable(photos, faces):
    noisy = landmark_input("given+noise:2.5", photos)
    np.testing.assert_array_equal(noisy, landmark_input("given+noise:2.5", photos))
    sides = (faces.boxes[:, 2:] - faces.boxes[:, :2])[:, None]
    in_crops = (noisy - faces.points[..., :2]) / sides * 120
    assert np.nanstd(in_crops) == pytest.approx(2.5, rel=0.1)
    assert abs(np.nanmean(in_crops)) < 0.3


@pytest.mark.parametrize("kind", ["", "noise", "given+noise", "given+noise:x", "given+noise:-1"])
def test_another_input_is_refused_by_name(photos, kind):
    with pytest.raises(ConfigError, match="none, given, given\\+noise:SIGMA"):
        landmark_input(kind, photos)


def test_points_that_a_set_does_not_have_are_refused(tmp_path, faces):
    write_annotations(tmp_path, faces)
    with pytest.raises(DatasetError, match="no detected landmarks"):
        landmark_input("detected", read_annotated_photos(tmp_path))


def test_every_face_is_reconstructed_from_its_crop(photos, faces, face_model):
    recorder = Recorder(face_model)
    seen = NetworkInput("given", own_boxes=False)
    found = predict(recorder, "recorder", photos, seen)
    assert found.source == "recorder"
    np.testing.assert_array_equal(np.stack([box for _, box, _ in recorder.calls]), photos.boxes)
    np.testing.assert_array_equal(
        np.stack([points for *_, points in recorder.calls]), landmark_input("given", photos)
    )
    assert found.landmarks.shape == (6, 68, 3)
    assert found.vertices.shape == (6, len(face_model.mean), 3)
    np.testing.assert_array_equal(found.shape[0], np.arange(12, 52))
    assert found.missing() == []


def test_the_detector_s_nearest_box_counts_if_it_lies_on_the_face(photos, face_model, monkeypatch):
    boxes = photos.boxes
    half = (boxes[:, 2:] - boxes[:, :2]).mean(axis=1) / 2
    # On the face beside a far one; far; nothing; then on the face.
    answers = [
        np.stack([boxes[0] + 500, boxes[0] + 0.3 * half[0]]),
        boxes[1:2] + 2 * half[1],
        np.zeros((0, 4), "f"),
        *boxes[3:, None],
    ]
    turn = iter(answers)
    monkeypatch.setattr(
        inference.detection, "detect_faces", lambda image: types.SimpleNamespace(boxes=next(turn))
    )
    recorder = Recorder(face_model)
    found = predict(recorder, "r", photos, NetworkInput("none", own_boxes=True))
    assert found.missing() == [1, 2]
    for values in (found.landmarks, found.pose, found.shape):
        assert np.isnan(values[[1, 2]]).all()
        assert np.isfinite(values[[0, 3, 4, 5]]).all()
    np.testing.assert_allclose(recorder.calls[0][1], boxes[0] + 0.3 * half[0])


def test_a_photo_that_is_missing_stops_it(photos, face_model):
    photos.photos[2].unlink()
    with pytest.raises(PhotoError, match="image00004"):
        predict(Recorder(face_model), "r", photos, NetworkInput("none", False))
