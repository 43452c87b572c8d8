"""Uniform access to the files of a folder or a zip archive, without unpacking the archive."""

import collections
import contextlib
import dataclasses
import functools
import pathlib
import zipfile
import zlib
from collections.abc import Callable, Iterator, Mapping

from twodasl_jax.errors import DatasetError
from twodasl_jax.imaging.photos import is_picture

# The name of an optional archive in a folder that contains the pictures of the folder.
_PICTURES = "images.zip"
# An uncompressed picture with the largest supported number of pixels (`photos.MAX_PIXELS`) has
# fewer bytes.
_LARGEST_MEMBER = 2**29


@dataclasses.dataclass(frozen=True)
class FileSet:
    """A set of named files.

    Attributes:
      path: the folder or the archive.
      readers: a function per file that returns its content. The keys are paths relative to `path`,
        with slashes. Hidden files, and files in hidden folders, are not included.
    """

    path: pathlib.Path
    readers: Mapping[str, Callable[[], bytes]]

    def read(self, name: str) -> bytes:
        """Returns the content of a file.

        Raises:
          DatasetError: if the file cannot be read.
        """
        try:
            return self.readers[name]()
        except OSError as error:
            cause = error.strerror or "the file is damaged"
            raise DatasetError(f"Cannot read {self.path / name}: {cause}.") from error
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise DatasetError(
                f"Cannot read {self.path / name}: the archive is damaged; obtain it again."
            ) from error
        except (RuntimeError, NotImplementedError) as error:
            raise DatasetError(
                f"Cannot read {self.path / name}: {error}; use a plain zip file without password."
            ) from error


@contextlib.contextmanager
def open_files(path: pathlib.Path) -> Iterator[FileSet]:
    """Opens a folder or a zip archive, with all files below it.

    If a folder contains `images.zip`, the pictures come from this archive only.

    Raises:
      DatasetError: if the path is missing or is neither a folder nor a readable archive, if a name
        occurs twice, or if a name in the archive leads outside of it.
    """
    if path.is_dir():
        readers = {name: (path / name).read_bytes for name in _names_below(path)}
        if _PICTURES not in readers:
            yield FileSet(path, readers)
            return
        with open_files(path / _PICTURES) as inside:
            others = {name: read for name, read in readers.items() if not is_picture(name)}
            twice = others.keys() & inside.readers.keys()
            if twice:
                raise DatasetError(
                    f"{min(twice)} is in {path} as well as in its {_PICTURES}: remove one of them."
                )
            yield FileSet(path, {**others, **inside.readers})
        return
    if not path.exists():
        raise DatasetError(f"There is no folder or zip file {path}.")
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise DatasetError(f"Cannot read {path}: it is neither a folder nor a zip file.") from error
    with archive:
        yield FileSet(path, _members(archive, path))


def _names_below(folder: pathlib.Path) -> list[str]:
    files = (entry for entry in folder.rglob("*") if entry.is_file())
    names = (entry.relative_to(folder).as_posix() for entry in files)
    return sorted(name for name in names if not _is_hidden(name))


def _members(archive: zipfile.ZipFile, path: pathlib.Path) -> dict[str, Callable[[], bytes]]:
    members = [member for member in archive.infolist() if not member.is_dir()]
    included = sorted(
        (member for member in members if not _is_hidden(member.filename)),
        key=lambda member: member.filename,
    )
    for member in members:
        if member.filename.startswith("/") or ".." in member.filename.split("/"):
            raise DatasetError(
                f"{path} contains {member.filename}, a name that leads outside the archive; check the origin of the "
                "archive."
            )
    for name, count in collections.Counter(member.filename for member in included).items():
        if count > 1:
            raise DatasetError(f"{path} contains {name} {count} times: remove all but one.")
    return {member.filename: functools.partial(_read, archive, path, member) for member in included}


def _read(archive: zipfile.ZipFile, path: pathlib.Path, member: zipfile.ZipInfo) -> bytes:
    # `zipfile` never unpacks more bytes than the archive declares.
    if member.file_size > _LARGEST_MEMBER:
        raise DatasetError(
            f"Cannot read {path / member.filename}: it unpacks to {member.file_size >> 20} MB, more than any supported "
            "picture; check the origin of the archive."
        )
    return archive.read(member)


def _is_hidden(name: str) -> bool:
    # Archives from macOS have a second, hidden copy of every file in __MACOSX.
    parts = [part for part in name.split("/") if part != "."]
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)
