"""Where results are written, and what they are called there and on the console."""

import contextlib
from collections.abc import Collection, Iterator, Sequence
from pathlib import Path

from twodasl_jax.errors import OutputError


@contextlib.contextmanager
def writing_to(output_dir: Path) -> Iterator[None]:
    """Raises whatever goes wrong with the folder of the results as an `OutputError` that names it."""
    try:
        if output_dir.exists() and not output_dir.is_dir():
            raise OutputError(
                f"Cannot write to {output_dir}: it is not a folder; choose another one."
            )
        yield
    except OSError as error:
        raise OutputError(f"Cannot write to {output_dir}: {error.strerror}.") from error


def distinct_names(files: Sequence[Path]) -> list[str]:
    """Returns names for the results of files: without the suffix, unless files differ in nothing else."""
    stems = [file.stem for file in files]
    if len({stem.casefold() for stem in stems}) == len(stems):
        return stems
    return [file.name for file in files]


def count_of(things: Collection[object], name: str) -> str:
    """Returns a number of things in words: 1 face, 2 faces."""
    return f"{len(things)} {name}{'' if len(things) == 1 else 's'}"
