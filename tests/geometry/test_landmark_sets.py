"""Tests of the landmark sets: points, weights and missing landmarks."""

import numpy as np
import pytest

from twodasl_jax.geometry.landmark_sets import (
    ALL,
    INNER,
    LANDMARK_SETS,
    OFFICIAL,
    pick_points,
    pick_weights,
)
from twodasl_jax.geometry.mirroring import LANDMARK_MIRROR


def test_official_points_by_hand():
    landmarks = np.stack([np.arange(68), -np.arange(68)], axis=-1).astype(np.float32)
    official = [17, 19, 21, 22, 24, 26, 36, (37 + 40) / 2, 39, 42, (43 + 46) / 2, 45]
    official += [31, 30, 35, 48, (62 + 66) / 2, 54]
    picked = pick_points(landmarks, OFFICIAL)
    np.testing.assert_array_equal(picked, np.stack([official, np.negative(official)], axis=-1))


def test_inner_and_all_sets_are_slices():
    landmarks = np.random.default_rng(0).normal(size=(2, 68, 3)).astype(np.float32)
    np.testing.assert_array_equal(pick_points(landmarks, INNER), landmarks[:, 17:])
    np.testing.assert_array_equal(pick_points(landmarks, ALL), landmarks)


def test_nose_tip_pupils_and_mouth_have_largest_weights():
    weights = dict(zip(map(tuple, OFFICIAL.pairs), OFFICIAL.weights, strict=True))
    assert weights[30, 30] == weights[62, 66] == 4
    assert weights[37, 40] == weights[43, 46] == weights[48, 48] == weights[54, 54] == 2
    assert OFFICIAL.weights.sum() == 28


@pytest.mark.parametrize(("missing", "lost"), [(37, [7]), (66, [16]), (30, [13]), (0, [])])
def test_official_point_is_missing_if_either_landmark_is(missing, lost):
    landmarks, visible = np.ones((68, 2), np.float32), np.ones(68, bool)
    landmarks[missing], visible[missing] = np.nan, False
    picked = np.asarray(pick_points(landmarks, OFFICIAL))
    assert np.flatnonzero(np.isnan(picked).any(axis=-1)).tolist() == lost
    assert np.flatnonzero(np.asarray(pick_weights(visible, OFFICIAL)) == 0).tolist() == lost


@pytest.mark.parametrize("chosen", [INNER, ALL])
def test_set_is_symmetric(chosen):
    assert {*LANDMARK_MIRROR[chosen.pairs[:, 0]]} == {*chosen.pairs[:, 0]}


def test_registry_has_names_of_sets():
    assert LANDMARK_SETS == {"official": OFFICIAL, "inner": INNER, "all": ALL}
