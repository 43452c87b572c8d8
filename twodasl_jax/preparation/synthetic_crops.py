"""Rendered faces whose every coefficient is known, as a source of crops."""

import collections
import concurrent.futures
import dataclasses
import functools
import itertools
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

import numpy as np
from jaxtyping import Float, UInt8

from twodasl_jax.data.face_crops import (
    HIDDEN,
    VISIBLE,
    CropSource,
    FaceCrop,
    coefficients_in_crop,
    split_rows,
    stored_picture,
)
from twodasl_jax.geometry.coefficients import POSE_COUNT, Coefficients, official_from_coefficients
from twodasl_jax.geometry.frames import CROP_SIZE, box_from_landmarks
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.geometry.projection import affine_from_camera
from twodasl_jax.models.face_model import digest
from twodasl_jax.synthetic_faces import (
    Conditions,
    Studio,
    SyntheticFace,
    build_studio,
    synthetic_face,
)

# Faces that a process draws before it hands them over.
_CHUNK = 64
# Of the pictures, in pixels: their crops are then 86 to 144 pixels wide, about as wide as what is stored.
_SIDE = 144


@dataclasses.dataclass(frozen=True)
class SyntheticSeries:
    """Which rendered faces; the same series holds the same faces.

    Attributes:
      count: of the faces of both splits.
      seed: of all that is left to chance.
      conditions: that the photos are taken in.
      label_noise: standard deviation of a coordinate of the 2D landmarks, crop pixels; the coefficients stay exact.
    """

    count: int
    seed: int
    conditions: Conditions = "usual"
    label_noise: float = 0.0


def synthetic_source(
    model: MorphableModel,
    series: SyntheticSeries,
    textures: Sequence[UInt8[np.ndarray, "_ _ 3"]] = (),
) -> CropSource:
    """Returns rendered faces, drawn by all cores.

    Args:
      model: the face model.
      series: which faces.
      textures: skins in the model's texture coordinates; half of the faces wear one of them.
    """
    draw = functools.partial(_draw_all, model, series, textures)
    splits = {
        name: functools.partial(draw, indices.tolist())
        for name, indices in split_rows(series.count).items()
    }
    vector_size = POSE_COUNT + len(model.shape_std) + len(model.expression_std)
    description = f"synthetic_faces, {len(textures)} skins, {series}"
    return CropSource(description, digest(model), vector_size, splits)


def crop_of(
    name: str, face: SyntheticFace, label_errors: Float[np.ndarray, "68 2"] | float = 0.0
) -> FaceCrop:
    """Returns the record of a rendered face: 3DDFA's crop of it, and its truth in the frame of the crop.

    Args:
      name: of the record.
      face: picture and truth.
      label_errors: added to the 2D landmarks, crop pixels.
    """
    box = np.asarray(box_from_landmarks(face.landmarks[:, :2]))
    scale = CROP_SIZE / (box[2] - box[0])
    coefficients = Coefficients(affine_from_camera(face.camera), face.shape, face.expression)
    seen = face.visible & ~face.occluded
    return FaceCrop(
        name=name,
        image=stored_picture(face.image, box),
        landmarks=(scale * (face.landmarks[:, :2] - box[:2]) + label_errors).astype(np.float32),
        visibility=np.where(seen, VISIBLE, HIDDEN).astype(np.uint8),
        vector=np.asarray(official_from_coefficients(coefficients_in_crop(coefficients, box))),
        yaw=float(np.radians(face.yaw_pitch_roll[0])),
        error=0.0,
    )


def _draw_all(
    model: MorphableModel,
    series: SyntheticSeries,
    textures: Sequence[np.ndarray],
    indices: Sequence[int],
) -> Iterator[FaceCrop]:
    draw = functools.partial(_draw, build_studio(model), series, textures)
    chunks = [indices[start : start + _CHUNK] for start in range(0, len(indices), _CHUNK)]
    workers = min(os.cpu_count() or 1, len(chunks))
    if workers < 2:
        for chunk in chunks:
            yield from draw(chunk)
        return
    # Not forked: the threads of JAX would not live on.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, context) as pool:
        # A few chunks ahead of what is written, however many there are.
        ahead, waiting = iter(chunks), collections.deque[Future[list[FaceCrop]]]()
        for chunk in itertools.islice(ahead, 2 * workers):
            waiting.append(pool.submit(draw, chunk))
        while waiting:
            yield from waiting.popleft().result()
            waiting.extend(pool.submit(draw, chunk) for chunk in itertools.islice(ahead, 1))


def _draw(
    studio: Studio,
    series: SyntheticSeries,
    textures: Sequence[np.ndarray],
    indices: Sequence[int],
) -> list[FaceCrop]:
    crops = []
    for index in indices:
        face = synthetic_face(
            studio, series.seed, index, side=_SIDE, textures=textures, conditions=series.conditions
        )
        # A generator of its own: the picture does not depend on how well it is labelled.
        noise = np.random.default_rng([series.seed, index, 1]).normal(size=(68, 2))
        crops.append(crop_of(f"{index:07d}", face, series.label_noise * noise))
    return crops
