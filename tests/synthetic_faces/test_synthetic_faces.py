"""Synthetic photos agree with their ground truth and are reproducible."""

import dataclasses

import jax
import numpy as np
import pytest

from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.frames import box_from_landmarks
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.geometry.projection import affine_from_camera
from twodasl_jax.geometry.rotation import euler_from_rotation
from twodasl_jax.models.face_model import embedded_face_model
from twodasl_jax.synthetic_faces import (
    build_renderable_model,
    render,
    sample_parameters,
    synthetic_face,
)
from twodasl_jax.synthetic_faces.light import ambient_light, directed_light
from twodasl_jax.synthetic_faces.parameters import Capture

SHARP = Capture(
    exposure=1, contrast=1, blur=0, motion=0, direction=0, resolution=1, noise=0, jpeg_quality=None
)


@pytest.fixture(scope="module")
def renderable(face_model):
    return build_renderable_model(face_model)


@pytest.fixture(scope="module")
def plain(renderable):
    """Returns parameters of a frontal mean face in ambient light, with a perfect camera."""
    parameters = sample_parameters(np.random.default_rng(4), 40, 10)
    return dataclasses.replace(
        parameters,
        shape=np.zeros(40, np.float32),
        expression=np.zeros(10, np.float32),
        yaw_pitch_roll=np.zeros(3, np.float32),
        crop_share=0.9,
        crop_centre=np.array([0.5, 0.5], np.float32),
        light=ambient_light(np.ones(3)),
        skin=dataclasses.replace(parameters.skin, melanin=0.2, gloss=0),
        hair=dataclasses.replace(parameters.hair, beard=0),
        occluder="none",
        capture=SHARP,
    )


def test_seed_and_index_determine_face(renderable):
    first, repeated, other = (synthetic_face(renderable, 3, index, side=64) for index in (5, 5, 6))
    for expected, value in zip(*map(jax.tree.leaves, (first, repeated)), strict=True):
        np.testing.assert_array_equal(value, expected)
    assert (first.image != other.image).any()
    assert (first.shape != other.shape).any()


@pytest.mark.parametrize("index", range(4))
def test_ground_truth_agrees_with_decoder(renderable, face_model, index):
    face = synthetic_face(renderable, 1, index, side=128)
    coefficients = Coefficients(affine_from_camera(face.camera), face.shape, face.expression)
    for space, points in (
        (face_model, face.vertices),
        (landmark_space(face_model), face.landmarks),
    ):
        np.testing.assert_allclose(points, decode(space, coefficients), atol=1e-3)
    angles = np.degrees(euler_from_rotation(face.camera.rotation))
    np.testing.assert_allclose(angles, face.yaw_pitch_roll, atol=0.01)


def test_crop_lies_where_parameters_place_it(renderable, plain):
    face = render(renderable, plain, side=200)
    box = np.asarray(box_from_landmarks(face.landmarks[:, :2]))
    np.testing.assert_allclose(box, [10, 10, 190, 190], atol=0.01)


def test_yaw_covers_both_profiles():
    yaw = [
        sample_parameters(np.random.default_rng([0, index]), 40, 10).yaw_pitch_roll[0]
        for index in range(400)
    ]
    counts, _ = np.histogram(yaw, bins=6, range=(-90, 90))
    assert (counts > 40).all()


def test_far_eye_of_profile_is_hidden(renderable, plain):
    assert render(renderable, plain, side=64).visible[[36, 45, 30]].all()
    profile = dataclasses.replace(plain, yaw_pitch_roll=np.array([80, 0, 0], np.float32))
    face = render(renderable, profile, side=64)
    # Positive yaw turns the nose to the left of the picture. The subject's right eye is hidden.
    assert face.landmarks[30, 0] < face.landmarks[[36, 45], 0].min()
    assert not face.visible[36]
    assert face.visible[45]


def test_side_toward_light_is_brighter(renderable, plain):
    half = np.sqrt(0.5)
    for sign in (-1, 1):
        light = directed_light(np.array([sign * half, 0, half]), np.ones(3))
        face = render(renderable, dataclasses.replace(plain, light=light), side=128)
        left, right = (
            face.image[60:80, columns].astype(float).mean()
            for columns in (slice(36, 50), slice(78, 92))
        )
        assert sign * (right - left) > 20


def test_ambient_light_does_not_depend_on_direction():
    light = directed_light(np.array([0.0, 0.0, 1.0]), np.ones(3))
    assert light[2].sum() > 0
    ambient = ambient_light(np.array([1.0, 0.5, 0.25]))
    assert not ambient[1:].any()
    np.testing.assert_allclose(0.282095 * ambient[0], [1, 0.5, 0.25], rtol=1e-5)


@pytest.mark.parametrize("kind", ["mask", "sunglasses", "glasses", "bar", "ellipse", "polygon"])
def test_occluder_covers_landmarks_marked_as_occluded(renderable, plain, kind):
    bare, covered = (
        render(renderable, dataclasses.replace(plain, occluder=occluder), side=160)
        for occluder in ("none", kind)
    )
    assert not bare.occluded.any()
    np.testing.assert_array_equal(bare.landmarks, covered.landmarks)
    changed = (bare.image != covered.image).any(axis=-1)
    assert changed.any()
    column, row = covered.landmarks[covered.occluded, :2].astype(int).T
    assert changed[row, column].all()
    if kind == "mask":
        assert covered.occluded[[8, 33, 51, 57]].all()
        assert not covered.occluded[36:48].any()


def test_texture_replaces_skin_colour(renderable, plain):
    red, blue = (np.full((8, 8, 3), colour, np.uint8) for colour in ((200, 20, 20), (20, 20, 200)))
    pictures = [
        render(renderable, plain, side=96, texture=texture)
        .image[55:65, 40:56]
        .astype(float)
        .mean((0, 1))
        for texture in (red, blue)
    ]
    assert pictures[0][0] > 3 * pictures[0][2]
    assert pictures[1][2] > 3 * pictures[1][0]


def test_camera_blurs_and_adds_noise(renderable, plain):
    blurred = dataclasses.replace(plain, capture=dataclasses.replace(SHARP, blur=2.5, motion=6.0))
    noisy = dataclasses.replace(plain, capture=dataclasses.replace(SHARP, noise=12.0))
    small = dataclasses.replace(
        plain, capture=dataclasses.replace(SHARP, resolution=0.3, jpeg_quality=40)
    )
    roughness = [
        np.abs(np.diff(render(renderable, parameters, side=96).image.astype(float), axis=1)).mean()
        for parameters in (plain, blurred, noisy, small)
    ]
    assert roughness[1] < 0.6 * roughness[0]
    assert roughness[2] > 1.5 * roughness[0]
    assert roughness[3] < 0.8 * roughness[0]


def test_near_eye_of_profile_is_visible():
    """The normals of the embedded model at the corners of the eyes point into the fold."""
    renderable = build_renderable_model(embedded_face_model())
    for index in range(4):
        parameters = sample_parameters(np.random.default_rng([8, index]), 40, 10)
        profile = np.array([80, 0, 0], np.float32)
        face = render(renderable, dataclasses.replace(parameters, yaw_pitch_roll=profile), side=64)
        assert face.visible[45]
        assert not face.visible[36]
