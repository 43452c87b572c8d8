"""Files that are either complete or not there."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Lets the caller write a file beside `path`, then renames it to `path` in one step.

    When the caller fails, the new file is removed and whatever `path` held before stays.

    Args:
      path: the file to create or replace; its folder must exist.

    Yields:
      The file to write. It has the same suffix, and its name starts with a dot.

    Raises:
      OSError: the file cannot be written, or not be renamed, for example because `path` is a folder; the error
        names `path`, not the file beside it.
    """
    target = Path(path)
    beside = target.with_name(f".{target.stem}.{secrets.token_hex(8)}{target.suffix}")
    try:
        yield beside
        beside.replace(target)
    except OSError as error:
        if error.filename == os.fspath(beside):
            error.filename = os.fspath(target)
        raise
    finally:
        beside.unlink(missing_ok=True)


def write_bytes(path: str | os.PathLike[str], data: bytes) -> None:
    """Writes a whole file in one step; see `replacing`."""
    with replacing(path) as beside:
        beside.write_bytes(data)
