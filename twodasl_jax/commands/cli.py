"""The program `twodasl-reconstruct`: photos and videos in, 3D faces out."""

import argparse
import functools
import sys
import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from absl import app
from absl.flags import argparse_flags

from twodasl_jax import outputs
from twodasl_jax.commands import entry_points
from twodasl_jax.commands.camera import watch_camera
from twodasl_jax.commands.photos import reconstruct_photos, see_photo, with_expression_of
from twodasl_jax.commands.videos import Pipeline, reconstruct_videos
from twodasl_jax.errors import OutputError, PhotoError
from twodasl_jax.expression_units import ExpressionUnits
from twodasl_jax.imaging.photos import find_photos
from twodasl_jax.inference.reconstruction import Reconstructor
from twodasl_jax.models.face_model import chosen_expression_units, chosen_face_model
from twodasl_jax.models.weights import chosen_weights
from twodasl_jax.videos import smoothing
from twodasl_jax.videos.files import find_videos, is_video

_DESCRIPTION = """\
Finds the faces in photos, in videos or before a camera and reconstructs each one in 3D.

For a photo NAME.jpg the output folder receives, of these kinds of files, those that --outputs names:
{kinds}

For a video NAME.mp4, in which faces are followed from frame to frame, it receives:
              NAME_overlay.mp4           the same drawn over every frame; without sound
              NAME_faces.csv             a row for each person in each frame: angles, landmarks,
                                         coefficients, units
"""
_EPILOG = """\
examples:
  twodasl-reconstruct portrait.jpg
  twodasl-reconstruct holidays/ --output_dir=holidays_3d --outputs=overlay,json
  twodasl-reconstruct portrait.jpg --weights=mine.npz --face_model=my_model.npz
  twodasl-reconstruct portrait.jpg --retarget=laughing.jpg --output_dir=portrait_laughing
  twodasl-reconstruct clip.mp4 --smoothing=strong
  twodasl-reconstruct --camera=0

Videos and cameras need the package av (pip install '.[video]').

The exit status is 0 if every photo and video showed at least one face. It is 2 if one could not be read
or showed no face, or if the results could not be written; the others are not affected. What was
reconstructed of a video that is damaged or interrupted (Ctrl-C) stays, and the status is 2.
"""


def main() -> None:
    """Runs the program with the arguments of the command line and leaves with its exit status."""
    app.run(
        lambda arguments: entry_points.exit_status(functools.partial(_run, arguments)),
        flags_parser=_parse,
    )


class _Sources(NamedTuple):
    """What there is to reconstruct."""

    photos: list[Path]
    videos: list[Path]


def _find_sources(source: Path, output_dir: Path) -> _Sources:
    if not source.is_dir():
        return _Sources([], [source]) if is_video(source) else _Sources([source], [])
    if output_dir.exists() and output_dir.samefile(source):
        raise OutputError(
            f"The results would lie among the photos of {source}: choose another --output_dir."
        )
    found = _Sources(find_photos(source), find_videos(source))
    if not any(found):
        raise PhotoError(f"The folder {source} holds no pictures: give one that does.")
    return found


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
    """Returns a paragraph for each kind of file: its name, what it is called, what it is."""
    return "\n".join(
        [
            *_paragraphs("NAME", outputs.OF_PHOTO),
            *_paragraphs("NAME_face0", outputs.OF_FACE),
            *_paragraphs("", outputs.OF_RUN),
        ]
    )


def _paragraphs(name: str, table: Mapping[str, outputs.Kind[Any]]) -> Iterator[str]:
    for key, kind in table.items():
        yield _paragraph(key, name + kind.ending, kind.description)


def _paragraph(kind: str, file: str, description: str) -> str:
    start = f"  {kind:11} {file:26} "
    return textwrap.fill(description, 100, initial_indent=start, subsequent_indent=" " * len(start))


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse_flags.ArgumentParser(
        prog="twodasl-reconstruct",
        description=_DESCRIPTION.format(kinds=_described_kinds()),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_sources(parser)
    _add_outputs(parser.add_argument_group("results"))
    _add_model(parser.add_argument_group("network and face model"))
    parsed = parser.parse_args(arguments[1:])
    if (parsed.source is None) == (parsed.camera is None):
        parser.error("give a photo, a video or a folder as SOURCE, or --camera")
    if parsed.retarget and (parsed.camera is not None or is_video(parsed.source)):
        parser.error("--retarget is for photos")
    return parsed


def _add_sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="SOURCE",
        type=Path,
        nargs="?",
        help="a picture, a video, or a folder of them",
    )
    parser.add_argument(
        "--camera",
        metavar="N",
        type=int,
        help="instead: show what the camera of this number sees, in a window; 0 is the first",
    )


def _add_outputs(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--output_dir",
        metavar="DIR",
        type=Path,
        default=Path("faces_3d"),
        help="folder of the results (default: %(default)s)",
    )
    group.add_argument(
        "--outputs",
        metavar="KINDS",
        type=_kinds,
        default=outputs.DEFAULT_KINDS,
        help=f"what to write of photos, separated by commas, or all (default: {','.join(outputs.DEFAULT_KINDS)})",
    )
    group.add_argument("--html", action="store_true", help="write the page, too")
    group.add_argument(
        "--retarget",
        metavar="PHOTO",
        type=Path,
        help="give all faces of photos the expression of the largest face in this photo",
    )
    group.add_argument(
        "--smoothing",
        choices=("off", *smoothing.STRENGTHS),
        default="light",
        help="how strongly to steady the faces of videos (default: %(default)s)",
    )


def _add_model(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--weights",
        metavar="FILE",
        default="default",
        help="weights file (.npz), or open: the embedded ones that saw no photo (default: the best embedded ones)",
    )
    group.add_argument(
        "--face_model",
        metavar="FILE",
        help="the face model that the weights were trained with (.npz; default: the embedded one)",
    )


def _run(arguments: argparse.Namespace) -> int:
    strength = smoothing.STRENGTHS.get(arguments.smoothing)
    if arguments.camera is not None:
        watch_camera(_reconstructor(arguments), arguments.camera, strength)
        return 0
    photos, videos = _find_sources(arguments.source, arguments.output_dir)
    reconstructor = _reconstructor(arguments)
    units, folder = chosen_expression_units(arguments.face_model), arguments.output_dir
    failures = 0
    if photos:
        see = _seeing(reconstructor, units, arguments.retarget)
        kinds = (*arguments.outputs, "html") if arguments.html else arguments.outputs
        failures += reconstruct_photos(see, photos, folder, kinds)
    if videos:
        failures += reconstruct_videos(Pipeline(reconstructor, units, strength), videos, folder)
    count = len(photos) + len(videos)
    if failures and count > 1:
        lack = "files gave no whole result" if videos else "photos gave no result"
        print(f"{failures} of {count} {lack}.", file=sys.stderr)
    return entry_points.FAILURE if failures else 0


def _seeing(
    reconstructor: Reconstructor, units: ExpressionUnits | None, retarget: Path | None
) -> Callable[[Path], outputs.Scene]:
    see = functools.partial(see_photo, reconstructor, units)
    return see if retarget is None else with_expression_of(see, retarget)


def _reconstructor(arguments: argparse.Namespace) -> Reconstructor:
    model = chosen_face_model(arguments.face_model)
    return Reconstructor(model, chosen_weights(arguments.weights))


if __name__ == "__main__":
    main()
