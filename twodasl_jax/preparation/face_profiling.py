"""Face profiling: additional records of the same faces at larger yaw.

Most in-the-wild faces are nearly frontal. 300W-LP was made from such faces in the same way.

References:
  Zhu et al., Face Alignment in Full Pose Range: A 3D Total Solution, 2017 (section 5, face
  profiling).
"""

import dataclasses
import zlib
from collections.abc import Iterator

import numpy as np
from jaxtyping import Float

from twodasl_jax.data.face_crops import HIDDEN, MARGIN, STORED_SIZE, VISIBLE, CropSource, FaceCrop
from twodasl_jax.geometry.coefficients import (
    coefficients_from_official,
    official_from_coefficients,
)
from twodasl_jax.geometry.frames import CROP_SIZE, box_from_landmarks
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.geometry.projection import camera_from_affine
from twodasl_jax.geometry.rotation import euler_from_rotation
from twodasl_jax.preparation.profile_warp import (
    FRONTAL_YAW,
    LARGEST_YAW,
    ProfiledFace,
    draw_profiled,
    profile_face,
)
from twodasl_jax.preparation.records import coefficients_in_crop

# In radians. Smaller changes add little to augmentation.
SMALLEST_YAW_CHANGE = float(np.radians(10.0))
# The rotation is about the vertical axis of the picture, which must nearly be that of the head.
_LARGEST_ROLL = float(np.radians(45.0))
# As `largest_fit_error` of the configs. Training does not use faces with a larger error.
_LARGEST_ERROR = 0.06
# The box of the stored picture in the crop frame.
_STORED_BOX = np.array([-MARGIN, -MARGIN, CROP_SIZE - MARGIN, CROP_SIZE - MARGIN], np.float64)


def with_profiled_faces(
    source: CropSource, model: MorphableModel, copies: int, seed: int
) -> CropSource:
    """Returns a source in which profiled copies follow each training face.

    Faces with a large fit error, a large roll or a yaw near 90 degrees have no copies. The
    validation split does not change.

    Args:
      source: faces with annotations.
      model: the face model of the annotations.
      copies: the largest number of copies per face (`larger_yaws`).
      seed: the seed of the yaws.
    """

    def with_copies() -> Iterator[FaceCrop]:
        for record in source.splits["train"]():
            yield record
            if _can_be_profiled(record, model):
                for yaw in larger_yaws(record["yaw"], record["name"], seed, copies):
                    yield profile_record(record, model, float(yaw - record["yaw"]))

    return dataclasses.replace(
        source,
        # Prepared data sets store this description, so its wording is part of the file format.
        description=f"{source.description}, {copies} turned copies, seed {seed}",
        splits={**source.splits, "train": with_copies},
    )


def _can_be_profiled(record: FaceCrop, model: MorphableModel) -> bool:
    if not record["error"] <= _LARGEST_ERROR:
        return False
    fitted = coefficients_from_official(record["vector"], model.shape_std.shape[0])
    roll = euler_from_rotation(camera_from_affine(fitted.affine).rotation)[2]
    return bool(abs(roll) <= _LARGEST_ROLL)


def larger_yaws(yaw: float, name: str, seed: int, count: int) -> Float[np.ndarray, " M"]:
    """Draws larger yaws for a face, uniformly; the same arguments give the same yaws.

    Each is at least `SMALLEST_YAW_CHANGE` larger than the yaw of the face, at most 90 degrees, and
    on the same side. For nearly frontal faces (`FRONTAL_YAW`) the side is random. Several yaws have
    an equal spacing and a random first value.

    Args:
      yaw: the yaw of the face, in radians.
      name: the name of the face, which varies the yaws between faces.
      seed: the seed.
      count: the largest number of yaws.

    Returns:
      (M,) yaws in radians, in the order of their magnitude. M is smaller than `count` if the yaws
      would be less than `SMALLEST_YAW_CHANGE` apart, and 0 if the face is too close to 90 degrees.
    """
    lowest = abs(yaw) + SMALLEST_YAW_CHANGE
    room = LARGEST_YAW - lowest
    if room <= 0:
        return np.zeros(0)
    rng = np.random.default_rng([seed, zlib.crc32(name.encode())])
    fitting = min(count, max(1, int(room / SMALLEST_YAW_CHANGE)))
    sizes = lowest + room * (np.arange(fitting) + rng.random()) / fitting
    sides = rng.choice([-1.0, 1.0], fitting) if abs(yaw) <= FRONTAL_YAW else np.sign(yaw)
    return sides * sizes


def profile_record(record: FaceCrop, model: MorphableModel, yaw_change: float) -> FaceCrop:
    """Returns the record of a face after a rotation to a larger yaw (`profile_warp`).

    A label that stays visible moves with the head at the depth of its model landmark, so its offset
    from the model is kept, except for the component along the line of sight. A label that is hidden
    before or after the rotation is replaced by the model landmark. Unlabelled landmarks stay
    unlabelled.

    The picture is 3DDFA's crop of these landmarks, with the stored margin. Its box uses the model
    landmarks in place of unlabelled ones. The fit is as good as before, so `error` does not change.

    Args:
      record: a face with an annotation.
      model: the face model of the annotation.
      yaw_change: the increase of the yaw in radians. The name of the new record includes it, in
        degrees.

    Raises:
      ValueError: if the face has no annotation, or the rotation goes toward the front or beyond a
        profile.
    """
    if not np.isfinite(record["error"]):
        raise ValueError(f"{record['name']} cannot be profiled: no face model was fitted to it")
    labels, labelled = record["landmarks"] + MARGIN, record["visibility"]
    fitted = coefficients_from_official(record["vector"], model.shape_std.shape[0])
    in_picture = coefficients_in_crop(fitted, _STORED_BOX)
    face = profile_face(record["image"], model, in_picture, float(yaw_change))
    visible = face.visible & (labelled == VISIBLE)
    points = np.where(visible[:, None], _profiled_labels(labels, face), face.landmarks[:, :2])
    box = np.asarray(box_from_landmarks(points), np.float64)
    scale = CROP_SIZE / (box[2] - box[0])
    margin = MARGIN / scale
    picture_box = box + [-margin, -margin, margin, margin]
    landmarks = np.where(np.isnan(labels), np.nan, scale * (points - box[:2]))
    visibility = np.where(visible, VISIBLE, np.minimum(labelled, HIDDEN))
    coefficients = coefficients_in_crop(face.coefficients, box)
    return FaceCrop(
        name=f"{record['name']}{np.degrees(yaw_change):+.1f}",
        image=draw_profiled(record["image"], face, picture_box, STORED_SIZE),
        landmarks=landmarks.astype(np.float32),
        visibility=visibility.astype(np.uint8),
        vector=np.asarray(official_from_coefficients(coefficients)),
        yaw=float(record["yaw"] + yaw_change),
        error=record["error"],
    )


def _profiled_labels(
    labels: Float[np.ndarray, "68 2"], face: ProfiledFace
) -> Float[np.ndarray, "68 2"]:
    """Moves labels with the head, at the depth of the model landmarks; picture frame."""
    linear, shift = face.motion[:, :3], face.motion[:, 3]
    before = (face.landmarks - shift) @ np.linalg.inv(linear).T
    return face.landmarks[:, :2] + (labels - before[:, :2]) @ linear[:2, :2].T
