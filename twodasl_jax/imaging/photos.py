"""Photos from files and from arrays, as the rest of the package wants them: uint8 RGB, upright."""

import contextlib
import io
import os
import warnings
from collections.abc import Iterator
from pathlib import Path, PurePath
from typing import BinaryIO

import numpy as np
from jaxtyping import UInt8
from PIL import Image, ImageOps

from twodasl_jax.errors import PhotoError

# Beyond this size a file is refused before it is decoded: it is more likely a "decompression bomb"
# than a photo. Reading one of this size takes less than 2 GB.
MAX_PIXELS = 170_000_000

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM")
_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".jp2", ".ppm")
)
_REMEDY = "give a JPEG, PNG, WebP or TIFF picture"


class _UnsupportedPixels(Exception):
    """A sound picture holds values that cannot be read as colours."""


def find_photos(folder: str | os.PathLike[str]) -> list[Path]:
    """Lists the files of a folder whose names end like a picture's, sorted by name.

    Folders inside the folder are not searched; names that start with a dot are left out.

    Raises:
      PhotoError: the folder cannot be read.
    """
    try:
        entries = sorted(Path(folder).iterdir())
    except OSError as error:
        raise PhotoError(f"Cannot read the folder {folder}: {error.strerror}.") from error
    return [entry for entry in entries if is_picture(entry) and not entry.name.startswith(".")]


def is_picture(name: str | PurePath) -> bool:
    """Returns whether the name of a file ends like a picture's."""
    return PurePath(name).suffix.lower() in _SUFFIXES


def read_photo(path: str | os.PathLike[str]) -> UInt8[np.ndarray, "H W 3"]:
    """Reads a picture file.

    The picture is turned upright as its EXIF data say. Of an animation the first frame counts.
    Transparent parts become white, 16-bit values lose their lower half, and grey, palette and CMYK
    pictures become RGB.

    Args:
      path: a JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF, JPEG 2000 or PPM file.

    Returns:
      The picture as sRGB values.

    Raises:
      PhotoError: the file is missing, empty, damaged, not a picture or larger than `MAX_PIXELS`.
    """
    with _faults_of(path):
        _check_file(Path(path))
        return _decode(Path(path))


def decode_photo(content: bytes, name: str) -> UInt8[np.ndarray, "H W 3"]:
    """Reads a picture file that is in memory, such as one out of an archive; otherwise as `read_photo`.

    Args:
      content: of the file.
      name: for messages.

    Raises:
      PhotoError: the content is empty, damaged, not a picture or larger than `MAX_PIXELS`.
    """
    with _faults_of(name):
        if not content:
            raise PhotoError(f"Cannot read {name}: the file is empty; {_REMEDY}.")
        return _decode(io.BytesIO(content))


def as_photo(image: object) -> UInt8[np.ndarray, "H W 3"]:
    """Checks that an array is an RGB photo; it is returned as it is.

    Args:
      image: uint8 array of shape (H, W, 3), RGB.

    Raises:
      PhotoError: it is something else; the message says what and how to convert it.
    """
    if isinstance(image, str | os.PathLike):
        raise PhotoError(
            f"The image is the name {str(image)!r}; give what read_photo returns for it."
        )
    try:
        array = np.asarray(image)
    except ValueError as error:
        raise PhotoError(f"The image is not an array: {error}") from error
    given = f"The image is an array of {array.dtype} with shape {array.shape}"
    wanted = "give uint8 RGB of shape (H, W, 3)"
    if array.ndim == 2:
        raise PhotoError(f"{given}; {wanted}, for grey np.repeat(image[..., None], 3, axis=2).")
    if array.ndim == 3 and array.shape[2] == 4:
        raise PhotoError(f"{given}; {wanted}, for RGBA image[..., :3].")
    if array.ndim != 3 or array.shape[2] != 3:
        raise PhotoError(f"{given}; {wanted}.")
    if array.dtype != np.uint8:
        raise PhotoError(f"{given}; {wanted}, with values from 0 to 255.")
    if not array.size:
        raise PhotoError(f"{given}; {wanted} with at least one pixel.")
    return array


@contextlib.contextmanager
def _faults_of(name: str | os.PathLike[str]) -> Iterator[None]:
    """Raises whatever goes wrong with a file as a `PhotoError` that names it."""
    try:
        yield
    except PhotoError:
        raise
    except _UnsupportedPixels as error:
        raise PhotoError(f"Cannot read {name}: {error}; {_REMEDY} of 8 or 16 bits.") from error
    except Image.DecompressionBombError as error:
        limit = f"more than {MAX_PIXELS // 10**6} million pixels; scale it down"
        raise PhotoError(f"Cannot read {name}: it has {limit}.") from error
    except Image.UnidentifiedImageError as error:
        raise PhotoError(f"Cannot read {name}: it is not a picture; {_REMEDY}.") from error
    except (OSError, SyntaxError, ValueError, TypeError, IndexError) as error:
        # What a decoder raises on damaged data depends on the format; the system's own errors,
        # such as missing permission, carry a text.
        cause = getattr(error, "strerror", None) or f"it is damaged ({error}); {_REMEDY}"
        raise PhotoError(f"Cannot read {name}: {cause}.") from error


def _check_file(path: Path) -> None:
    if path.is_dir():
        raise PhotoError(f"Cannot read {path}: it is a folder; {_REMEDY}.")
    if not path.exists():
        raise PhotoError(f"Cannot read {path}: there is no such file; {_REMEDY}.")
    if not path.is_file():
        raise PhotoError(f"Cannot read {path}: it is not a regular file; {_REMEDY}.")
    if not path.stat().st_size:
        raise PhotoError(f"Cannot read {path}: the file is empty; {_REMEDY}.")


def _decode(file: Path | BinaryIO) -> UInt8[np.ndarray, "H W 3"]:
    with warnings.catch_warnings():
        # Large pictures and slightly damaged metadata are no matter for the user.
        warnings.simplefilter("ignore")
        with Image.open(file, formats=_FORMATS) as picture:
            if picture.width * picture.height > MAX_PIXELS:
                raise Image.DecompressionBombError
            ImageOps.exif_transpose(picture, in_place=True)
            return np.asarray(_as_rgb(picture))


def _as_rgb(picture: Image.Image) -> Image.Image:
    if picture.mode == "F":
        raise _UnsupportedPixels("its pixels are floating-point numbers")
    if picture.mode.startswith("I"):
        return _as_rgb(_from_16_bit(picture))
    if picture.has_transparency_data:
        white = Image.new("RGBA", picture.size, "white")
        picture = Image.alpha_composite(white, picture.convert("RGBA"))
    return picture if picture.mode == "RGB" else picture.convert("RGB")


def _from_16_bit(picture: Image.Image) -> Image.Image:
    values = np.asarray(picture)
    if values.min() < 0 or values.max() > np.iinfo(np.uint16).max:
        raise _UnsupportedPixels("its pixels need more than 16 bits")
    return Image.fromarray((values >> 8).astype(np.uint8))
