"""Tests of the image warp of face profiling: the pose and the resulting picture."""

import dataclasses

import jax
import numpy as np
import pytest
import scipy.ndimage

from tests.synthetic_faces.test_synthetic_faces import SHARP
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.frames import box_from_landmarks
from twodasl_jax.geometry.mesh import vertex_normals
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.geometry.projection import (
    WeakPerspective,
    affine_from_camera,
    camera_from_affine,
)
from twodasl_jax.geometry.rotation import euler_from_rotation, rotation_from_euler
from twodasl_jax.models.face_model import embedded_face_model
from twodasl_jax.preparation.profile_warp import (
    draw_profiled,
    profile_face,
    profiled_coefficients,
)
from twodasl_jax.rendering import rasterizer, visibility
from twodasl_jax.synthetic_faces import build_renderable_model, render, sample_parameters
from twodasl_jax.synthetic_faces.light import ambient_light

SIDE = 144
WHOLE = np.array([0.0, 0.0, SIDE, SIDE])


def smooth_picture(seed=0):
    """Returns smooth coloured noise; neighbouring pixels differ by a few grey levels."""
    noise = np.random.default_rng(seed).normal(size=(SIDE, SIDE, 3))
    clouds = scipy.ndimage.gaussian_filter(noise, (6, 6, 0))
    return (128 + 40 * clouds / clouds.std()).clip(1, 255).astype(np.uint8)


def face_at(yaw, pitch=0.0, roll=0.0, seed=0):
    """Returns coefficients of a face in the middle of the picture; angles in degrees."""
    random = np.random.default_rng(seed)
    angles = np.radians([yaw, pitch, roll]).astype(np.float32)
    camera = WeakPerspective(
        np.float32(0.5) * np.ones((), np.float32),
        np.asarray(rotation_from_euler(angles)),
        np.array([72, 72, 0], np.float32),
    )
    shape, expression = (0.5 * random.normal(size=count).astype(np.float32) for count in (40, 10))
    return Coefficients(np.asarray(affine_from_camera(camera)), shape, expression)


def degrees_of(coefficients):
    return np.degrees(euler_from_rotation(camera_from_affine(coefficients.affine).rotation))


def project(space, coefficients):
    return np.asarray(decode(space, coefficients))


@pytest.mark.parametrize("pose", [(0, 0, 0), (30, 12, -20), (-45, -15, 30)])
@pytest.mark.parametrize("yaw_change", [0.0, 10.0, 40.0])
def test_only_yaw_changes(face_model, pose, yaw_change):
    space, before = landmark_space(face_model), face_at(*pose)
    signed = yaw_change * (-1 if pose[0] < 0 else 1)
    after = profiled_coefficients(space, before, float(np.radians(signed)))
    np.testing.assert_allclose(degrees_of(after), np.add(pose, (signed, 0, 0)), atol=1e-3)
    assert camera_from_affine(after.affine).scale == pytest.approx(0.5, rel=1e-5)
    np.testing.assert_array_equal(after.shape, before.shape)
    np.testing.assert_array_equal(after.expression, before.expression)
    boxes = [box_from_landmarks(project(space, each)[:, :2]) for each in (before, after)]
    centres = [np.asarray(box).reshape(2, 2).mean(axis=0) for box in boxes]
    np.testing.assert_allclose(centres[0], centres[1], atol=1e-3)


def test_landmarks_are_those_of_new_coefficients(face_model):
    face = profile_face(smooth_picture(), face_model, face_at(20, 5, -5), np.radians(30.0))
    expected = project(landmark_space(face_model), face.coefficients)
    np.testing.assert_allclose(face.landmarks, expected, atol=1e-3)
    before = project(landmark_space(face_model), face_at(20, 5, -5))
    moved = before @ face.motion[:, :3].T + face.motion[:, 3]
    np.testing.assert_allclose(moved[:, :2], expected[:, :2], atol=1e-3)
    assert face.visible[45]
    # At positive yaw the nose is on the left of the picture, and the jaw on that side is hidden.
    assert not face.visible[:5].any()


@pytest.mark.parametrize("pose", [(0, 0, 0), (25, 10, 10)])
def test_zero_yaw_change_only_resamples_picture(face_model, pose):
    picture = smooth_picture()
    again = draw_profiled(
        picture, profile_face(picture, face_model, face_at(*pose), 0.0), WHOLE, SIDE
    )
    # Each pixel is the mean of four bilinear samples, which is a slight blur.
    assert np.abs(again.astype(int) - picture).max() <= 3


def test_part_of_picture_equals_crop_of_whole(face_model):
    picture = smooth_picture()
    face = profile_face(picture, face_model, face_at(10), np.radians(25.0))
    whole = draw_profiled(picture, face, WHOLE, SIDE)
    part = draw_profiled(picture, face, np.array([30.0, 20.0, 120.0, 110.0]), 90)
    np.testing.assert_array_equal(part, whole[20:110, 30:120])


