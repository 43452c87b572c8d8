"""Reconstruction of photos from files to files."""

import errno
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tqdm

from twodasl_jax import outputs
from twodasl_jax.commands.results import counted, distinct_names, writing_to
from twodasl_jax.errors import PhotoError
from twodasl_jax.imaging.photos import read_photo
from twodasl_jax.inference.reconstruction import Reconstructor
from twodasl_jax.models.expression_units import ExpressionUnits

# Reads a photo file and reconstructs its faces.
SceneReader = Callable[[Path], outputs.Scene]


def scene_reader(reconstructor: Reconstructor, units: ExpressionUnits | None) -> SceneReader:
    """Returns a reader that reconstructs all faces of a photo.

    The reader raises a `PhotoError` if the photo cannot be read or shows no face.

    Args:
      reconstructor: the face model and network.
      units: the expression units of the face model, if it has any.
    """

    def read(photo: Path) -> outputs.Scene:
        image = read_photo(photo)
        faces = reconstructor(image)
        if not faces:
            raise PhotoError(
                f"No face was found in {photo}: use a photo that shows one more clearly."
            )
        return outputs.Scene(image, tuple(faces), reconstructor.model, units)

    return read


def retargeting_reader(read: SceneReader, photo: Path) -> SceneReader:
    """Returns a reader that gives every face the expression of the largest face in `photo`.

    Raises:
      PhotoError: `photo` cannot be read or shows no face.
    """
    source = max(read(photo).faces, key=lambda face: np.ptp(face.vertices[:, 1]))
    return lambda other: read(other).with_expression_of(source)


def reconstruct_photos(
    read: SceneReader,
    photos: Sequence[Path],
    output_dir: Path,
    kinds: Collection[str] = outputs.DEFAULT_KINDS,
) -> int:
    """Reconstructs photos one by one and reports each on the console.

    Args:
      read: the reader of the photos.
      photos: the photo files.
      output_dir: the folder of the results. It is created with the first result.
      kinds: the kinds of files to write, a subset of `outputs.KINDS`.

    Returns:
      The number of photos without a result. Each of them is named on standard error.

    Raises:
      OutputError: `output_dir` is not a folder, or the results cannot be written.
    """
    with writing_to(output_dir):
        return _reconstruct_each(read, photos, output_dir, kinds)


def _reconstruct_each(
    read: SceneReader, photos: Sequence[Path], output_dir: Path, kinds: Collection[str]
) -> int:
    targets = [output_dir / name for name in distinct_names(photos)]
    records: list[dict[str, Any]] = []
    progress = tqdm.tqdm(photos, unit="photo", disable=None if len(photos) > 1 else True)
    try:
        for photo, target in zip(progress, targets, strict=True):
            try:
                record = _write_photo(photo, target, read(photo), kinds)
            except PhotoError as error:
                progress.write(str(error), file=sys.stderr)
            else:
                records.append(record)
                progress.write(f"{photo}: {counted(len(record['faces']), 'face')}, see {target}_*")
    finally:
        # An interrupted run also lists the photos that it has finished.
        progress.close()
        if records:
            outputs.write_records(output_dir, records, kinds)
    return len(photos) - len(records)


def _write_photo(
    photo: Path, target: Path, scene: outputs.Scene, kinds: Collection[str]
) -> dict[str, Any]:
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        record = outputs.write_photo(target, scene, kinds)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise PhotoError(
            f"The name of {photo} is too long for its result files: shorten it."
        ) from error
    return {"photo": photo.name, **record}
