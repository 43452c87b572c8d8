"""Tests of photos from files and arrays of all supported and unsupported kinds."""

import os
import pathlib
import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from twodasl_jax import errors
from twodasl_jax.imaging import photos

RAMP = np.arange(24 * 32 * 3, dtype=np.uint32).reshape(24, 32, 3)
RGB = (RAMP % 251).astype(np.uint8)


def save(path, array, **options):
    Image.fromarray(array).save(path, **options)
    return path


def png_with_16_bit_rgb(array):
    """Encodes a PNG file with 16-bit RGB, which Pillow can read but not write."""
    rows = b"".join(b"\0" + row.astype(">u2").tobytes() for row in array)

    def chunk(kind, data):
        return (
            struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))
        )

    header = struct.pack(">IIBBBBB", array.shape[1], array.shape[0], 16, 2, 0, 0, 0)
    chunks = chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(rows)) + chunk(b"IEND", b"")
    return b"\x89PNG\r\n\x1a\n" + chunks


@pytest.mark.parametrize("suffix", [".png", ".bmp", ".tif", ".ppm"])
def test_lossless_formats_survive_round_trip(tmp_path, suffix):
    image = photos.read_photo(save(tmp_path / f"photo{suffix}", RGB))
    assert image.dtype == np.uint8
    np.testing.assert_array_equal(image, RGB)


@pytest.mark.parametrize("suffix", [".jpg", ".webp", ".avif"])
def test_lossy_formats_are_close(tmp_path, suffix):
    flat = np.full((32, 32, 3), (200, 120, 40), np.uint8)
    image = photos.read_photo(save(tmp_path / f"photo{suffix}", flat))
    np.testing.assert_allclose(image, flat, atol=6)


def test_format_does_not_depend_on_suffix(tmp_path):
    path = save(tmp_path / "photo.jpg", RGB, format="PNG")
    np.testing.assert_array_equal(photos.read_photo(str(path)), RGB)


def test_grey_becomes_rgb(tmp_path):
    image = photos.read_photo(save(tmp_path / "grey.png", RGB[..., 0]))
    np.testing.assert_array_equal(image, np.repeat(RGB[..., :1], 3, axis=2))


def test_black_and_white_becomes_rgb(tmp_path):
    path = tmp_path / "bits.png"
    Image.fromarray(RGB[..., 0] > 100).save(path)
    np.testing.assert_array_equal(photos.read_photo(path)[..., 1], (RGB[..., 0] > 100) * 255)


def test_transparent_parts_become_white(tmp_path):
    alpha = np.full(RGB.shape[:2], 255, np.uint8)
    alpha[:5] = 0
    image = photos.read_photo(save(tmp_path / "rgba.png", np.dstack([RGB, alpha])))
    np.testing.assert_array_equal(image[:5], 255)
    np.testing.assert_array_equal(image[5:], RGB[5:])


def test_transparent_grey_becomes_white(tmp_path):
    grey = np.dstack([RGB[..., 0], np.zeros(RGB.shape[:2], np.uint8)])
    np.testing.assert_array_equal(photos.read_photo(save(tmp_path / "la.png", grey)), 255)


def test_palette_becomes_rgb(tmp_path):
    colours = np.zeros((24, 32, 3), np.uint8)
    colours[:, 16:] = (250, 10, 60)
    path = tmp_path / "palette.png"
    Image.fromarray(colours).quantize(8).save(path)
    assert Image.open(path).mode == "P"
    np.testing.assert_array_equal(photos.read_photo(path), colours)


def test_transparent_palette_colour_becomes_white(tmp_path):
    path = tmp_path / "palette.gif"
    picture = Image.fromarray(np.zeros((8, 8), np.uint8), "P")
    picture.putpalette([9, 9, 9])
    picture.save(path, transparency=0)
    np.testing.assert_array_equal(photos.read_photo(path), 255)


