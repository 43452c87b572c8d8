"""Photos in, the files of their faces out."""

import errno
import sys
from collections.abc import Collection, Sequence
from pathlib import Path
from typing import Any

import tqdm

from twodasl_jax import outputs
from twodasl_jax.commands.results import count_of, distinct_names, writing_to
from twodasl_jax.errors import PhotoError
from twodasl_jax.photos import read_photo
from twodasl_jax.reconstruction import Reconstructor


def reconstruct_photos(
    reconstructor: Reconstructor,
    photos: Sequence[Path],
    output_dir: Path,
    kinds: Collection[str] = outputs.DEFAULT_KINDS,
) -> int:
    """Reconstructs photos one by one and says on the console what became of each.

    Args:
      reconstructor: face model and network.
      photos: picture files.
      output_dir: folder of the results, made when there is a first one.
      kinds: which of `outputs.KINDS` to write.

    Returns:
      The number of photos without a result; each is named on the standard error stream.

    Raises:
      OutputError: `output_dir` is not a folder, or the results cannot be written.
    """
    with writing_to(output_dir):
        return _reconstruct_each(reconstructor, photos, output_dir, kinds)


def _reconstruct_each(
    reconstructor: Reconstructor, photos: Sequence[Path], output_dir: Path, kinds: Collection[str]
) -> int:
    targets = [output_dir / name for name in distinct_names(photos)]
    records: list[dict[str, Any]] = []
    progress = tqdm.tqdm(photos, unit="photo", disable=None if len(photos) > 1 else True)
    try:
        for photo, target in zip(progress, targets, strict=True):
            try:
                records.append(_reconstruct_photo(reconstructor, photo, target, kinds))
                progress.write(f"{photo}: {count_of(records[-1]['faces'], 'face')}, see {target}_*")
            except PhotoError as error:
                progress.write(str(error), file=sys.stderr)
    finally:
        # After an interruption too: what is finished stays of use.
        progress.close()
        if records and "json" in kinds:
            outputs.write_faces_json(output_dir / "faces.json", records)
    return len(photos) - len(records)


def _reconstruct_photo(
    reconstructor: Reconstructor, photo: Path, target: Path, kinds: Collection[str]
) -> dict[str, Any]:
    image = read_photo(photo)
    faces = reconstructor(image)
    if not faces:
        raise PhotoError(f"No face was found in {photo}: give a photo that shows one more clearly.")
    scene = outputs.Scene(image, tuple(faces), reconstructor.model)
    target.parent.mkdir(parents=True, exist_ok=True)
    try:
        record = outputs.write_photo(target, scene, kinds)
    except OSError as error:
        if error.errno != errno.ENAMETOOLONG:
            raise
        raise PhotoError(f"The name of {photo} is too long for its results: shorten it.") from error
    return {"photo": photo.name, **record}
