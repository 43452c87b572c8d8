"""Exactly the given box becomes the crop."""

import numpy as np
import pytest

from twodasl_jax.crops import crop_photo
from twodasl_jax.errors import BoxError


def gradient_photo(height=300, width=400):
    """A photo whose red is the column and whose green is the row, halved."""
    y, x = np.mgrid[:height, :width]
    return np.stack([x // 2, y // 2, np.zeros_like(x)], axis=-1).astype(np.uint8)


def test_a_box_of_crop_size_is_a_slice():
    photo = gradient_photo()
    crop = crop_photo(photo, np.array([100.0, 50.0, 220.0, 170.0]))
    np.testing.assert_array_equal(crop, photo[50:170, 100:220])


def test_a_larger_box_is_averaged():
    photo = gradient_photo()
    crop = crop_photo(photo, np.array([0.0, 0.0, 240.0, 240.0])).astype(float)
    # Pixel j of the crop covers columns 2j and 2j + 1, both of value j.
    np.testing.assert_allclose(crop[60, 1:-1, 0], np.arange(120)[1:-1], atol=1)
    np.testing.assert_allclose(crop[1:-1, 60, 1], np.arange(120)[1:-1], atol=1)


def test_what_lies_outside_is_black():
    photo = np.full((120, 120, 3), 200, np.uint8)
    crop = crop_photo(photo, np.array([-60.0, 0.0, 60.0, 120.0]))
    np.testing.assert_array_equal(crop[:, :60], 0)
    np.testing.assert_array_equal(crop[:, 60:], 200)


def test_a_box_between_pixels_is_not_rounded():
    columns = 2 * np.arange(126, dtype=np.uint8)
    photo = np.broadcast_to(columns[None, :, None], (120, 126, 3)).copy()
    crop = crop_photo(photo, np.array([4.5, 0.0, 124.5, 120.0]))
    # Half of pixel j + 4 and half of pixel j + 5.
    np.testing.assert_array_equal(crop[0, 1:-1, 0], 2 * np.arange(120)[1:-1] + 9)


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
    ],
)
def test_impossible_boxes_are_named(box, reason):
    with pytest.raises(BoxError, match=reason):
        crop_photo(gradient_photo(), np.array(box, float))
