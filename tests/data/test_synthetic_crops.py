"""Rendered faces as training records: the truth moves into the crop with the picture."""

import numpy as np
import pytest

from twodasl_jax.data import synthetic_crops
from twodasl_jax.data.synthetic_crops import synthetic_source
from twodasl_jax.face_model import digest
from twodasl_jax.geometry.coefficients import coefficients_from_official
from twodasl_jax.geometry.morphable_model import landmark_space, synthesize
from twodasl_jax.geometry.projection import camera_from_affine, picture_from_model_affine
from twodasl_jax.geometry.rotation import euler_from_rotation


@pytest.fixture(scope="module")
def records(face_model):
    source = synthetic_source(face_model, 30, 7)
    return {name: list(split()) for name, split in source.splits.items()}


def test_one_face_in_25_is_held_out(records, face_model):
    assert [record["name"] for record in records["validation"]] == ["0000000", "0000025"]
    assert len(records["train"]) == 28
    assert synthetic_source(face_model, 30, 7).face_model == digest(face_model)


def test_landmarks_and_coefficients_belong_together(records, face_model):
    for record in records["train"]:
        decoded = coefficients_from_official(record["vector"])
        points = synthesize(landmark_space(face_model), decoded.shape, decoded.expression)
        projected = np.asarray(picture_from_model_affine(decoded.affine, points))[:, :2]
        np.testing.assert_allclose(projected, record["landmarks"], atol=2e-3)
        yaw = euler_from_rotation(camera_from_affine(decoded.affine).rotation)[0]
        assert yaw == pytest.approx(record["yaw"], abs=1e-3)
        # 3DDFA's crop: the larger extent of the landmarks is the side over sqrt(2), in the middle.
        extent = np.ptp(record["landmarks"], axis=0).max()
        assert extent == pytest.approx(120 / np.sqrt(2), rel=1e-3)
        assert record["image"].shape == (144, 144, 3)
        assert set(record["visibility"]) <= {1, 2}
        assert record["error"] == 0


def test_a_seed_fixes_the_faces(records, face_model):
    again = next(synthetic_source(face_model, 30, 7).splits["train"]())
    other = next(synthetic_source(face_model, 30, 8).splits["train"]())
    np.testing.assert_array_equal(again["image"], records["train"][0]["image"])
    assert (other["image"] != again["image"]).any()


@pytest.mark.slow
def test_many_processes_draw_what_one_draws(records, face_model, monkeypatch):
    monkeypatch.setattr(synthetic_crops, "_CHUNK", 5)
    together = list(synthetic_source(face_model, 30, 7).splits["train"]())
    assert [record["name"] for record in together] == [
        record["name"] for record in records["train"]
    ]
    for one, other in zip(together, records["train"], strict=True):
        np.testing.assert_array_equal(one["image"], other["image"])
        np.testing.assert_array_equal(one["vector"], other["vector"])
