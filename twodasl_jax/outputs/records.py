"""The numbers of reconstructed faces as `faces.json`, with its conventions, and as `faces.csv`."""

import csv
import io
import json
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from twodasl_jax.array_types import Array
from twodasl_jax.files import atomic_files
from twodasl_jax.outputs.scene import FaceView, Scene

CONVENTIONS = {
    "box": "x0, y0, x1, y1: the edges of the crop, in the frame of the landmarks",
    "landmarks": "the 68 iBUG points in pixels of the upright photo; x right and y down from its "
    "upper-left corner (the centre of the first pixel is 0.5, 0.5); z in pixels, toward the camera",
    "euler_angles": "degrees; R = Rx(pitch) Ry(yaw) Rz(roll); positive yaw turns the nose to the "
    "left of the photo, positive pitch raises it, positive roll turns the head clockwise",
    "pose": "3x4 matrix, row by row; x, y, z in the frame of the landmarks = pose [X, Y, Z, 1] for "
    "a point of the model frame: millimetres, X to the subject's left, Y up, Z out of the face",
    "shape": "shape coefficients, in standard deviations",
    "expression": "expression coefficients, in standard deviations",
    "expression_units": "the activation of each expression unit, from 0 to 1; left and right are "
    "the subject's",
    "coefficients": "the official layout of 2DASL, not whitened: the 3x4 matrix, row by row, from "
    "the model frame to the 120x120 crop with y up, then shape and expression in standard deviations",
    "depth": "the scale of the depth map: z = offset + scale * grey level, in pixels of the photo; "
    "level 0 is the background; z is relative to each face, as in its landmarks, so depths of two "
    "faces cannot be compared",
    "files": "the files of the photo or of the face, by kind; meshes are in pixels of the photo: "
    "x right, y up from its lower edge, z toward the camera",
}


def face_record(view: FaceView) -> dict[str, Any]:
    """Returns the numbers of a face as plain Python values, which JSON can store."""
    face = view.face
    yaw, pitch, roll = _rounded(face.euler_angles, 2)
    record = {
        "box": _rounded(face.box, 2),
        "score": None if math.isnan(face.score) else round(face.score, 3),
        "euler_angles": {"yaw": yaw, "pitch": pitch, "roll": roll},
        "landmarks": _rounded(face.landmarks, 2),
        "pose": _rounded(face.pose, 6),
        "shape": _rounded(view.coefficients.shape, 6),
        "expression": _rounded(view.coefficients.expression, 6),
        "coefficients": _rounded(face.coefficients, 6),
    }
    if view.activations:
        units = {name: round(value, 3) for name, value in view.activations.items()}
        record["expression_units"] = units
    return record


def depth_record(scene: Scene) -> dict[str, float]:
    """Returns the offset and the scale of the grey levels of the depth map."""
    return {"offset": scene.depth.offset, "scale": scene.depth.scale}


def position_columns(record: dict[str, Any]) -> dict[str, Any]:
    """Returns the table columns of a face record for its score, box and angles."""
    return {
        "score": record["score"],
        **dict(zip(("x0", "y0", "x1", "y1"), record["box"], strict=True)),
        **record["euler_angles"],
    }


def coefficient_columns(record: dict[str, Any]) -> dict[str, Any]:
    """Returns the table columns of a face record for its coefficients and expression units."""
    return {
        **_numbered("pose", np.ravel(record["pose"]).tolist()),
        **_numbered("shape", record["shape"]),
        **_numbered("expression", record["expression"]),
        **record.get("expression_units", {}),
    }


def write_faces_json(path: Path, photos: Sequence[dict[str, Any]]) -> None:
    """Writes the records of all photos as JSON.

    Args:
      path: the path of the file.
      photos: the records from `outputs.write_photo`.
    """
    atomic_files.write_bytes(path, faces_json(photos))


def faces_json(photos: Sequence[dict[str, Any]]) -> bytes:
    """Returns the content of `faces.json` for the records of photos."""
    document = {"conventions": CONVENTIONS, "photos": photos}
    return f"{json.dumps(document, indent=1, allow_nan=False)}\n".encode()


def write_faces_csv(path: Path, photos: Sequence[dict[str, Any]]) -> None:
    """Writes the records of all photos as a table with one row per face.

    Args:
      path: the path of the file.
      photos: the records from `outputs.write_photo`. All faces must have the same coefficients and
        units.
    """
    rows = [
        {
            "photo": photo.get("photo", ""),
            "face": number,
            **position_columns(face),
            **coefficient_columns(face),
        }
        for photo in photos
        for number, face in enumerate(photo["faces"])
    ]
    text = io.StringIO(newline="")
    table = csv.DictWriter(text, list(rows[0]) if rows else ["photo", "face"])
    table.writeheader()
    table.writerows(rows)
    # File names may contain bytes that are not valid text.
    atomic_files.write_bytes(path, text.getvalue().encode("utf-8", "backslashreplace"))


def _numbered(name: str, values: Sequence[float]) -> dict[str, float]:
    return {f"{name}_{number}": value for number, value in enumerate(values, start=1)}


def _rounded(values: Array, digits: int) -> list[Any]:
    return np.round(np.asarray(values, np.float64), digits).tolist()
