"""Photos in, the files of their faces out."""

import errno
import sys
from collections.abc import Callable, Collection, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tqdm

from twodasl_jax import outputs
from twodasl_jax.commands.results import count_of, distinct_names, writing_to
from twodasl_jax.errors import PhotoError
from twodasl_jax.expression_units import ExpressionUnits
from twodasl_jax.imaging.photos import read_photo
from twodasl_jax.inference.reconstruction import Reconstructor


def see_photo(
    reconstructor: Reconstructor, units: ExpressionUnits | None, photo: Path
) -> outputs.Scene:
    """Reads a photo and reconstructs its faces.

    Args:
      reconstructor: face model and network.
      units: expression units of its face model.
      photo: picture file.

    Raises:
      PhotoError: it cannot be read, or shows no face.
    """
    image = read_photo(photo)
    faces = reconstructor(image)
    if not faces:
        raise PhotoError(f"No face was found in {photo}: give a photo that shows one more clearly.")
    return outputs.Scene(image, tuple(faces), reconstructor.model, units)


def with_expression_of(
    see: Callable[[Path], outputs.Scene], photo: Path
) -> Callable[[Path], outputs.Scene]:
    """Returns what sees photos with the expression of the largest face of one on all their faces."""
    face = max(see(photo).faces, key=lambda face: np.ptp(face.vertices[:, 1]))
    return lambda other: see(other).with_expression_of(face)


def reconstruct_photos(
    see: Callable[[Path], outputs.Scene],
    photos: Sequence[Path],
    output_dir: Path,
    kinds: Collection[str] = outputs.DEFAULT_KINDS,
) -> int:
    """Reconstructs photos one by one and says on the console what became of each.

    Args:
      see: gives a photo's faces (`see_photo`).
      photos: picture files.
      output_dir: folder of the results, made when there is a first one.
      kinds: which of `outputs.KINDS` to write.

    Returns:
      The number of photos without a result; each is named on the standard error stream.

    Raises:
      OutputError: `output_dir` is not a folder, or the results cannot be written.
    """
    with writing_to(output_dir):
        return _reconstruct_each(see, photos, output_dir, kinds)


def _reconstruct_each(
    see: Callable[[Path], outputs.Scene],
    photos: Sequence[Path],
    output_dir: Path,
    kinds: Collection[str],
) -> int:
    targets = [output_dir / name for name in distinct_names(photos)]
    records: list[dict[str, Any]] = []
    progress = tqdm.tqdm(photos, unit="photo", disable=None if len(photos) > 1 else True)
    try:
        for photo, target in zip(progress, targets, strict=True):
            try:
                records.append(_write_photo(photo, target, see(photo), kinds))
                progress.write(f"{photo}: {count_of(records[-1]['faces'], 'face')}, see {target}_*")
            except PhotoError as error:
                progress.write(str(error), file=sys.stderr)
    finally:
        # After an interruption too: what is finished stays of use.
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
        raise PhotoError(f"The name of {photo} is too long for its results: shorten it.") from error
    return {"photo": photo.name, **record}
