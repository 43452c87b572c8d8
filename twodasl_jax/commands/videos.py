"""Reconstruction of videos from files to files."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import NamedTuple

import tqdm

from twodasl_jax.commands import entry_points
from twodasl_jax.commands.results import counted, distinct_names, writing_to
from twodasl_jax.errors import VideoError
from twodasl_jax.inference.reconstruction import Reconstructor
from twodasl_jax.models.expression_units import ExpressionUnits
from twodasl_jax.outputs.clip import writing_clip
from twodasl_jax.videos.files import Video, open_video
from twodasl_jax.videos.following import follow_faces
from twodasl_jax.videos.smoothing import Strength


class Pipeline(NamedTuple):
    """The reconstruction of a video.

    Attributes:
      reconstructor: the face model and network.
      units: the expression units of the face model, if it has any.
      strength: the strength of the smoothing; None disables it.
    """

    reconstructor: Reconstructor
    units: ExpressionUnits | None
    strength: Strength | None


def reconstruct_videos(pipeline: Pipeline, videos: Sequence[Path], output_dir: Path) -> int:
    """Reconstructs videos one by one and reports each on the console.

    If a video is damaged or the program is asked to stop, the results up to that frame are kept. A
    damaged video does not affect the next one. After a stop, no further video is started.

    Args:
      pipeline: the reconstruction.
      videos: the video files.
      output_dir: the folder of the results. It is created with the first result.

    Returns:
      The number of videos without a complete result. Each of them that was started is named on
      standard error.

    Raises:
      OutputError: the results cannot be written.
    """
    complete = 0
    with writing_to(output_dir), entry_points.stop_signal() as stop_requested:
        for video, name in zip(videos, distinct_names(videos), strict=True):
            try:
                summary = reconstruct_video(pipeline, video, output_dir / name, stop_requested)
                print(f"{video}: {summary}")
                complete += 1
            except VideoError as error:
                print(error, file=sys.stderr)
            if stop_requested():
                break
    return len(videos) - complete


def reconstruct_video(
    pipeline: Pipeline, path: Path, target: Path, stop_requested: Callable[[], bool]
) -> str:
    """Reconstructs the faces of a video.

    Args:
      pipeline: the reconstruction.
      path: the video file.
      target: the folder and the common prefix of the result files.
      stop_requested: a function that returns whether to stop after the current frame.

    Returns:
      A one-line summary of the result.

    Raises:
      VideoError: there is no result, or the result ends before the video does.
      OSError: the results cannot be written.
    """
    reconstructor, units, strength = pipeline
    frame_count, people, failure = 0, set[int](), ""
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
                if stop_requested():
                    failure = f"Interrupted after frame {moment.frame.number} of {path}."
                    break
        except VideoError as error:
            failure = str(error)
        if not people:
            # Leaving the context by an error discards the files without faces.
            no_face = f"No face was found in {path}: use a video that shows one more clearly."
            raise VideoError(failure or no_face)
    if failure:
        raise VideoError(f"{failure.removesuffix('.')}; the earlier frames are in {target}_*.")
    return f"{counted(frame_count, 'frame')}, {counted(len(people), 'face')}, see {target}_*"


def _progress(video: Video) -> tqdm.tqdm:
    return tqdm.tqdm(video.frames, total=video.frame_count, unit="frame", leave=False, disable=None)


@contextlib.contextmanager
def _folder(path: Path) -> Iterator[None]:
    """Creates a folder if it is missing, and removes it again if it is still empty in the end."""
    is_new = not path.exists()
    path.mkdir(parents=True, exist_ok=True)
    try:
        yield
    finally:
        if is_new and not any(path.iterdir()):
            path.rmdir()
