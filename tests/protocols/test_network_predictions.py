"""Predictions of a network: input landmarks, crops of the test set and crops of the detector."""

import dataclasses
import types

import numpy as np
import pytest

from tests.helpers.fake_reconstruction import make_face
from twodasl_jax.errors import PhotoError
from twodasl_jax.protocols import network_predictions
from twodasl_jax.protocols.input_landmarks import input_landmarks
from twodasl_jax.protocols.network_predictions import predict


class Recorder:
    """A reconstructor that records its arguments."""

    def __init__(self, model):
        self.model, self.calls = model, []

    def __call__(self, image, boxes, landmarks):
        self.calls.append((image, boxes[0], landmarks[0]))
        face = make_face(self.model, (boxes[0][0], boxes[0][1]))
        return [dataclasses.replace(face, coefficients=np.arange(62, dtype=np.float32))]


def test_reconstructs_each_face_from_its_crop(photos, faces, face_model):
    recorder = Recorder(face_model)
    landmarks = input_landmarks("given", photos)
    found = predict(recorder, "recorder", photos, landmarks, detect=False)
    assert found.source == "recorder"
    np.testing.assert_array_equal(np.stack([box for _, box, _ in recorder.calls]), photos.boxes)
    np.testing.assert_array_equal(np.stack([points for *_, points in recorder.calls]), landmarks)
    assert found.landmarks.shape == (6, 68, 3)
    assert found.vertices.shape == (6, len(face_model.mean), 3)
    np.testing.assert_array_equal(found.shape[0], np.arange(12, 52))
    assert found.missing() == []


def test_uses_nearest_detected_box_if_it_lies_on_face(photos, face_model, monkeypatch):
    boxes = photos.boxes
    half = (boxes[:, 2:] - boxes[:, :2]).mean(axis=1) / 2
    # One box on the face and a distant one; only a distant box; no box; one box on each other face.
    detections = [
        np.stack([boxes[0] + 500, boxes[0] + 0.3 * half[0]]),
        boxes[1:2] + 2 * half[1],
        np.zeros((0, 4), "f"),
        *boxes[3:, None],
    ]
    remaining = iter(detections)
    monkeypatch.setattr(
        network_predictions.detection,
        "detect_faces",
        lambda image: types.SimpleNamespace(boxes=next(remaining)),
    )
    recorder = Recorder(face_model)
    found = predict(recorder, "r", photos, input_landmarks("none", photos), detect=True)
    assert found.missing() == [1, 2]
    for values in (found.landmarks, found.pose, found.shape):
        assert np.isnan(values[[1, 2]]).all()
        assert np.isfinite(values[[0, 3, 4, 5]]).all()
    np.testing.assert_allclose(recorder.calls[0][1], boxes[0] + 0.3 * half[0])


def test_error_names_missing_photo(photos, face_model):
    photos.photos[2].unlink()
    with pytest.raises(PhotoError, match="image00004"):
        predict(Recorder(face_model), "r", photos, input_landmarks("none", photos), detect=False)
