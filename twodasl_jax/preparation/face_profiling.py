"""More faces at large yaw: records of faces turned away from the front, and to which yaw.

Faces in the wild mostly look at the camera; 300W-LP was made of them in this way.

References:
  Zhu et al., Face Alignment in Full Pose Range: A 3D Total Solution, 2017 (section 5, face profiling).
"""

import dataclasses
import zlib
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from twodasl_jax.data.face_crops import (
    HIDDEN,
    MARGIN,
    STORED_SIZE,
    VISIBLE,
    CropSource,
    FaceCrop,
    coefficients_in_crop,
)
from twodasl_jax.geometry.coefficients import (
    coefficients_from_official,
    official_from_coefficients,
)
from twodasl_jax.geometry.frames import CROP_SIZE, box_from_landmarks
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.geometry.projection import camera_from_affine
from twodasl_jax.geometry.rotation import euler_from_rotation
from twodasl_jax.preparation.face_turning import (
    FRONTAL_YAW,
    LARGEST_YAW,
    TurnedFace,
    draw,
    turned_face,
)

# Radians; smaller turns show little that augmentation would not.
SMALLEST_TURN = float(np.radians(10.0))
# The turn is about the upright of the picture, which has to be nearly that of the head.
_LARGEST_ROLL = float(np.radians(45.0))
# As `largest_fit_error` of the configs: others are not learned from.
_LARGEST_ERROR = 0.06
# The box, in the frame of the crop, whose corner is that of the stored picture.
_STORED = np.array([-MARGIN, -MARGIN, CROP_SIZE - MARGIN, CROP_SIZE - MARGIN], np.float64)


def with_turned_faces(
    source: CropSource, model: MorphableModel, copies: int, seed: int
) -> CropSource:
    """Returns a source in which each training face is followed by turned copies of it.

    Faces that are not fitted well, that lie on their side, or that are in profile have none; nor has the validation
    split.

    Args:
      source: faces with fits.
      model: that was fitted.
      copies: of each face at most (`larger_yaws`).
      seed: of the yaws.
    """

    def with_copies() -> Iterator[FaceCrop]:
        for record in source.splits["train"]():
            yield record
            if _can_be_turned(record, model):
                for yaw in larger_yaws(record["yaw"], record["name"], seed, copies):
                    yield profiled(record, model, float(yaw - record["yaw"]))

    return dataclasses.replace(
        source,
        description=f"{source.description}, {copies} turned copies, seed {seed}",
        splits={**source.splits, "train": with_copies},
    )


def _can_be_turned(record: FaceCrop, model: MorphableModel) -> bool:
    if not record["error"] <= _LARGEST_ERROR:
        return False
    fitted = coefficients_from_official(record["vector"], model.shape_std.shape[0])
    roll = euler_from_rotation(camera_from_affine(fitted.affine).rotation)[2]
    return bool(abs(roll) <= _LARGEST_ROLL)


def larger_yaws(yaw: float, name: str, seed: int, count: int) -> Float[np.ndarray, " M"]:
    """Chooses to which yaws a face is turned: uniformly, and the same for the same arguments.

    Each is at least `SMALLEST_TURN` larger than the face's, up to a profile, to the same side; a nearly frontal face
    (`FRONTAL_YAW`) goes to either. Several yaws are evenly spaced from a random first one.

    Args:
      yaw: of the face, radians.
      name: of the face.
      seed: another seed chooses other yaws.
      count: how many.

    Returns:
      (M,) radians, smallest turn first. M is less than `count` where the yaws would be less than `SMALLEST_TURN`
      apart, and 0 where a profile is nearer than that.
    """
    lowest = abs(yaw) + SMALLEST_TURN
    room = LARGEST_YAW - lowest
    if room <= 0:
        return np.zeros(0)
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    fitting = min(count, max(1, int(room / SMALLEST_TURN)))
    sizes = lowest + room * (np.arange(fitting) + rng.random()) / fitting
    sides = rng.choice([-1.0, 1.0], fitting) if abs(yaw) <= FRONTAL_YAW else np.sign(yaw)
    return sides * sizes


def profiled(record: FaceCrop, model: MorphableModel, turn: float) -> FaceCrop:
    """Returns the record of a face after a turn away from the front (`face_turning`).

    A label that is seen after the turn is a point as deep as the model's, and turns with the head: what it knows better
    than the model it keeps, but for what then lies along the line of sight. Where the turn hides a label, or something
    else hid it before, the model's point takes its place. What was not labelled is not labelled afterwards.

    The picture is 3DDFA's crop of these points, the model's where there is no label, with the margin. The face is as
    well fitted as before: `error` stays.

    Args:
      record: a face that the model could be fitted to.
      model: the face model of its coefficients.
      turn: by which its yaw grows, radians; it becomes part of the name, in degrees.

    Raises:
      ValueError: the face has no fit, or the turn leads toward the front or beyond a profile.
    """
    if not np.isfinite(record["error"]):
        raise ValueError(f"{record['name']} cannot be turned: no face model was fitted to it")
    labels, labelled = record["landmarks"] + MARGIN, record["visibility"]
    fitted = coefficients_from_official(record["vector"], model.shape_std.shape[0])
    face = turned_face(record["image"], model, coefficients_in_crop(fitted, _STORED), float(turn))
    seen = face.visible & (labelled == VISIBLE)
    points = np.where(seen[:, None], _turned_labels(labels, face), face.landmarks[:, :2])
    box = np.asarray(box_from_landmarks(points), np.float64)
    scale = CROP_SIZE / (box[2] - box[0])
    margin = MARGIN / scale
    landmarks = np.where(np.isnan(labels), np.nan, scale * (points - box[:2]))
    visibility = np.where(seen, VISIBLE, np.minimum(labelled, HIDDEN))
    coefficients = coefficients_in_crop(face.coefficients, box)
    return FaceCrop(
        name=f"{record['name']}{np.degrees(turn):+.1f}",
        image=draw(record["image"], face, box + [-margin, -margin, margin, margin], STORED_SIZE),
        landmarks=landmarks.astype(np.float32),
        visibility=visibility.astype(np.uint8),
        vector=np.asarray(official_from_coefficients(coefficients)),
        yaw=float(record["yaw"] + turn),
        error=record["error"],
    )


def _turned_labels(
    labels: Float[np.ndarray, "68 2"], face: TurnedFace
) -> Float[np.ndarray, "68 2"]:
    """Returns labels as deep as the landmarks of a face after its turn; picture frame."""
    linear, shift = face.motion[:, :3], face.motion[:, 3]
    before = (face.landmarks - shift) @ np.linalg.inv(linear).T
    return face.landmarks[:, :2] + (labels - before[:, :2]) @ linear[:2, :2].T
