"""The program `twodasl-reconstruct`: 3D faces from photos, videos and cameras."""

import argparse
import functools
import sys
import textwrap
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from absl import app
from absl.flags import argparse_flags

from twodasl_jax import outputs
from twodasl_jax.commands import entry_points
from twodasl_jax.commands.camera import watch_camera
from twodasl_jax.commands.photos import reconstruct_photos, retargeting_reader, scene_reader
from twodasl_jax.commands.videos import Pipeline, reconstruct_videos
from twodasl_jax.errors import OutputError, PhotoError
from twodasl_jax.imaging.photos import find_photos
from twodasl_jax.inference.reconstruction import Reconstructor
from twodasl_jax.models.face_model import chosen_expression_units, chosen_face_model
from twodasl_jax.models.weights import chosen_weights
from twodasl_jax.videos import smoothing
from twodasl_jax.videos.files import find_videos, is_video

_DESCRIPTION = """\
Detects the faces in photos, videos or the image of a camera, and reconstructs each face in 3D.
Network weights and face model are part of the package. Nothing is downloaded or uploaded.

Photos: --outputs selects the kinds of files to write for a photo NAME.jpg.
Faces are numbered from left to right: face0, face1 and so on.

  kind        file                       contents
{kinds}

Videos: faces are tracked through a video NAME.mp4, and these files are written:
              NAME_overlay.mp4           the video without sound, with the overlay on every frame
              NAME_faces.csv             table with a row per person and frame: angles, landmarks,
                                         coefficients, expression units
"""
_EPILOG = """\
examples:
  Reconstruct one photo. The results are in faces_3d/; look at portrait_overlay.png first.
    twodasl-reconstruct portrait.jpg
  View and animate the faces in a browser: open faces_3d/portrait.html.
    twodasl-reconstruct portrait.jpg --html
  Reconstruct all photos and videos of a folder, with selected kinds of files.
    twodasl-reconstruct holidays/ --output_dir=holidays_3d --outputs=overlay,json
  Transfer the expression of another photo.
    twodasl-reconstruct portrait.jpg --retarget=laughing.jpg --output_dir=portrait_laughing
  Reconstruct a video, or watch the first camera. Both need pip install '.[video]'.
    twodasl-reconstruct clip.mp4 --smoothing=strong
    twodasl-reconstruct --camera=0
  Use your own network.
    twodasl-reconstruct portrait.jpg --weights=mine.npz --face_model=my_model.npz

exit status:
  0 if a face was found in every photo and video. 2 if an input cannot be read or shows no face; the
  other inputs are still reconstructed. 2 also if the results cannot be written. If a video is damaged
  or interrupted (Ctrl-C), the results up to that frame are kept, and the status is 2.
"""


def main() -> None:
    """Parses the command line, runs the program and exits with its status."""
    app.run(
        lambda arguments: entry_points.exit_status(functools.partial(_run, arguments)),
        flags_parser=_parse,
    )


class _Sources(NamedTuple):
    """The files to reconstruct."""

    photos: list[Path]
    videos: list[Path]


def _find_sources(source: Path, output_dir: Path) -> _Sources:
    if not source.is_dir():
        return _Sources([], [source]) if is_video(source) else _Sources([source], [])
    if output_dir.exists() and output_dir.samefile(source):
        raise OutputError(
            f"Cannot write results into the folder of the photos, {source}: "
            "choose another --output_dir."
        )
    found = _Sources(find_photos(source), find_videos(source))
    if not any(found):
        raise PhotoError(f"The folder {source} contains no photos or videos: choose another one.")
    return found


def _kinds(text: str) -> Sequence[str]:
    if text == "all":
        return outputs.KINDS
    kinds = [kind.strip() for kind in text.split(",")]
    for kind in kinds:
        if kind not in outputs.KINDS:
            known = ", ".join(outputs.KINDS)
            raise argparse.ArgumentTypeError(f"unknown kind {kind!r}: use all, or some of {known}")
    return kinds


