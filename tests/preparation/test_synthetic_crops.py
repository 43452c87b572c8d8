"""Tests of records of rendered faces: exact annotations in the crop frame."""

import numpy as np
import pytest

from twodasl_jax.geometry.coefficients import coefficients_from_official
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.geometry.projection import camera_from_affine
from twodasl_jax.geometry.rotation import euler_from_rotation
from twodasl_jax.models.face_model import digest
from twodasl_jax.preparation import synthetic_crops
from twodasl_jax.preparation.synthetic_crops import SyntheticSeries, synthetic_source


@pytest.fixture(scope="module")
def records(face_model):
    source = synthetic_source(face_model, SyntheticSeries(30, 7))
    return {name: list(split()) for name, split in source.splits.items()}


def test_one_face_in_25_is_held_out(records, face_model):
    assert [record["name"] for record in records["validation"]] == ["0000000", "0000025"]
    assert len(records["train"]) == 28
    assert synthetic_source(face_model, SyntheticSeries(30, 7)).face_model == digest(face_model)


def test_coefficients_project_to_landmarks(records, face_model):
    for record in records["train"]:
        decoded = coefficients_from_official(record["vector"])
        projected = np.asarray(decode(landmark_space(face_model), decoded))[:, :2]
        np.testing.assert_allclose(projected, record["landmarks"], atol=2e-3)
        yaw = euler_from_rotation(camera_from_affine(decoded.affine).rotation)[0]
        assert yaw == pytest.approx(record["yaw"], abs=1e-3)
        # 3DDFA's crop has sqrt(2) times the larger extent of the landmarks.
        extent = np.ptp(record["landmarks"], axis=0).max()
        assert extent == pytest.approx(120 / np.sqrt(2), rel=1e-3)
        assert record["image"].shape == (144, 144, 3)
        assert set(record["visibility"]) <= {1, 2}
        assert record["error"] == 0


def test_seed_determines_faces(records, face_model):
    again = next(synthetic_source(face_model, SyntheticSeries(30, 7)).splits["train"]())
    other = next(synthetic_source(face_model, SyntheticSeries(30, 8)).splits["train"]())
    np.testing.assert_array_equal(again["image"], records["train"][0]["image"])
    assert (other["image"] != again["image"]).any()


@pytest.mark.slow
def test_number_of_processes_does_not_matter(records, face_model, monkeypatch):
    monkeypatch.setattr(synthetic_crops, "_CHUNK", 5)
    together = list(synthetic_source(face_model, SyntheticSeries(30, 7)).splits["train"]())
    assert [record["name"] for record in together] == [
        record["name"] for record in records["train"]
    ]
    for one, other in zip(together, records["train"], strict=True):
        np.testing.assert_array_equal(one["image"], other["image"])
        np.testing.assert_array_equal(one["vector"], other["vector"])


def test_label_noise_changes_labels_only(records, face_model):
    noisy = list(
        synthetic_source(face_model, SyntheticSeries(30, 7, label_noise=2.0)).splits["train"]()
    )
    errors = [
        one["landmarks"] - other["landmarks"]
        for one, other in zip(noisy, records["train"], strict=True)
    ]
    assert np.std(errors) == pytest.approx(2.0, rel=0.05)
    assert np.mean(errors) == pytest.approx(0.0, abs=0.15)
    np.testing.assert_array_equal(noisy[3]["image"], records["train"][3]["image"])
    np.testing.assert_array_equal(noisy[3]["vector"], records["train"][3]["vector"])


def test_harsh_conditions_degrade_pictures_of_same_faces(records, face_model):
    harsh = list(synthetic_source(face_model, SyntheticSeries(30, 7, "harsh")).splits["train"]())
    np.testing.assert_array_equal(harsh[3]["vector"], records["train"][3]["vector"])
    hidden, usually_hidden = (
        np.mean([record["visibility"] == 1 for record in some])
        for some in (harsh, records["train"])
    )
    assert hidden > usually_hidden
    contrast, usual_contrast = (
        np.mean([np.std(_coarse(record["image"])) for record in some])
        for some in (harsh, records["train"])
    )
    assert contrast < 0.9 * usual_contrast


def _coarse(picture):
    """Returns the means of blocks of 12x12 pixels, which removes noise."""
    return picture.reshape(12, 12, 12, 12, 3).mean(axis=(1, 3))
