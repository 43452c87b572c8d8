"""Input landmarks: none, true, noisy and detected ones."""

import numpy as np
import pytest

from tests.helpers.protocol_files import write_annotations
from twodasl_jax.errors import ConfigError, DatasetError
from twodasl_jax.protocols.annotations import read_annotated_photos
from twodasl_jax.protocols.input_landmarks import input_landmarks


def test_no_given_and_detected_landmarks(photos, faces):
    assert np.isnan(input_landmarks("none", photos)).all()
    given = input_landmarks("given", photos)
    assert np.isnan(given[0, 5]).all()
    np.testing.assert_allclose(given[1:], faces.points[1:, :, :2])
    np.testing.assert_allclose(
        input_landmarks("detected", photos), faces.points[..., :2] + 1, atol=1e-3
    )


def test_noise_is_in_crop_pixels_and_repeatable(photos, faces):
    noisy = input_landmarks("given+noise:2.5", photos)
    np.testing.assert_array_equal(noisy, input_landmarks("given+noise:2.5", photos))
    sides = (faces.boxes[:, 2:] - faces.boxes[:, :2])[:, None]
    in_crops = (noisy - faces.points[..., :2]) / sides * 120
    assert np.nanstd(in_crops) == pytest.approx(2.5, rel=0.1)
    assert abs(np.nanmean(in_crops)) < 0.3


@pytest.mark.parametrize("kind", ["", "noise", "given+noise", "given+noise:x", "given+noise:-1"])
def test_rejects_unknown_kind(photos, kind):
    with pytest.raises(ConfigError, match="none, given, given\\+noise:SIGMA"):
        input_landmarks(kind, photos)


def test_rejects_landmarks_that_test_set_lacks(tmp_path, faces):
    write_annotations(tmp_path, faces)
    with pytest.raises(DatasetError, match="no detected landmarks"):
        input_landmarks("detected", read_annotated_photos(tmp_path))
