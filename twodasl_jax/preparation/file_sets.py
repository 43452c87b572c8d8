"""The files of a folder or of a zip archive alike: read one at a time, without unpacking anything."""

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

# The pictures of a folder may be in this archive in it, as if it were unpacked there.
_PICTURES = "images.zip"
# A picture of as many pixels as are read at all (`photos.MAX_PIXELS`) has no more bytes, even without compression.
_LARGEST_MEMBER = 2**29


@dataclasses.dataclass(frozen=True)
class FileSet:
    """Files by their names.

    Attributes:
      path: the folder or the archive.
      readers: by the name of a file, relative to `path` and with slashes, what returns its content. Hidden files and
        those in hidden folders are left out.
    """

    path: pathlib.Path
    readers: Mapping[str, Callable[[], bytes]]

    def read(self, name: str) -> bytes:
        """Returns the content of a file.

        Raises:
          DatasetError: the file cannot be read.
        """
        try:
            return self.readers[name]()
        except OSError as error:
            cause = error.strerror or "it is damaged"
            raise DatasetError(f"Cannot read {self.path / name}: {cause}.") from error
        except (zipfile.BadZipFile, zlib.error, EOFError) as error:
            raise DatasetError(
                f"Cannot read {self.path / name}: the archive is damaged, get it anew."
            ) from error
        except (RuntimeError, NotImplementedError) as error:
            raise DatasetError(
                f"Cannot read {self.path / name}: {error}; make a plain zip file without password."
            ) from error


@contextlib.contextmanager
def open_files(path: pathlib.Path) -> Iterator[FileSet]:
    """Opens a folder or a zip archive with everything below it.

    A folder that holds `images.zip` has the pictures of that archive, and no others.

    Raises:
      DatasetError: there is nothing, something else or a damaged archive, or a name in the archive comes twice or leads
        out of it.
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
                    f"{min(twice)} is in {path} as well as in its {_PICTURES}: remove one."
                )
            yield FileSet(path, {**others, **inside.readers})
        return
    if not path.exists():
        raise DatasetError(f"There is no folder or zip file {path}.")
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        raise DatasetError(f"Cannot read {path}: it is no folder and no zip file.") from error
    with archive:
        yield FileSet(path, _members(archive, path))


def _names_below(folder: pathlib.Path) -> list[str]:
    files = (entry for entry in folder.rglob("*") if entry.is_file())
    names = (entry.relative_to(folder).as_posix() for entry in files)
    return sorted(name for name in names if not _hidden(name))


def _members(archive: zipfile.ZipFile, path: pathlib.Path) -> dict[str, Callable[[], bytes]]:
    members = [member for member in archive.infolist() if not member.is_dir()]
    shown = sorted(
        (member for member in members if not _hidden(member.filename)),
        key=lambda member: member.filename,
    )
    for member in members:
        if member.filename.startswith("/") or ".." in member.filename.split("/"):
            raise DatasetError(
                f"{path} holds {member.filename}, a name that leads out of it; check where the archive comes from."
            )
    for name, count in collections.Counter(member.filename for member in shown).items():
        if count > 1:
            raise DatasetError(f"{path} holds {name} {count} times: remove all but one.")
    return {member.filename: functools.partial(_read, archive, path, member) for member in shown}


def _read(archive: zipfile.ZipFile, path: pathlib.Path, member: zipfile.ZipInfo) -> bytes:
    # The archive's own word for the size binds: zipfile reads no further.
    if member.file_size > _LARGEST_MEMBER:
        raise DatasetError(
            f"Cannot read {path / member.filename}: it unpacks to {member.file_size >> 20} MB, more than any picture "
            "that is read; check where it comes from."
        )
    return archive.read(member)


def _hidden(name: str) -> bool:
    # Besides, archives that were made on a Mac have a shadow of every file.
    parts = [part for part in name.split("/") if part != "."]
    return any(part.startswith(".") or part == "__MACOSX" for part in parts)
