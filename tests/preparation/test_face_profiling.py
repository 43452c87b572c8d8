"""Profiled records: labels, coefficients and picture belong together, and all yaw is covered."""

import numpy as np
import pytest

from twodasl_jax.data.face_crops import MARGIN, CropSource, FaceCrop
from twodasl_jax.geometry.coefficients import coefficients_from_official
from twodasl_jax.geometry.morphable_model import landmark_space, synthesize
from twodasl_jax.geometry.projection import camera_from_affine, picture_from_model_affine
from twodasl_jax.geometry.rotation import euler_from_rotation
from twodasl_jax.preparation.face_profiling import (
    SMALLEST_TURN,
    larger_yaws,
    profiled,
    with_turned_faces,
)
from twodasl_jax.preparation.synthetic_crops import crop_of
from twodasl_jax.synthetic_faces import build_studio, synthetic_face


@pytest.fixture(scope="module")
def records(face_model):
    """Rendered faces whose yaw leaves room for a turn by 25 degrees."""
    studio = build_studio(face_model)
    drawn = [crop_of(str(index), synthetic_face(studio, 3, index, side=144)) for index in range(24)]
    return [record for record in drawn if abs(record["yaw"]) < np.radians(60)][:6]


def outward(record, degrees):
    return float(np.copysign(np.radians(degrees), record["yaw"]))


def project(model, record):
    decoded = coefficients_from_official(record["vector"])
    points = synthesize(landmark_space(model), decoded.shape, decoded.expression)
    return np.asarray(picture_from_model_affine(decoded.affine, points))[:, :2]


def test_landmarks_and_coefficients_belong_together(records, face_model):
    for record in records:
        turned = profiled(record, face_model, outward(record, 25))
        np.testing.assert_allclose(turned["landmarks"], project(face_model, turned), atol=5e-3)
        decoded = coefficients_from_official(turned["vector"])
        before = coefficients_from_official(record["vector"])
        np.testing.assert_array_equal(decoded.shape, before.shape)
        np.testing.assert_array_equal(decoded.expression, before.expression)
        angles = euler_from_rotation(camera_from_affine(decoded.affine).rotation)
        assert angles[0] == pytest.approx(turned["yaw"], abs=1e-4)
        assert turned["yaw"] == pytest.approx(record["yaw"] + outward(record, 25), abs=1e-6)


def test_the_crop_obeys_the_rule_and_the_types_are_those_of_a_record(records, face_model):
    for record in records:
        turned = profiled(record, face_model, outward(record, 25))
        low, high = turned["landmarks"].min(axis=0), turned["landmarks"].max(axis=0)
        assert (high - low).max() == pytest.approx(120 / np.sqrt(2), rel=1e-4)
        np.testing.assert_allclose((low + high) / 2, 60, atol=1e-3)
        assert turned.keys() == FaceCrop.__annotations__.keys()
        for key in ("image", "landmarks", "visibility", "vector"):
            assert turned[key].shape == record[key].shape
            assert turned[key].dtype == record[key].dtype
        sign = "+" if record["yaw"] > 0 else "-"
        assert turned["name"] == f"{record['name']}{sign}25.0"
        assert turned["error"] == record["error"]


def test_the_picture_is_cut_where_the_landmarks_say(records, face_model):
    """A turn of nothing leaves picture and landmarks where they are."""
    record = records[0]
    again = profiled(record, face_model, 0.0)
    np.testing.assert_allclose(again["landmarks"], record["landmarks"], atol=0.01)
    difference = again["image"].astype(float) - record["image"]
    assert np.abs(difference[MARGIN:-MARGIN, MARGIN:-MARGIN]).mean() < 3


def test_a_turn_hides_and_never_reveals(records, face_model):
    for record in records:
        visibility = record["visibility"].copy()
        visibility[[30, 33]] = 1
        visibility[40] = 0
        landmarks = record["landmarks"].copy()
        landmarks[40] = np.nan
        hidden = FaceCrop(**record | {"visibility": visibility, "landmarks": landmarks})
        turned = profiled(hidden, face_model, outward(record, 25))
        assert (turned["visibility"] <= visibility).all()
        np.testing.assert_array_equal(turned["visibility"] == 0, visibility == 0)
        np.testing.assert_array_equal(np.isnan(turned["landmarks"]), np.isnan(landmarks))


