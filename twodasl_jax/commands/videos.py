"""Videos in, overlays and tables of their faces out."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import tqdm

from twodasl_jax.commands import entry_points
from twodasl_jax.commands.results import count_of, distinct_names, writing_to
from twodasl_jax.errors import VideoError
from twodasl_jax.expression_units import ExpressionUnits
from twodasl_jax.inference.reconstruction import Reconstructor
from twodasl_jax.outputs.clip import writing_clip
from twodasl_jax.videos.files import Video, open_video
from twodasl_jax.videos.following import follow_faces
from twodasl_jax.videos.smoothing import Strength


class Pipeline(NamedTuple):
    """With what videos are reconstructed.

    Attributes:
      reconstructor: face model and network.
      units: expression units of its face model.
      strength: how strongly faces are smoothed; None leaves them as they are.
    """

    reconstructor: Reconstructor
    units: ExpressionUnits | None
    strength: Strength | None


def reconstruct_videos(pipeline: Pipeline, videos: Sequence[Path], output_dir: Path) -> int:
    """Reconstructs videos one by one and says on the console what became of each.

    A video that cannot be read to its end, and one during which the program is asked to stop, leaves what was
    reconstructed until then; after the latter no other begins.

    Args:
      pipeline: with what.
      videos: video files.
      output_dir: folder of the results, made when there is a first one.

    Returns:
      The number of videos without a whole result; each that was begun is named on the standard error stream.

    Raises:
      OutputError: the results cannot be written.
    """
    whole = 0
    with writing_to(output_dir), entry_points.stop_signal() as asked:
        for video, name in zip(videos, distinct_names(videos), strict=True):
            target = output_dir / name
            try:
                found = reconstruct_video(pipeline, video, target, asked)
                print(f"{video}: {found}")
                whole += 1
            except VideoError as error:
                print(error, file=sys.stderr)
            if asked():
                break
    return len(videos) - whole


def reconstruct_video(
    pipeline: Pipeline, path: Path, target: Path, asked: Callable[[], bool]
) -> str:
    """Reconstructs the faces of a video.

    Args:
      pipeline: with what.
      path: the video.
      target: folder and first part of the names of the results.
      asked: whether to stop with the frame that was just written.

    Returns:
      What was found, in words.

    Raises:
      VideoError: there is no result, or one that ends before the video does.
      OSError: the results cannot be written.
    """
    reconstructor, units, strength = pipeline
    frame_count, people, stop = 0, set[int](), ""
    with (
        open_video(path) as video,
        _folder(target.parent),
        writing_clip(target, video.rate, reconstructor.model, units) as write,
    ):
        try:
            for moment in follow_faces(reconstructor, _progress(video), strength):
                write(moment)
                frame_count += 1
                people |= {person.number for person in moment.people}
                if asked():
                    stop = f"Interrupted after frame {moment.frame.number} of {path}."
                    break
        except VideoError as error:
            stop = str(error)
        if not people:
            nobody = f"No face was found in {path}: give a video that shows one more clearly."
            raise VideoError(stop or nobody)
    if stop:
        raise VideoError(f"{stop.removesuffix('.')}; what came before is in {target}_*.")
    return f"{count_of(range(frame_count), 'frame')}, {count_of(people, 'face')}, see {target}_*"


def _progress(video: Video) -> tqdm.tqdm:
    return tqdm.tqdm(video.frames, total=video.frame_count, unit="frame", leave=False, disable=None)


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[None]:
    """Makes a folder where there is none, which is gone again if nothing came of it."""
    is_new = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if is_new and not any(path.iterdir()):
            path.rmdir()
