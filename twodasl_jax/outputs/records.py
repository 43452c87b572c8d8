"""What was found, in numbers: `faces.json` with the conventions that they keep to, and `faces.csv` as a table."""

import csv
import io
import json
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twodasl_jax.array_types import Array
from twodasl_jax.files import atomic_files
from twodasl_jax.outputs.scene import FaceView, Scene

CONVENTIONS = {
    "box": "x0, y0, x1, y1: edges of the crop, in the frame of the landmarks",
    "landmarks": "the 68 iBUG points in pixels of the upright photo, x right and y down from its "
    "upper-left corner (the centre of the first pixel is 0.5, 0.5); z in pixels, toward the camera",
    "euler_angles": "degrees; R = Rx(pitch) Ry(yaw) Rz(roll); positive yaw turns the nose to the "
    "left of the photo, positive pitch raises it, positive roll turns the head clockwise",
    "pose": "3x4 matrix, row by row; x, y, z in the frame of the landmarks = pose [X, Y, Z, 1] for points of the face "
    "model in its frame: millimetres, X to the subject's left, Y up, Z out of the face",
    "shape": "in standard deviations of the face model's components of identity",
    "expression": "in standard deviations of the face model's components of expression",
    "expression_units": "how far the face uses each facial unit, from 0 to 1; left and right are the subject's",
    "coefficients": "official layout of 2DASL, not whitened: 3x4 matrix row by row from the model "
    "frame to the 120x120 crop with y up, then shape and expression in standard deviations",
    "depth": "of the depth picture: z = offset + scale * grey level, in pixels of the photo, where the level is not 0; "
    "z counts as that of the landmarks of the same face, and those of two faces cannot be compared",
    "files": "of the photo or of the face, by kind; meshes in pixels of the photo: x right, y up from its lower edge, "
    "z toward the camera",
}


def face_record(portrait: FaceView) -> dict[str, Any]:
    """Returns what is said of a face, in plain numbers."""
    face = portrait.face
    yaw, pitch, roll = _rounded(face.euler_angles, 2)
    record = {
        "box": _rounded(face.box, 2),
        "score": None if math.isnan(face.score) else round(face.score, 3),
        "euler_angles": {"yaw": yaw, "pitch": pitch, "roll": roll},
        "landmarks": _rounded(face.landmarks, 2),
        "pose": _rounded(face.pose, 6),
        "shape": _rounded(portrait.coefficients.shape, 6),
        "expression": _rounded(portrait.coefficients.expression, 6),
        "coefficients": _rounded(face.coefficients, 6),
    }
    if portrait.activations:
        units = {name: round(value, 3) for name, value in portrait.activations.items()}
        record["expression_units"] = units
    return record


def depth_record(scene: Scene) -> dict[str, float]:
    """Returns what the grey levels of the depth picture mean."""
    return {"offset": scene.depth.offset, "scale": scene.depth.scale}


def write_faces_json(path: Path, photos: Sequence[dict[str, Any]]) -> None:
    """Writes the records of all photos.

    Args:
      path: the file to write.
      photos: records of `outputs.write_photo`.
    """
    atomic_files.write_bytes(path, faces_json(photos))


def faces_json(photos: Sequence[dict[str, Any]]) -> bytes:
    """Returns the content of the file of `write_faces_json`."""
    document = {"conventions": CONVENTIONS, "photos": photos}
    return f"{json.dumps(document, indent=1, allow_nan=False)}\n".encode()


def write_faces_csv(path: Path, photos: Sequence[dict[str, Any]]) -> None:
    """Writes the records of all photos as a table, one row for each face.

    Args:
      path: the file to write.
      photos: records of `outputs.write_photo`; all faces have the same numbers.
    """
    rows = [
        {"photo": photo.get("photo", ""), "face": number, **_row(face)}
        for photo in photos
        for number, face in enumerate(photo["faces"])
    ]
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, list(rows[0]) if rows else ["photo", "face"])
    table.writeheader()
    table.writerows(rows)
    # Names of files may hold bytes that are no text.
    atomic_files.write_bytes(path, text.getvalue().encode("utf-8", "backslashreplace"))


def _row(face: dict[str, Any]) -> dict[str, Any]:
    """Returns all of a face's record that fits in a row of a table."""
    return {
        "score": face["score"],
        **dict(zip(("x0", "y0", "x1", "y1"), face["box"], strict=True)),
        **face["euler_angles"],
        **dict(_numbered("pose", np.ravel(face["pose"]).tolist())),
        **dict(_numbered("shape", face["shape"])),
        **dict(_numbered("expression", face["expression"])),
        **face.get("expression_units", {}),
    }


def _numbered(name: str, values: Sequence[float]) -> Iterator[tuple[str, float]]:
    for number, value in enumerate(values, start=1):
        yield f"{name}_{number}", value


def _rounded(values: Array, digits: int) -> list[Any]:
    return np.round(np.asarray(values, np.float64), digits).tolist()
