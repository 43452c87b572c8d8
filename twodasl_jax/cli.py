"""The program `twodasl-reconstruct`: photos in, 3D faces out."""

import argparse
import errno
import functools
import sys
from collections.abc import Callable, Collection, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import tqdm
from absl import app
from absl.flags import argparse_flags

from twodasl_jax import outputs, programs
from twodasl_jax.errors import OutputError, PhotoError
from twodasl_jax.expression_units import ExpressionUnits
from twodasl_jax.face_model import chosen_expression_units, chosen_face_model
from twodasl_jax.photos import find_photos, read_photo
from twodasl_jax.reconstruction import Reconstructor
from twodasl_jax.weights import chosen_weights

_DESCRIPTION = """\
Finds the faces in photos and reconstructs each one in 3D.

For a photo NAME.jpg the output folder receives, of these kinds of files, those that --outputs names:
{kinds}
"""
_EPILOG = """\
examples:
  twodasl-reconstruct portrait.jpg
  twodasl-reconstruct holidays/ --output_dir=holidays_3d --outputs=overlay,json
  twodasl-reconstruct portrait.jpg --weights=mine.npz --face_model=my_model.npz
  twodasl-reconstruct portrait.jpg --retarget=laughing.jpg --output_dir=portrait_laughing

The exit status is 0 if every photo showed at least one face. It is 2 if a photo could not be read
or showed no face, or if the results could not be written; the other photos are not affected.
"""


def main() -> None:
    """Runs the program with the arguments of the command line and leaves with its exit status."""
    app.run(
        lambda arguments: programs.exit_status(functools.partial(_run, arguments)),
        flags_parser=_parse,
    )


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
    try:
        if output_dir.exists() and not output_dir.is_dir():
            raise OutputError(
                f"Cannot write to {output_dir}: it is not a folder; choose another one."
            )
        return _reconstruct_each(see, photos, output_dir, kinds)
    except OSError as error:
        raise OutputError(f"Cannot write to {output_dir}: {error.strerror}.") from error


def _reconstruct_each(
    see: Callable[[Path], outputs.Scene],
    photos: Sequence[Path],
    output_dir: Path,
    kinds: Collection[str],
) -> int:
    targets = [output_dir / name for name in _distinct_names(photos)]
    records: list[dict[str, Any]] = []
    progress = tqdm.tqdm(photos, unit="photo", disable=None if len(photos) > 1 else True)
    try:
        for photo, target in zip(progress, targets, strict=True):
            try:
                records.append(_write_photo(photo, target, see(photo), kinds))
                progress.write(f"{photo}: {_count(records[-1]['faces'], 'face')}, see {target}_*")
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


def _distinct_names(photos: Sequence[Path]) -> list[str]:
    """Names for the results: without the suffix, unless photos differ in nothing else."""
    stems = [photo.stem for photo in photos]
    if len({stem.casefold() for stem in stems}) == len(stems):
        return stems
    return [photo.name for photo in photos]


def _count(things: Sequence[object], name: str) -> str:
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"


def _find_photos(source: Path, output_dir: Path) -> list[Path]:
    if not source.is_dir():
        return [source]
    if output_dir.exists() and output_dir.samefile(source):
        raise OutputError(
            f"The results would lie among the photos of {source}: choose another --output_dir."
        )
    photos = find_photos(source)
    if not photos:
        raise PhotoError(f"The folder {source} holds no pictures: give one that does.")
    return photos


def _kinds(text: str) -> Sequence[str]:
    if text == "all":
        return outputs.KINDS
    kinds = [kind.strip() for kind in text.split(",")]
    for kind in kinds:
        if kind not in outputs.KINDS:
            known = ", ".join(outputs.KINDS)
            raise argparse.ArgumentTypeError(f"{kind!r} is none of {known}")
    return kinds


def _described_kinds() -> str:
    """Returns a line for each kind of file: its name, what it is called, what it is."""
    rows = [
        *_rows("NAME", outputs.OF_PHOTO),
        *_rows("NAME_face0", outputs.OF_FACE),
        *_rows("", outputs.OF_RUN),
    ]
    return "\n".join(f"  {name:10} {file:22} {description}" for name, file, description in rows)


def _rows(name: str, table: Mapping[str, outputs.Kind[Any]]) -> list[tuple[str, str, str]]:
    return [(key, name + kind.ending, kind.description) for key, kind in table.items()]


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse_flags.ArgumentParser(
        prog="twodasl-reconstruct",
        description=_DESCRIPTION.format(kinds=_described_kinds()),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument(
        "source", metavar="PHOTO_OR_FOLDER", type=Path, help="a picture, or a folder of pictures"
    )
    parser.add_argument(
        "--output_dir",
        metavar="DIR",
        type=Path,
        default=Path("faces_3d"),
        help="folder of the results (default: %(default)s)",
    )
    parser.add_argument(
        "--outputs",
        metavar="KINDS",
        type=_kinds,
        default=outputs.DEFAULT_KINDS,
        help=f"what to write, separated by commas, or all (default: {','.join(outputs.DEFAULT_KINDS)})",
    )
    parser.add_argument("--html", action="store_true", help="the same as html in --outputs")
    parser.add_argument(
        "--weights",
        metavar="FILE",
        default="default",
        help="weights file (.npz), or open: the embedded ones that saw no photo (default: the best embedded ones)",
    )
    parser.add_argument(
        "--face_model",
        metavar="FILE",
        help="the face model that the weights were trained with (.npz; default: the embedded one)",
    )
    parser.add_argument(
        "--retarget",
        metavar="PHOTO",
        type=Path,
        help="gives all faces the expression of the largest face in this photo",
    )
    return parser.parse_args(arguments[1:])


def _with_expression_of(
    see: Callable[[Path], outputs.Scene], photo: Path
) -> Callable[[Path], outputs.Scene]:
    """Returns what sees photos with the expression of the largest face of one on all their faces."""
    face = max(see(photo).faces, key=lambda face: np.ptp(face.vertices[:, 1]))
    return lambda other: see(other).with_expression_of(face)


def _run(arguments: argparse.Namespace) -> int:
    photos = _find_photos(arguments.source, arguments.output_dir)
    model, weights = chosen_face_model(arguments.face_model), chosen_weights(arguments.weights)
    units = chosen_expression_units(arguments.face_model)
    see = functools.partial(see_photo, Reconstructor(model, weights), units)
    shown = see if arguments.retarget is None else _with_expression_of(see, arguments.retarget)
    kinds = (*arguments.outputs, "html") if arguments.html else arguments.outputs
    without_result = reconstruct_photos(shown, photos, arguments.output_dir, kinds)
    if without_result and len(photos) > 1:
        print(f"{without_result} of {len(photos)} photos gave no result.", file=sys.stderr)
    return programs.FAILURE if without_result else 0
