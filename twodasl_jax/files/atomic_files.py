"""Atomic writing of files."""

import contextlib
import os
import secrets
from collections.abc import Iterator
from pathlib import Path


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Replaces a file atomically: yields a temporary file in the same folder, and renames it to `path` on exit.

    If the body raises, the temporary file is removed and `path` stays unchanged.

    Args:
      path: the file to create or replace; its folder must exist.

    Yields:
      The temporary file, which the body writes. It has the suffix of `path`, and its name starts with a dot.

    Raises:
      OSError: the file cannot be written or renamed, for example because `path` is a folder. The error names `path`,
        not the temporary file.
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
    """Writes a file atomically; see `replacing`."""
    with replacing(path) as beside:
        beside.write_bytes(data)