def test_16_bit_grey_keeps_upper_bits(tmp_path):
    values = (RAMP[..., 0] * 28).astype(np.uint16)
    assert values.max() > 60000
    image = photos.read_photo(save(tmp_path / "grey16.png", values))
    np.testing.assert_array_equal(image, np.repeat(values[..., None] >> 8, 3, axis=2))


def test_16_bit_rgb_keeps_upper_bits(tmp_path):
    values = (RAMP * 28).astype(np.uint16)
    path = tmp_path / "rgb16.png"
    path.write_bytes(png_with_16_bit_rgb(values))
    np.testing.assert_array_equal(photos.read_photo(path), values >> 8)


def test_32_bit_values_raise(tmp_path):
    path = save(tmp_path / "deep.tif", RAMP[..., 0].astype(np.int32) * 1000)
    with pytest.raises(errors.PhotoError, match=r"deep\.tif.*more than 16 bits"):
        photos.read_photo(path)


def test_floating_point_values_raise(tmp_path):
    path = save(tmp_path / "depth.tif", (RAMP[..., 0] / RAMP.max()).astype(np.float32))
    with pytest.raises(errors.PhotoError, match=r"depth\.tif: its pixels are floating-point"):
        photos.read_photo(path)


def test_cmyk_becomes_rgb(tmp_path):
    path = tmp_path / "cmyk.jpg"
    flat = np.full((32, 32, 3), (200, 120, 40), np.uint8)
    Image.fromarray(flat).convert("CMYK").save(path, quality=95)
    assert Image.open(path).mode == "CMYK"
    np.testing.assert_allclose(photos.read_photo(path), flat, atol=6)


@pytest.mark.parametrize(
    ("orientation", "upright"),
    [
        (1, RGB),
        (2, RGB[:, ::-1]),
        (3, RGB[::-1, ::-1]),
        (6, np.rot90(RGB, -1)),
        (8, np.rot90(RGB, 1)),
    ],
)
def test_exif_orientation_is_applied(tmp_path, orientation, upright):
    exif = Image.Exif()
    exif[0x0112] = orientation
    image = photos.read_photo(save(tmp_path / "turned.png", RGB, exif=exif))
    np.testing.assert_array_equal(image, upright)


def test_damaged_exif_is_ignored(tmp_path):
    path = save(tmp_path / "exif.png", RGB, exif=b"Exif\0\0MM\0*\0\0\0\x08\xff\xff\x01\x12")
    np.testing.assert_array_equal(photos.read_photo(path), RGB)


@pytest.mark.parametrize("suffix", [".gif", ".webp", ".png", ".tif"])
def test_animation_is_read_as_first_frame(tmp_path, suffix):
    frames = [Image.new("RGB", (16, 16), colour) for colour in ("red", "lime", "blue")]
    path = tmp_path / f"moving{suffix}"
    frames[0].save(path, save_all=True, append_images=frames[1:], duration=40)
    image = photos.read_photo(path)
    np.testing.assert_allclose(image, np.full((16, 16, 3), (255, 0, 0)), atol=4)


def test_photo_of_one_pixel(tmp_path):
    assert photos.read_photo(save(tmp_path / "dot.png", RGB[:1, :1])).shape == (1, 1, 3)


def test_108_megapixels_are_read_without_a_warning(tmp_path, recwarn):
    path = tmp_path / "large.png"
    Image.new("L", (12000, 9000), 77).save(path, compress_level=1)
    image = photos.read_photo(path)
    assert image.shape == (9000, 12000, 3)
    assert image[8999, 11999].tolist() == [77, 77, 77]
    assert not recwarn.list


@pytest.mark.parametrize("side", [13_100, 60_000])
def test_decompression_bomb_raises_before_decoding(tmp_path, side):
    path = tmp_path / "bomb.png"
    path.write_bytes(png_with_16_bit_rgb(np.zeros((1, 1, 3))))
    data = bytearray(path.read_bytes())
    data[16:24] = struct.pack(">II", side, side)
    data[29:33] = struct.pack(">I", zlib.crc32(bytes(data[12:29])))
    path.write_bytes(data)
    with pytest.raises(errors.PhotoError, match=r"bomb\.png.*more than 170 million pixels"):
        photos.read_photo(path)