@pytest.mark.parametrize(("yaw", "yaw_change"), [(0, 30), (20, 25), (-20, -40), (5, -35)])
def test_texture_moves_with_face(face_model, yaw, yaw_change):
    before = face_at(yaw)
    triangles = np.asarray(face_model.triangles)
    after = profiled_coefficients(landmark_space(face_model), before, float(np.radians(yaw_change)))
    old, new = (project(face_model, each) for each in (before, after))
    facing = [vertex_normals(mesh, triangles)[:, 2] > 0.6 for mesh in (old, new)]
    seen = visibility.visible_vertices(new, triangles) & facing[0] & facing[1]
    assert seen.sum() > 20
    y, x = np.mgrid[:SIDE, :SIDE] + 0.5
    for vertex in np.flatnonzero(seen)[::6]:
        picture = np.full((SIDE, SIDE, 3), 60, np.uint8)
        blob = np.exp(-((x - old[vertex, 0]) ** 2 + (y - old[vertex, 1]) ** 2) / 2)
        picture[..., 0] = 60 + 190 * blob
        face = profile_face(picture, face_model, before, np.radians(yaw_change))
        red = draw_profiled(picture, face, WHOLE, SIDE)[..., 0].astype(float) - 60
        centre = np.array([(x * red).sum(), (y * red).sum()]) / red.sum()
        np.testing.assert_allclose(centre, new[vertex, :2], atol=1.5)


@pytest.mark.parametrize("yaw_change", [20.0, 60.0])
def test_border_stays_and_picture_has_no_holes(face_model, yaw_change):
    picture = smooth_picture()
    face = profile_face(picture, face_model, face_at(15, 5, 5), np.radians(yaw_change))
    profiled = draw_profiled(picture, face, WHOLE, SIDE)
    assert (profiled > 0).all()
    assert np.abs(profiled.astype(int) - picture).mean() > 5
    for rim in (np.s_[0], np.s_[-1], np.s_[:, 0], np.s_[:, -1]):
        assert np.abs(profiled[rim].astype(int) - picture[rim]).mean() < 3


def test_black_border_stays_black(face_model):
    picture = smooth_picture()
    picture[:12], picture[-12:], picture[:, :12], picture[:, -20:] = 0, 0, 0, 0
    face = profile_face(picture, face_model, face_at(15), np.radians(60.0))
    profiled = draw_profiled(picture, face, WHOLE, SIDE)
    np.testing.assert_array_equal(profiled.any(axis=-1), picture.any(axis=-1))


def test_black_picture_stays_black(face_model):
    picture = np.zeros((SIDE, SIDE, 3), np.uint8)
    face = profile_face(picture, face_model, face_at(15), np.radians(30.0))
    assert not draw_profiled(picture, face, WHOLE, SIDE).any()


@pytest.mark.parametrize(
    ("yaw", "yaw_change"), [(30, -10), (-30, 10), (30, -70), (15, -40), (8, -10)]
)
def test_rotation_toward_front_is_rejected(face_model, yaw, yaw_change):
    with pytest.raises(ValueError, match="rotate away from the front"):
        profile_face(smooth_picture(), face_model, face_at(yaw), np.radians(float(yaw_change)))


@pytest.mark.parametrize(("yaw", "yaw_change"), [(30, 61), (-80, -15)])
def test_rotation_beyond_profile_is_rejected(face_model, yaw, yaw_change):
    with pytest.raises(ValueError, match="at most"):
        profile_face(smooth_picture(), face_model, face_at(yaw), np.radians(float(yaw_change)))


def test_profiling_is_deterministic(face_model):
    picture, yaw_change = smooth_picture(), np.radians(33.0)
    faces = [profile_face(picture, face_model, face_at(12, 3, 4), yaw_change) for _ in range(2)]
    for one, other in zip(*map(jax.tree.leaves, faces), strict=True):
        np.testing.assert_array_equal(one, other)
    first, second = (draw_profiled(picture, face, WHOLE, SIDE) for face in faces)
    np.testing.assert_array_equal(first, second)


@pytest.fixture(scope="module")
def renderable():
    return build_renderable_model(embedded_face_model())


@pytest.mark.parametrize(("yaw", "yaw_change"), [(5, 30), (20, 40), (-35, -30)])
def test_profiled_face_matches_face_rendered_at_that_yaw(renderable, yaw, yaw_change):
    """Compares in even light, at the same position and size."""
    drawn = sample_parameters(np.random.default_rng(abs(yaw)), 40, 10)
    parameters = dataclasses.replace(
        drawn,
        yaw_pitch_roll=np.array([yaw, 5, -8], np.float32),
        crop_share=0.85,
        crop_centre=np.array([0.5, 0.5], np.float32),
        light=ambient_light(np.ones(3)),
        skin=dataclasses.replace(drawn.skin, gloss=0.0, melanin=0.3),
        hair=dataclasses.replace(drawn.hair, beard=0.0),
        occluder="none",
        capture=SHARP,
    )
    before = render(renderable, parameters, side=SIDE)
    affine = np.asarray(affine_from_camera(before.camera))
    coefficients = Coefficients(affine, before.shape, before.expression)
    face = profile_face(before.image, renderable.model, coefficients, np.radians(float(yaw_change)))
    profiled = draw_profiled(before.image, face, WHOLE, SIDE)

    extents = [np.ptp(points[:, :2], axis=0).max() for points in (before.landmarks, face.landmarks)]
    there = dataclasses.replace(
        parameters,
        yaw_pitch_roll=np.array([yaw + yaw_change, 5, -8], np.float32),
        crop_share=0.85 * extents[1] / extents[0],
    )
    truth = render(renderable, there, side=SIDE)
    np.testing.assert_allclose(face.landmarks[:, :2], truth.landmarks[:, :2], atol=0.02)
    np.testing.assert_array_equal(face.visible, truth.visible)
    triangles = np.asarray(renderable.model.triangles)
    inside = rasterizer.rasterize(truth.vertices, triangles, SIDE, SIDE).triangle >= 0
    errors = [
        np.abs(picture[inside].astype(float) - truth.image[inside]).mean()
        for picture in (profiled, before.image)
    ]
    # The renderer draws hair, gaze and skin blotches anew for each pose.
    assert errors[0] < 0.7 * errors[1]
