"""Photos from files and arrays, as upright uint8 RGB arrays."""

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

# Larger files are refused before they are decoded: they are likely decompression bombs. A photo of this size takes less
# than 2 GB to read.
MAX_PIXELS = 170_000_000

_FORMATS = ("JPEG", "PNG", "WEBP", "TIFF", "BMP", "GIF", "AVIF", "JPEG2000", "PPM")
_SUFFIXES = frozenset(
    (".jpg", ".jpeg", ".png", ".webp", ".tif", ".tiff", ".bmp", ".gif", ".avif", ".jp2", ".ppm")
)
_REMEDY = "give a JPEG, PNG, WebP or TIFF picture"


class _UnsupportedPixels(Exception):
    """A picture is intact, but its pixel values are not colours."""


def find_photos(folder: str | os.PathLike[str]) -> list[Path]:
    """Lists the picture files of a folder by their suffix, sorted by name.

    Subfolders and names that start with a dot are skipped.

    Raises:
      PhotoError: the folder cannot be read.
    """
    try:
        entries = sorted(Path(folder).iterdir())
    except OSError as error:
        raise PhotoError(f"Cannot read the folder {folder}: {error.strerror}.") from error
    return [entry for entry in entries if is_picture(entry) and not entry.name.startswith(".")]


def is_picture(name: str | PurePath) -> bool:
    """Returns whether the suffix of a file name is that of a picture format."""
    return PurePath(name).suffix.lower() in _SUFFIXES


def read_photo(path: str | os.PathLike[str]) -> UInt8[np.ndarray, "H W 3"]:
    """Reads a picture file.

    The EXIF orientation is applied. An animation is read as its first frame. Transparent parts become white, 16-bit
    values keep their upper 8 bits, and grey, palette and CMYK pictures become RGB.

    Args:
      path: a JPEG, PNG, WebP, TIFF, BMP, GIF, AVIF, JPEG 2000 or PPM file.

    Returns:
      (H, W, 3) sRGB values.

    Raises:
      PhotoError: the file is missing, empty, damaged, not a picture, or has more than `MAX_PIXELS` pixels.
    """
    with _naming_errors(path):
        _check_file(Path(path))
        return _decode(Path(path))


def decode_photo(content: bytes, name: str) -> UInt8[np.ndarray, "H W 3"]:
    """Reads a picture file from memory, for example a file of an archive, like `read_photo`.

    Args:
      content: the content of the file.
      name: the name of the file in error messages.

    Raises:
      PhotoError: the content is empty, damaged, not a picture, or has more than `MAX_PIXELS` pixels.
    """
    with _naming_errors(name):
        if not content:
            raise PhotoError(f"Cannot read {name}: the file is empty; {_REMEDY}.")
        return _decode(io.BytesIO(content))


def as_photo(image: object) -> UInt8[np.ndarray, "H W 3"]:
    """Checks that an array is an RGB photo, and returns it unchanged.

    Args:
      image: a uint8 array of shape (H, W, 3), RGB.

    Raises:
      PhotoError: the image has another type or shape; the message contains the conversion.
    """
    if isinstance(image, str | os.PathLike):
        raise PhotoError(
            f"The image is the file name {str(image)!r}; read it with read_photo first."
        )
    try:
        array = np.asarray(image)
    except ValueError as error:
        raise PhotoError(f"The image is not an array: {error}") from error
    actual = f"The image is an array of {array.dtype} with shape {array.shape}"
    expected = "pass uint8 RGB of shape (H, W, 3)"
    if array.ndim == 2:
        raise PhotoError(f"{actual}; {expected}, for grey np.repeat(image[..., None], 3, axis=2).")
    if array.ndim == 3 and array.shape[2] == 4:
        raise PhotoError(f"{actual}; {expected}, for RGBA image[..., :3].")
    if array.ndim != 3 or array.shape[2] != 3:
        raise PhotoError(f"{actual}; {expected}.")
    if array.dtype != np.uint8:
        raise PhotoError(f"{actual}; {expected}, with values from 0 to 255.")
    if not array.size:
        raise PhotoError(f"{actual}; {expected} with at least one pixel.")
    return array


@contextlib.contextmanager
def _naming_errors(name: str | os.PathLike[str]) -> Iterator[None]:
    """Turns any error of a picture file into a `PhotoError` that names the file."""
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
        # The exception for damaged data depends on the decoder. Errors of the operating system, such as a missing
        # permission, have a `strerror`.
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
        # Pillow warns about large pictures and about slightly damaged metadata, which do no harm.
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
