"""Tests of smoothing: against the published one-euro filter, at rest and in motion."""

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.spatial.transform import Rotation

from twodasl_jax.videos.smoothing import (
    STRENGTHS,
    Cutoff,
    PlacedFace,
    Strength,
    initial_state,
    one_euro,
    smooth,
)

ELAPSED = 1 / 30


def published_filter(values, minimum, beta, elapsed, speed_cutoff=1.0):
    """Returns the values of one number after the published filter."""

    def alpha(cutoff):
        return 1 / (1 + 1 / (2 * math.pi * cutoff) / elapsed)

    filtered, speed, out = values[0], 0.0, [values[0]]
    for value in values[1:]:
        change = (value - filtered) / elapsed
        speed = alpha(speed_cutoff) * change + (1 - alpha(speed_cutoff)) * speed
        share = alpha(minimum + beta * abs(speed))
        filtered = share * value + (1 - share) * filtered
        out.append(filtered)
    return out


def placed(place=(100.0, 80.0), scale=1.0, rotvec=(0.0, 0, 0), shape=(0.0, 0), expression=(0.0,)):
    return PlacedFace(
        np.array(place),
        scale,
        Rotation.from_rotvec(rotvec).as_matrix(),
        np.array(shape),
        np.array(expression),
    )


def run(faces, strength, elapsed=ELAPSED, size=100.0):
    steady = initial_state(faces[0])
    result = [steady.face]
    for face in faces[1:]:
        steady = smooth(strength, steady, face, elapsed, size)
        result.append(steady.face)
    return result


@given(
    st.lists(st.floats(-100, 100), min_size=2, max_size=20),
    st.floats(0.1, 5),
    st.floats(0, 10),
    st.sampled_from([1 / 60, 1 / 25, 0.5]),
)
def test_one_number_is_filtered_as_published(values, minimum, beta, elapsed):
    speed, value, out = np.zeros(1), values[0], [values[0]]
    for now in values[1:]:
        speed, step = one_euro(Cutoff(minimum, beta), speed, np.array([now - value]), elapsed)
        value += step[0]
        out.append(value)
    expected = published_filter(values, minimum, beta, elapsed)
    np.testing.assert_allclose(out, expected, rtol=1e-9, atol=1e-9)


def test_place_is_filtered_in_units_of_face_size():
    """Twice the size and twice the motion must give twice the result."""
    path = [100 + 7 * math.sin(frame) for frame in range(20)]
    small = run([placed((x, 0.0)) for x in path], STRENGTHS["light"], size=100.0)
    large = run([placed((2 * x, 0.0)) for x in path], STRENGTHS["light"], size=200.0)
    for one, two in zip(small, large, strict=True):
        np.testing.assert_allclose(2 * one.place, two.place, rtol=1e-12)


@pytest.mark.parametrize("strength", STRENGTHS.values(), ids=STRENGTHS)
def test_face_at_rest_is_unchanged(strength):
    face = placed((30.0, 40.0), 2.0, (0.3, -0.2, 0.1), (1.0, -1.0), (0.5,))
    for result in run([face] * 10, strength):
        for smoothed, original in zip(result, face, strict=True):
            np.testing.assert_allclose(smoothed, original, atol=1e-12)


def test_stronger_smoothing_removes_more_jitter():
    rng = np.random.default_rng(0)
    faces = [
        placed(
            100 + 0.5 * rng.standard_normal(2),
            math.exp(0.005 * rng.standard_normal()),
            0.01 * rng.standard_normal(3),
        )
        for _ in range(200)
    ]

    def jitter(result):
        places = np.array([face.place for face in result[20:]])
        turns = Rotation.from_matrix([face.rotation for face in result[20:]]).as_rotvec()
        return np.std(np.diff(places, axis=0)), np.std(np.diff(turns, axis=0))

    raw, light, strong = (
        np.array(jitter(some))
        for some in (faces, run(faces, STRENGTHS["light"]), run(faces, STRENGTHS["strong"]))
    )
    assert (light < 0.3 * raw).all()
    assert (strong < 0.6 * light).all()


@pytest.mark.parametrize(("name", "frames"), [("light", 0.5), ("strong", 1.5)])
def test_lag_in_fast_motion_is_small(name, frames):
    """The face moves by three times its size and turns by three radians per second."""
    faces = [placed((100.0 + 10 * frame, 0.0), 1.0, (0, 0.1 * frame, 0)) for frame in range(30)]
    result = run(faces, STRENGTHS[name])
    assert faces[-1].place[0] - result[-1].place[0] < 10 * frames
    turn = Rotation.from_matrix(result[-1].rotation.T @ faces[-1].rotation)
    assert turn.magnitude() < 0.1 * frames


@given(st.integers(0, 2**32 - 1))
def test_smoothed_rotation_lies_between_both_rotations(seed):
    rng = np.random.default_rng(seed)
    before, now = (placed(rotvec=Rotation.random(rng=rng).as_rotvec()) for _ in range(2))
    _, result = run([before, now], STRENGTHS["strong"])
    np.testing.assert_allclose(result.rotation @ result.rotation.T, np.eye(3), atol=1e-12)
    assert np.linalg.det(result.rotation) > 0

    def angle(a, b):
        return Rotation.from_matrix(a.rotation.T @ b.rotation).magnitude()

    assert angle(before, result) + angle(result, now) == pytest.approx(angle(before, now))


def test_rotation_beyond_half_turn_is_continuous():
    """Rotation vectors jump at half a turn; rotations do not."""
    faces = [placed(rotvec=(0, 0, math.radians(175 + frame))) for frame in range(12)]
    result = run(faces, STRENGTHS["light"])
    roll = [math.degrees(math.atan2(face.rotation[1, 0], face.rotation[0, 0])) for face in result]
    steps = (np.diff(roll) + 180) % 360 - 180
    assert (steps > 0).all()
    assert (steps < 2).all()


def test_shape_is_mean_over_frames_so_far():
    rng = np.random.default_rng(0)
    shapes = rng.standard_normal((40, 2))
    result = run([placed(shape=shape) for shape in shapes], STRENGTHS["light"])
    np.testing.assert_allclose(result[-1].shape, shapes.mean(axis=0), atol=1e-12)


def test_old_shapes_are_forgotten():
    faces = [placed(shape=(5.0, 0.0))] * 300 + [placed(shape=(0.0, 0.0))] * 1200
    assert abs(run(faces, STRENGTHS["light"])[-1].shape[0]) < 0.2


def test_infinite_cutoff_changes_only_shape():
    rng = np.random.default_rng(0)
    faces = [
        placed(rng.standard_normal(2), math.exp(rng.normal()), rng.standard_normal(3), (1.0, 1.0))
        for _ in range(10)
    ]
    open_filter = Cutoff(1e12, 0.0)
    for ours, face in zip(run(faces, Strength(*[open_filter] * 4)), faces, strict=True):
        for part, expected in zip(ours, face, strict=True):
            np.testing.assert_allclose(part, expected, atol=1e-8)


def test_gain_grows_with_elapsed_time():
    """The smoothed place follows more closely after a second than after the time of one frame."""
    before, now = placed((0.0, 0.0)), placed((1.0, 0.0))
    soon, late = (
        run([before, now], STRENGTHS["strong"], elapsed)[-1].place[0] for elapsed in (ELAPSED, 1.0)
    )
    assert soon < 0.5 < late
