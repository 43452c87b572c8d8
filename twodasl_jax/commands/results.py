"""The output folder of a command: error messages, file names and console texts."""

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from twodasl_jax.errors import OutputError


@contextlib.contextmanager
def writing_to(output_dir: Path) -> Iterator[None]:
    """Converts each `OSError` of its body to an `OutputError` that names the output folder.

    Raises:
      OutputError: `output_dir` is a file, or the body raises an `OSError`.
    """
    try:
        if output_dir.exists() and not output_dir.is_dir():
            raise OutputError(
                f"Cannot write to {output_dir}: it is not a folder; choose another one."
            )
        yield
    except OSError as error:
        raise OutputError(f"Cannot write to {output_dir}: {error.strerror}.") from error


def distinct_names(files: Sequence[Path]) -> list[str]:
    """Returns distinct result names: the stems of files, or their full names if stems are equal."""
    stems = [file.stem for file in files]
    if len({stem.casefold() for stem in stems}) == len(stems):
        return stems
    return [file.name for file in files]


def counted(count: int, noun: str) -> str:
    """Returns a count with its noun in the singular or plural: "1 face", "2 faces"."""
    return f"{count} {noun}{'' if count == 1 else 's'}"
