"""Tests of crops."""

import numpy as np
import pytest
from PIL import Image

from twodasl_jax.errors import BoxError
from twodasl_jax.imaging.crops import crop_photo, sample_photo


def gradient_photo(height=300, width=400):
    """Returns a photo with red = column / 2 and green = row / 2."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x // 2, y // 2, np.zeros_like(x)], axis=-1).astype(np.uint8)


def test_crop_of_box_of_crop_size_is_slice():
    photo = gradient_photo()
    crop = crop_photo(photo, np.array([100.0, 50.0, 220.0, 170.0]))
    np.testing.assert_array_equal(crop, photo[50:170, 100:220])


def test_larger_box_is_averaged():
    photo = gradient_photo()
    crop = crop_photo(photo, np.array([0.0, 0.0, 240.0, 240.0])).astype(float)
    # Pixel j of the crop covers columns 2j and 2j + 1, both of value j.
    np.testing.assert_allclose(crop[60, 1:-1, 0], np.arange(120)[1:-1], atol=1)
    np.testing.assert_allclose(crop[1:-1, 60, 1], np.arange(120)[1:-1], atol=1)


@pytest.mark.parametrize("box", [(100.3, 50.8, 1500.3, 1650.8), (-300.0, 900.0, 1700.0, 2900.0)])
def test_crop_of_large_box_is_antialiased(box):
    y, x = np.mgrid[:1800, :2000] / 150
    waves = 127 + 120 * np.stack([np.sin(x), np.cos(y), np.sin(x + y)], axis=-1)
    photo = Image.fromarray(waves.astype(np.uint8))
    expected = photo.transform((120, 120), Image.Transform.EXTENT, box, Image.Resampling.BILINEAR)
    crop = crop_photo(np.asarray(photo), np.array(box))
    inner = np.s_[1:-1, 1:-1]
    differences = np.abs(crop.astype(int) - np.asarray(expected))[inner]
    assert np.percentile(differences, 95) <= 6


def test_box_may_be_larger_than_photo_of_108_megapixels():
    photo = np.broadcast_to(np.uint8(200), (9000, 12000, 3))
    crop = crop_photo(photo, np.array([-12000.0, -12000.0, 24000.0, 24000.0]))
    np.testing.assert_array_equal(crop[42:68, 42:78], 200)
    np.testing.assert_array_equal(crop[:, :39], 0)


def test_pixels_outside_photo_are_black():
    photo = np.full((120, 120, 3), 200, np.uint8)
    crop = crop_photo(photo, np.array([-60.0, 0.0, 60.0, 120.0]))
    np.testing.assert_array_equal(crop[:, :60], 0)
    np.testing.assert_array_equal(crop[:, 60:], 200)


def test_fractional_box_is_not_rounded():
    columns = 2 * np.arange(126, dtype=np.uint8)
    photo = np.broadcast_to(columns[None, :, None], (120, 126, 3)).copy()
    crop = crop_photo(photo, np.array([4.5, 0.0, 124.5, 120.0]))
    # The mean of the pixels j + 4 and j + 5.
    np.testing.assert_array_equal(crop[0, 1:-1, 0], 2 * np.arange(120)[1:-1] + 9)


def test_sample_photo_interpolates_without_antialiasing():
    photo = np.random.default_rng(0).integers(0, 256, (300, 400, 3)).astype(np.uint8)
    box = np.array([20.0, 10.0, 380.0, 250.0])
    # The centre of crop pixel j lies at column 20 + 3 (j + 1/2) and row 10 + 2 (j + 1/2), from the corner of the photo.
    columns, rows = 21 + 3 * np.arange(120), 10 + 2 * np.arange(120)
    expected = (photo[rows].astype(float) + photo[rows + 1])[:, columns] / 2
    np.testing.assert_allclose(sample_photo(photo, box), expected, atol=1)
    np.testing.assert_array_equal(
        sample_photo(photo, np.array([100.0, 50.0, 220.0, 170.0])), photo[50:170, 100:220]
    )


def test_sample_photo_fills_with_black_and_checks_box():
    photo = np.full((120, 120, 3), 200, np.uint8)
    crop = sample_photo(photo, np.array([-60.0, 0.0, 60.0, 120.0]))
    np.testing.assert_array_equal(crop[:, :60], 0)
    np.testing.assert_array_equal(crop[:, 60:], 200)
    with pytest.raises(BoxError, match="no area"):
        sample_photo(photo, np.zeros(4))


@pytest.mark.parametrize(
    ("box", "reason"),
    [
        ((10, 10, 10, 50), "no area"),
        ((50, 10, 10, 50), "no area"),
        ((500, 10, 600, 50), "outside the photo of 400x300"),
        ((-90, -90, 0, 0), "outside"),
        ((np.nan, 0, 1, 1), "not finite"),
        ((0, 0, np.inf, 1), "not finite"),
        ((-5000, -5000, 5000, 5000), "4 times as large"),
        ((-3e38, -3e38, 3e38, 3e38), "4 times as large"),
    ],
)
def test_invalid_box_raises(box, reason):
    with pytest.raises(BoxError, match=reason):
        crop_photo(gradient_photo(), np.array(box, np.float32))