def _kinds_help() -> str:
    """Returns a paragraph for each kind: its name, its file name and its description."""
    return "\n".join(
        [
            *_paragraphs("NAME", outputs.PHOTO_KINDS),
            *_paragraphs("NAME_face0", outputs.FACE_KINDS),
            *_paragraphs("", outputs.RUN_KINDS),
        ]
    )


def _paragraphs(prefix: str, table: Mapping[str, outputs.Kind[Any]]) -> Iterator[str]:
    for name, kind in table.items():
        start = f"  {name:11} {prefix + kind.ending:26} "
        yield textwrap.fill(
            kind.description, 100, initial_indent=start, subsequent_indent=" " * len(start)
        )


def _parse(arguments: Sequence[str]) -> argparse.Namespace:
    parser = argparse_flags.ArgumentParser(
        prog="twodasl-reconstruct",
        description=_DESCRIPTION.format(kinds=_kinds_help()),
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    _add_sources(parser)
    _add_outputs(parser.add_argument_group("results"))
    _add_model(parser.add_argument_group("network and face model"))
    parsed = parser.parse_args(arguments[1:])
    if (parsed.source is None) == (parsed.camera is None):
        parser.error("give either SOURCE (a photo, a video or a folder) or --camera")
    if parsed.retarget and (parsed.camera is not None or is_video(parsed.source)):
        parser.error("--retarget needs photos: a video or a camera cannot be retargeted")
    return parsed


def _add_sources(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "source",
        metavar="SOURCE",
        type=Path,
        nargs="?",
        help="a photo, a video, or a folder of photos and videos",
    )
    parser.add_argument(
        "--camera",
        metavar="N",
        type=int,
        help="instead of SOURCE: show camera N with the overlay in a window; 0 is the first camera",
    )


def _add_outputs(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--output_dir",
        metavar="DIR",
        type=Path,
        default=Path("faces_3d"),
        help="the folder of the results; created if missing (default: %(default)s)",
    )
    group.add_argument(
        "--outputs",
        metavar="KINDS",
        type=_kinds,
        default=outputs.DEFAULT_KINDS,
        help="the kinds of files to write for photos, separated by commas, or all "
        f"(default: {','.join(outputs.DEFAULT_KINDS)})",
    )
    group.add_argument(
        "--html", action="store_true", help="also write the kind html, an interactive page"
    )
    group.add_argument(
        "--retarget",
        metavar="PHOTO",
        type=Path,
        help="give all faces in photos the expression of the largest face in PHOTO",
    )
    group.add_argument(
        "--smoothing",
        choices=("off", *smoothing.STRENGTHS),
        default="light",
        help="how strongly to smooth the faces in videos and camera images (default: %(default)s)",
    )


def _add_model(group: argparse._ArgumentGroup) -> None:
    group.add_argument(
        "--weights",
        metavar="FILE",
        default="default",
        help="a weights file (.npz); or default, the most accurate embedded weights, for research only; "
        "or open, embedded weights for any use, trained on rendered faces (default: %(default)s)",
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
        read = scene_reader(reconstructor, units)
        if arguments.retarget is not None:
            read = retargeting_reader(read, arguments.retarget)
        kinds = (*arguments.outputs, "html") if arguments.html else arguments.outputs
        failures += reconstruct_photos(read, photos, folder, kinds)
    if videos:
        failures += reconstruct_videos(Pipeline(reconstructor, units, strength), videos, folder)
    count = len(photos) + len(videos)
    if failures and count > 1:
        lack = "files gave no complete result" if videos else "photos gave no result"
        print(f"{failures} of {count} {lack}.", file=sys.stderr)
    return entry_points.FAILURE if failures else 0


def _reconstructor(arguments: argparse.Namespace) -> Reconstructor:
    model = chosen_face_model(arguments.face_model)
    return Reconstructor(model, chosen_weights(arguments.weights))


if __name__ == "__main__":
    main()