def test_the_far_jaw_of_a_profile_is_hidden(records, face_model):
    for record in records:
        turn = float(np.copysign(np.radians(89), record["yaw"]) - record["yaw"])
        turned = profiled(record, face_model, turn)
        far = slice(0, 6) if record["yaw"] > 0 else slice(11, 17)
        assert (turned["visibility"][far] == 1).all()


def test_what_a_label_knows_better_than_the_model_turns_with_the_head(records, face_model):
    record = next(each for each in records if abs(each["yaw"]) < np.radians(40))
    plain = profiled(record, face_model, outward(record, 25))
    point = int(np.flatnonzero(plain["visibility"][27:] == 2)[0]) + 27
    landmarks = record["landmarks"].copy()
    landmarks[point] += [1.0, 2.0]
    labelled = profiled(
        FaceCrop(**record | {"landmarks": landmarks}), face_model, outward(record, 25)
    )
    decoded = [coefficients_from_official(each["vector"]).affine for each in (record, plain)]
    motion = np.asarray(decoded[1][:, :3] @ np.linalg.inv(decoded[0][:, :3]))
    expected = plain["landmarks"].copy()
    expected[point] += motion[:2, :2] @ [1.0, 2.0]
    # One point inside the face moves, and the crop does not.
    np.testing.assert_allclose(labelled["landmarks"], expected, atol=1e-3)


def test_the_turned_face_needs_little_black(records, face_model):
    for record in records:
        turned = profiled(record, face_model, outward(record, 25))
        shares = [(~each["image"].any(axis=-1)).mean() for each in (record, turned)]
        assert shares[1] < shares[0] + 0.05


def test_a_face_without_a_fit_is_refused(records, face_model):
    unfitted = FaceCrop(**records[0] | {"error": np.inf})
    with pytest.raises(ValueError, match="no face model was fitted"):
        profiled(unfitted, face_model, 0.5)


@pytest.mark.parametrize("yaw", [0.0, -9.0, 25.0, -48.0, 69.0])
def test_larger_yaws_are_larger_and_to_the_same_side(yaw):
    for index in range(50):
        chosen = np.degrees(larger_yaws(np.radians(yaw), str(index), 0, 3))
        assert (np.abs(chosen) >= abs(yaw) + 10 - 1e-9).all()
        assert (np.abs(chosen) <= 90).all()
        assert (np.diff(np.abs(chosen)) >= np.degrees(SMALLEST_TURN) - 1e-9).all()
        assert len(chosen) == (3 if abs(yaw) < 50 else 1)
        if abs(yaw) > 10:
            assert (np.sign(chosen) == np.sign(yaw)).all()


def test_near_a_profile_there_is_no_larger_yaw():
    assert larger_yaws(np.radians(81.0), "face", 0, 3).size == 0
    assert larger_yaws(np.radians(-90.0), "face", 0, 3).size == 0


def test_name_and_seed_decide_the_yaws():
    first, again, other_seed, other_name = (
        larger_yaws(0.3, name, seed, 2) for name, seed in (("a", 0), ("a", 0), ("a", 1), ("b", 0))
    )
    np.testing.assert_array_equal(first, again)
    assert (first != other_seed).all()
    assert (first != other_name).all()


def test_frontal_faces_come_to_cover_all_larger_yaw():
    chosen = np.degrees(
        np.concatenate([larger_yaws(0.0, str(index), 0, 2) for index in range(400)])
    )
    counts, _ = np.histogram(chosen, [-90, -70, -50, -30, -10, 10, 30, 50, 70, 90])
    assert counts[4] == 0
    assert (np.delete(counts, 4) > 75).all()


def test_turned_copies_follow_the_faces_that_are_learned_from(records, face_model):
    unfitted = FaceCrop(**records[1] | {"name": "unfitted", "error": float("inf")})
    splits = {
        "train": lambda: iter([records[0], unfitted]),
        "validation": lambda: iter([records[2]]),
    }
    source = CropSource("some", "digest", 62, splits)
    turned = with_turned_faces(source, face_model, 2, 5)
    names = [record["name"] for record in turned.splits["train"]()]
    yaw = records[0]["yaw"]
    expected = [
        f"{records[0]['name']}{np.degrees(larger - yaw):+.1f}"
        for larger in larger_yaws(yaw, records[0]["name"], 5, 2)
    ]
    assert names == [records[0]["name"], *expected, "unfitted"]
    assert [record["name"] for record in turned.splits["validation"]()] == [records[2]["name"]]
    assert turned.description == "some, 2 turned copies, seed 5"
