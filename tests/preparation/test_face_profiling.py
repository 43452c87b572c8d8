"""Tests of profiled records: consistent labels, annotations and pictures, and the range of yaw."""

import numpy as np
import pytest

from twodasl_jax.data.face_crops import MARGIN, CropSource, FaceCrop
from twodasl_jax.geometry.coefficients import coefficients_from_official
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.geometry.projection import camera_from_affine
from twodasl_jax.geometry.rotation import euler_from_rotation
from twodasl_jax.preparation.face_profiling import (
    SMALLEST_YAW_CHANGE,
    larger_yaws,
    profile_record,
    with_profiled_faces,
)
from twodasl_jax.preparation.synthetic_crops import crop_of
from twodasl_jax.synthetic_faces import build_renderable_model, synthetic_face


@pytest.fixture(scope="module")
def records(face_model):
    """Rendered faces that can be rotated by another 25 degrees."""
    renderable = build_renderable_model(face_model)
    drawn = [
        crop_of(str(index), synthetic_face(renderable, 3, index, side=144)) for index in range(24)
    ]
    return [record for record in drawn if abs(record["yaw"]) < np.radians(60)][:6]


def outward(record, degrees):
    return float(np.copysign(np.radians(degrees), record["yaw"]))


def project(model, record):
    coefficients = coefficients_from_official(record["vector"])
    return np.asarray(decode(landmark_space(model), coefficients))[:, :2]


def test_profiled_coefficients_project_to_landmarks(records, face_model):
    for record in records:
        new = profile_record(record, face_model, outward(record, 25))
        np.testing.assert_allclose(new["landmarks"], project(face_model, new), atol=5e-3)
        decoded = coefficients_from_official(new["vector"])
        before = coefficients_from_official(record["vector"])
        np.testing.assert_array_equal(decoded.shape, before.shape)
        np.testing.assert_array_equal(decoded.expression, before.expression)
        angles = euler_from_rotation(camera_from_affine(decoded.affine).rotation)
        assert angles[0] == pytest.approx(new["yaw"], abs=1e-4)
        assert new["yaw"] == pytest.approx(record["yaw"] + outward(record, 25), abs=1e-6)


def test_profiled_record_has_3ddfa_crop_and_record_types(records, face_model):
    for record in records:
        new = profile_record(record, face_model, outward(record, 25))
        low, high = new["landmarks"].min(axis=0), new["landmarks"].max(axis=0)
        assert (high - low).max() == pytest.approx(120 / np.sqrt(2), rel=1e-4)
        np.testing.assert_allclose((low + high) / 2, 60, atol=1e-3)
        assert new.keys() == FaceCrop.__annotations__.keys()
        for key in ("image", "landmarks", "visibility", "vector"):
            assert new[key].shape == record[key].shape
            assert new[key].dtype == record[key].dtype
        sign = "+" if record["yaw"] > 0 else "-"
        assert new["name"] == f"{record['name']}{sign}25.0"
        assert new["error"] == record["error"]


def test_zero_yaw_change_keeps_picture_and_landmarks(records, face_model):
    record = records[0]
    again = profile_record(record, face_model, 0.0)
    np.testing.assert_allclose(again["landmarks"], record["landmarks"], atol=0.01)
    difference = again["image"].astype(float) - record["image"]
    assert np.abs(difference[MARGIN:-MARGIN, MARGIN:-MARGIN]).mean() < 3


def test_profiling_never_reveals_hidden_landmarks(records, face_model):
    for record in records:
        visibility = record["visibility"].copy()
        visibility[[30, 33]] = 1
        visibility[40] = 0
        landmarks = record["landmarks"].copy()
        landmarks[40] = np.nan
        hidden = FaceCrop(**record | {"visibility": visibility, "landmarks": landmarks})
        new = profile_record(hidden, face_model, outward(record, 25))
        assert (new["visibility"] <= visibility).all()
        np.testing.assert_array_equal(new["visibility"] == 0, visibility == 0)
        np.testing.assert_array_equal(np.isnan(new["landmarks"]), np.isnan(landmarks))


def test_far_jaw_of_profile_is_hidden(records, face_model):
    for record in records:
        yaw_change = float(np.copysign(np.radians(89), record["yaw"]) - record["yaw"])
        new = profile_record(record, face_model, yaw_change)
        far = slice(0, 6) if record["yaw"] > 0 else slice(11, 17)
        assert (new["visibility"][far] == 1).all()


