"""Rendered faces whose every coefficient is known, as a source of crops."""

import collections
import concurrent.futures
import functools
import itertools
import multiprocessing
import os
from collections.abc import Iterator, Sequence
from concurrent.futures import Future

import numpy as np
from jaxtyping import UInt8

from twodasl_jax.data.face_crops import CropSource, FaceCrop, split_rows, stored_picture
from twodasl_jax.face_model import digest
from twodasl_jax.geometry.coefficients import POSE_COUNT, Coefficients, official_from_coefficients
from twodasl_jax.geometry.frames import CROP_SIZE, box_from_landmarks
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.geometry.projection import affine_from_camera
from twodasl_jax.synthetic_faces import Studio, SyntheticFace, build_studio, synthetic_face

# Faces that a process draws before it hands them over.
_CHUNK = 64
# Of the pictures, in pixels: their crops are then 86 to 144 pixels wide, about as wide as what is stored.
_SIDE = 144

_HIDDEN, _VISIBLE = 1, 2


def synthetic_source(
    model: MorphableModel,
    count: int,
    seed: int,
    textures: Sequence[UInt8[np.ndarray, "_ _ 3"]] = (),
) -> CropSource:
    """Returns so many faces of a seed, drawn by all cores; the same seed gives the same faces.

    Args:
      model: the face model.
      count: of the faces of both splits.
      seed: which faces (`synthetic_faces.synthetic_face`).
      textures: skins in the model's texture coordinates; half of the faces wear one of them.
    """
    draw = functools.partial(_draw_all, model, seed, textures)
    splits = {
        name: functools.partial(draw, indices.tolist())
        for name, indices in split_rows(count).items()
    }
    vector_size = POSE_COUNT + len(model.shape_std) + len(model.expression_std)
    return CropSource(digest(model), vector_size, splits)


def crop_of(name: str, face: SyntheticFace) -> FaceCrop:
    """Returns the record of a rendered face: 3DDFA's crop of it, and its truth in the frame of the crop."""
    box = np.asarray(box_from_landmarks(face.landmarks[:, :2]))
    scale = CROP_SIZE / (box[2] - box[0])
    affine = scale * np.asarray(affine_from_camera(face.camera))
    affine[:2, 3] -= scale * box[:2]
    coefficients = Coefficients(affine.astype(np.float32), face.shape, face.expression)
    seen = face.visible & ~face.occluded
    return FaceCrop(
        name=name,
        image=stored_picture(face.image, box),
        landmarks=(scale * (face.landmarks[:, :2] - box[:2])).astype(np.float32),
        visibility=np.where(seen, _VISIBLE, _HIDDEN).astype(np.uint8),
        vector=np.asarray(official_from_coefficients(coefficients)),
        yaw=float(np.radians(face.yaw_pitch_roll[0])),
        error=0.0,
    )


def _draw_all(
    model: MorphableModel, seed: int, textures: Sequence[np.ndarray], indices: Sequence[int]
) -> Iterator[FaceCrop]:
    draw = functools.partial(_draw, build_studio(model), seed, textures)
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
    studio: Studio, seed: int, textures: Sequence[np.ndarray], indices: Sequence[int]
) -> list[FaceCrop]:
    return [
        crop_of(f"{index:07d}", synthetic_face(studio, seed, index, side=_SIDE, textures=textures))
        for index in indices
    ]
