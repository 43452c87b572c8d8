"""`faces.json`: what was found, in numbers, with the conventions that they keep to."""

import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twodasl_jax import atomic_files
from twodasl_jax.outputs.scene import Scene
from twodasl_jax.reconstruction import Face

_CONVENTIONS = {
    "box": "x0, y0, x1, y1: edges of the crop, in the frame of the landmarks",
    "landmarks": "the 68 iBUG points in pixels of the upright photo, x right and y down from its "
    "upper-left corner (the centre of the first pixel is 0.5, 0.5); z in pixels, toward the camera",
    "euler_angles": "degrees; R = Rx(pitch) Ry(yaw) Rz(roll); positive yaw turns the nose to the "
    "left of the photo, positive pitch raises it, positive roll turns the head clockwise",
    "coefficients": "official layout of 2DASL, not whitened: 3x4 matrix row by row from the model "
    "frame to the 120x120 crop with y up, then shape and expression in standard deviations",
    "depth": "of the depth picture: z = offset + scale * grey level, in pixels of the photo, where the level is not 0; "
    "z counts as that of the landmarks of the same face, and those of two faces cannot be compared",
    "files": "of the photo or of the face, by kind; meshes in pixels of the photo: x right, y up from its lower edge, "
    "z toward the camera",
}


def face_record(face: Face) -> dict[str, Any]:
    """Returns what is said of a face, in plain numbers."""
    yaw, pitch, roll = _rounded(face.euler_angles, 2)
    return {
        "box": _rounded(face.box, 2),
        "score": None if math.isnan(face.score) else round(face.score, 3),
        "euler_angles": {"yaw": yaw, "pitch": pitch, "roll": roll},
        "landmarks": _rounded(face.landmarks, 2),
        "coefficients": _rounded(face.coefficients, 6),
    }


def depth_record(scene: Scene) -> dict[str, float]:
    """Returns what the grey levels of the depth picture mean."""
    return {"offset": scene.depth.offset, "scale": scene.depth.scale}


def write_faces_json(path: Path, photos: Sequence[dict[str, Any]]) -> None:
    """Writes the records of all photos.

    Args:
      path: the file to write.
      photos: records of `outputs.write_photo`.
    """
    document = {"conventions": _CONVENTIONS, "photos": photos}
    text = json.dumps(document, indent=1, allow_nan=False)
    atomic_files.write_bytes(path, f"{text}\n".encode())


def _rounded(values: np.ndarray, digits: int) -> list[Any]:
    return np.round(np.asarray(values, np.float64), digits).tolist()