def test_offset_of_label_from_model_rotates_with_head(records, face_model):
    record = next(each for each in records if abs(each["yaw"]) < np.radians(40))
    plain = profile_record(record, face_model, outward(record, 25))
    point = int(np.flatnonzero(plain["visibility"][27:] == 2)[0]) + 27
    landmarks = record["landmarks"].copy()
    landmarks[point] += [1.0, 2.0]
    labelled = profile_record(
        FaceCrop(**record | {"landmarks": landmarks}), face_model, outward(record, 25)
    )
    decoded = [coefficients_from_official(each["vector"]).affine for each in (record, plain)]
    motion = np.asarray(decoded[1][:, :3] @ np.linalg.inv(decoded[0][:, :3]))
    expected = plain["landmarks"].copy()
    expected[point] += motion[:2, :2] @ [1.0, 2.0]
    # The landmark is inside the face, so the crop does not change.
    np.testing.assert_allclose(labelled["landmarks"], expected, atol=1e-3)


def test_profiled_picture_has_few_black_pixels(records, face_model):
    for record in records:
        new = profile_record(record, face_model, outward(record, 25))
        shares = [(~each["image"].any(axis=-1)).mean() for each in (record, new)]
        assert shares[1] < shares[0] + 0.05


def test_face_without_fit_is_rejected(records, face_model):
    unfitted = FaceCrop(**records[0] | {"error": np.inf})
    with pytest.raises(ValueError, match="no face model was fitted"):
        profile_record(unfitted, face_model, 0.5)


@pytest.mark.parametrize("yaw", [0.0, -9.0, 25.0, -48.0, 69.0])
def test_larger_yaws_are_larger_on_same_side(yaw):
    for index in range(50):
        chosen = np.degrees(larger_yaws(np.radians(yaw), str(index), 0, 3))
        assert (np.abs(chosen) >= abs(yaw) + 10 - 1e-9).all()
        assert (np.abs(chosen) <= 90).all()
        assert (np.diff(np.abs(chosen)) >= np.degrees(SMALLEST_YAW_CHANGE) - 1e-9).all()
        assert len(chosen) == (3 if abs(yaw) < 50 else 1)
        if abs(yaw) > 10:
            assert (np.sign(chosen) == np.sign(yaw)).all()


def test_nearly_profile_face_has_no_larger_yaw():
    assert larger_yaws(np.radians(81.0), "face", 0, 3).size == 0
    assert larger_yaws(np.radians(-90.0), "face", 0, 3).size == 0


def test_name_and_seed_determine_yaws():
    first, again, other_seed, other_name = (
        larger_yaws(0.3, name, seed, 2) for name, seed in (("a", 0), ("a", 0), ("a", 1), ("b", 0))
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other_seed).all()
    assert (first != other_name).all()


def test_larger_yaws_of_frontal_faces_cover_full_range():
    chosen = np.degrees(
        np.concatenate([larger_yaws(0.0, str(index), 0, 2) for index in range(400)])
    )
    counts, _ = np.histogram(chosen, [-90, -70, -50, -30, -10, 10, 30, 50, 70, 90])
    assert counts[4] == 0
    assert (np.delete(counts, 4) > 75).all()


def test_profiled_copies_follow_well_fitted_training_faces(records, face_model):
    unfitted = FaceCrop(**records[1] | {"name": "unfitted", "error": float("inf")})
    splits = {
        "train": lambda: iter([records[0], unfitted]),
        "validation": lambda: iter([records[2]]),
    }
    source = CropSource("some", "digest", 62, splits)
    new = with_profiled_faces(source, face_model, 2, 5)
    names = [record["name"] for record in new.splits["train"]()]
    yaw = records[0]["yaw"]
    expected = [
        f"{records[0]['name']}{np.degrees(larger - yaw):+.1f}"
        for larger in larger_yaws(yaw, records[0]["name"], 5, 2)
    ]
    assert names == [records[0]["name"], *expected, "unfitted"]
    assert [record["name"] for record in new.splits["validation"]()] == [records[2]["name"]]
    assert new.description == "some, 2 turned copies, seed 5"