def write_bad_files(folder):
    """Writes invalid files. Returns the expected text of the message by name."""
    jpeg = save(folder / "good.jpg", np.tile(RGB, (8, 8, 1))).read_bytes()
    png = save(folder / "good.png", RGB).read_bytes()
    (folder / "folder.jpg").mkdir()
    os.mkfifo(folder / "pipe.jpg")
    contents = {
        "empty.jpg": (b"", "empty"),
        "truncated.jpg": (jpeg[: len(jpeg) // 2], "damaged"),
        "header.jpg": (jpeg[:30], "picture|damaged"),
        "truncated.png": (png[: len(png) // 2], "damaged"),
        "flipped.png": (png[:60] + bytes(40) + png[100:], "damaged"),
        "text.jpg": (b"not a picture at all", "not a picture"),
        "page.jpg": (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", "not a picture"),
    }
    for name, (data, _) in contents.items():
        (folder / name).write_bytes(data)
    causes = {name: cause for name, (_, cause) in contents.items()}
    return causes | {
        "missing.jpg": "no such file",
        "folder.jpg": "folder",
        "n" * 300: "File name too long",
        "pipe.jpg": "regular file",
    }


def test_message_is_one_sentence_with_file_and_cause(tmp_path):
    for name, cause in write_bad_files(tmp_path).items():
        with pytest.raises(errors.PhotoError, match=cause) as raised:
            photos.read_photo(tmp_path / name)
        message = str(raised.value)
        assert str(tmp_path / name) in message
        assert message.endswith(".")
        assert "\n" not in message


def test_find_photos_lists_pictures_by_suffix(tmp_path):
    for name in ("b.JPG", "a.png", ".hidden.png", "notes.txt", "c.jpeg.part"):
        (tmp_path / name).touch()
    (tmp_path / "inner").mkdir()
    assert [path.name for path in photos.find_photos(tmp_path)] == ["a.png", "b.JPG"]


def test_find_photos_in_missing_folder_raises(tmp_path):
    with pytest.raises(errors.PhotoError, match=r"nowhere: No such file"):
        photos.find_photos(tmp_path / "nowhere")


def test_as_photo_does_not_copy():
    assert photos.as_photo(RGB) is RGB


@pytest.mark.parametrize(
    ("array", "message"),
    [
        (RGB[..., 0], r"uint8 with shape \(24, 32\).*np\.repeat"),
        (np.dstack([RGB, RGB[..., :1]]), r"shape \(24, 32, 4\).*\[\.\.\., :3\]"),
        (RGB.transpose(2, 0, 1), r"shape \(3, 24, 32\); pass uint8 RGB"),
        (RGB[None], r"shape \(1, 24, 32, 3\)"),
        (RGB / 255, r"float64.*values from 0 to 255"),
        (RGB.astype(np.uint16), "uint16.*values from 0 to 255"),
        (RGB[:0], r"shape \(0, 32, 3\).*at least one pixel"),
        (None, r"object with shape \(\)"),
        ([[1], [1, 2]], "not an array"),
        ("photo.jpg", r"file name 'photo\.jpg'; read it with read_photo first"),
        (pathlib.Path("photo.jpg"), r"file name 'photo\.jpg'; read it with read_photo first"),
    ],
)
def test_as_photo_rejects_other_arrays_with_remedy(array, message):
    with pytest.raises(errors.PhotoError, match=message):
        photos.as_photo(array)


def test_decode_photo_equals_read_photo(tmp_path):
    path = save(tmp_path / "photo.png", RGB)
    np.testing.assert_array_equal(photos.decode_photo(path.read_bytes(), "photo.png"), RGB)


@pytest.mark.parametrize(
    ("content", "fault"), [(b"", "the file is empty"), (b"no picture", "it is not a picture")]
)
def test_decode_photo_rejects_other_content(content, fault):
    with pytest.raises(errors.PhotoError, match=rf"faces\.zip/photo\.png: {fault}"):
        photos.decode_photo(content, "faces.zip/photo.png")
