"""Crop source of rendered faces with exact annotations."""

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

from twodasl_jax.data.face_crops import HIDDEN, VISIBLE, CropSource, FaceCrop, split_rows
from twodasl_jax.geometry.coefficients import POSE_COUNT, Coefficients, official_from_coefficients
from twodasl_jax.geometry.frames import CROP_SIZE, box_from_landmarks
from twodasl_jax.geometry.morphable_model import MorphableModel
from twodasl_jax.geometry.projection import affine_from_camera
from twodasl_jax.models.face_model import digest
from twodasl_jax.preparation.records import coefficients_in_crop, stored_picture
from twodasl_jax.synthetic_faces import (
    Conditions,
    RenderableModel,
    SyntheticFace,
    build_renderable_model,
    synthetic_face,
)

# The number of faces that a process renders per task.
_CHUNK = 64
# The side of the rendered pictures in pixels. Their crops are then 86 to 144 pixels wide, about the
# stored size.
_SIDE = 144


@dataclasses.dataclass(frozen=True)
class SyntheticSeries:
    """The settings of a series of rendered faces; equal settings give equal faces.

    Prepared data sets store the `repr` of a series, so its names are part of the file format.

    Attributes:
      count: the number of faces of both splits together.
      seed: the seed of all random parameters.
      conditions: the conditions of the photos, "usual" or "harsh".
      label_noise: the standard deviation of each coordinate of the labels, in crop pixels.
        Annotations stay exact.
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
    """Returns rendered faces; the rendering uses all cores.

    Args:
      model: the face model.
      series: the settings of the faces.
      textures: RGB skin textures in the texture coordinates of the model. Half of the faces use one
        of them.
    """
    render = functools.partial(_render_all, model, series, textures)
    splits = {
        name: functools.partial(render, indices.tolist())
        for name, indices in split_rows(series.count).items()
    }
    vector_size = POSE_COUNT + len(model.shape_std) + len(model.expression_std)
    # Prepared data sets store this description, so its wording is part of the file format.
    description = f"synthetic_faces, {len(textures)} skins, {series}"
    return CropSource(description, digest(model), vector_size, splits)


def crop_of(
    name: str, face: SyntheticFace, label_errors: Float[np.ndarray, "68 2"] | float = 0.0
) -> FaceCrop:
    """Returns the record of a rendered face, cropped by 3DDFA's rule.

    Args:
      name: the name of the record.
      face: the picture and its exact parameters.
      label_errors: (68, 2) errors to add to the labels, in crop pixels.
    """
    box = np.asarray(box_from_landmarks(face.landmarks[:, :2]))
    scale = CROP_SIZE / (box[2] - box[0])
    coefficients = Coefficients(affine_from_camera(face.camera), face.shape, face.expression)
    visible = face.visible & ~face.occluded
    return FaceCrop(
        name=name,
        image=stored_picture(face.image, box),
        landmarks=(scale * (face.landmarks[:, :2] - box[:2]) + label_errors).astype(np.float32),
        visibility=np.where(visible, VISIBLE, HIDDEN).astype(np.uint8),
        vector=np.asarray(official_from_coefficients(coefficients_in_crop(coefficients, box))),
        yaw=float(np.radians(face.yaw_pitch_roll[0])),
        error=0.0,
    )


def _render_all(
    model: MorphableModel,
    series: SyntheticSeries,
    textures: Sequence[np.ndarray],
    indices: Sequence[int],
) -> Iterator[FaceCrop]:
    render = functools.partial(_render, build_renderable_model(model), series, textures)
    chunks = [indices[start : start + _CHUNK] for start in range(0, len(indices), _CHUNK)]
    workers = min(os.cpu_count() or 1, len(chunks))
    if workers < 2:
        for chunk in chunks:
            yield from render(chunk)
        return
    # JAX is multithreaded, and forked processes would lose its threads.
    context = multiprocessing.get_context("spawn")
    with concurrent.futures.ProcessPoolExecutor(workers, context) as pool:
        # Only a few chunks are rendered ahead of the writer, to limit memory.
        ahead, waiting = iter(chunks), collections.deque[Future[list[FaceCrop]]]()
        for chunk in itertools.islice(ahead, 2 * workers):
            waiting.append(pool.submit(render, chunk))
        while waiting:
            yield from waiting.popleft().result()
            waiting.extend(pool.submit(render, chunk) for chunk in itertools.islice(ahead, 1))


def _render(
    renderable: RenderableModel,
    series: SyntheticSeries,
    textures: Sequence[np.ndarray],
    indices: Sequence[int],
) -> list[FaceCrop]:
    crops = []
    for index in indices:
        face = synthetic_face(
            renderable,
            series.seed,
            index,
            side=_SIDE,
            textures=textures,
            conditions=series.conditions,
        )
        # A separate generator, so that the picture does not depend on the label noise.
        noise = np.random.default_rng([series.seed, index, 1]).normal(size=(68, 2))
        crops.append(crop_of(f"{index:07d}", face, series.label_noise * noise))
    return crops
