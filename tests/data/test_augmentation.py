"""Tests of augmentation: images, labels and annotations change consistently."""

import dataclasses

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.helpers import formula_faces
from twodasl_jax.data.augmentation import (
    Augmentation,
    FaceSamples,
    SimulatedDetector,
    augment,
    mirror_face,
    move_face,
    simulate_detector,
)
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.mirroring import coefficient_mirror
from twodasl_jax.geometry.morphable_model import landmark_space
from twodasl_jax.geometry.projection import affine_from_camera

STRONG = Augmentation(
    rotation=20, log_scale=0.15, shift=6, mirror=0.5, colour=0.2, grey=0.3, erase=0.5
)


@pytest.fixture(scope="module")
def some_faces(face_model):
    camera, shape, expression, points = formula_faces.random_faces(face_model, 6)
    return FaceSamples(
        image=jnp.stack([formula_faces.draw(p) for p in points]).astype(jnp.float32),
        landmarks=jnp.asarray(points[..., :2]),
        visible=jnp.ones((6, 68), bool),
        coefficients=Coefficients(affine_from_camera(camera), shape, expression),
    )


@pytest.fixture(scope="module")
def mirror(face_model):
    return coefficient_mirror(face_model)


def keys(seed, count=6):
    return jax.random.split(jax.random.key(seed), count)


def one(batch, row=0):
    return jax.tree.map(lambda leaf: leaf[row], batch)


def projected(face, face_model):
    return decode(landmark_space(face_model), face.coefficients)


def brightest(image, channel):
    y, x = np.unravel_index(np.argmax(np.asarray(image)[..., channel]), (120, 120))
    return np.array([x + 0.5, y + 0.5])


def test_default_augmentation_changes_nothing(some_faces, mirror):
    same = augment(keys(0), some_faces, mirror, Augmentation())
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-3), same, some_faces)


def test_augmented_coefficients_project_to_augmented_labels(some_faces, mirror, face_model):
    moved = jax.jit(augment, static_argnums=3)(keys(1), some_faces, mirror, STRONG)
    assert np.abs(moved.landmarks - some_faces.landmarks).max() > 5
    np.testing.assert_allclose(projected(moved, face_model)[..., :2], moved.landmarks, atol=0.02)


def test_image_moves_with_labels(some_faces):
    points = np.full((68, 3), -50.0)
    points[30] = 40.5, 70.5, 0
    face = one(some_faces)
    face = FaceSamples(
        jnp.asarray(formula_faces.draw(points), jnp.float32),
        jnp.asarray(points[:, :2], jnp.float32),
        face.visible,
        face.coefficients,
    )
    angle = np.radians(25)
    linear = 1.2 * np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    moved = move_face(face, jnp.asarray(np.column_stack([linear, [12.0, -30.0]]), jnp.float32))
    np.testing.assert_allclose(brightest(moved.image, 1), moved.landmarks[30], atol=0.75)
    assert np.abs(np.asarray(moved.landmarks[30]) - points[30, :2]).max() > 5


def test_moved_crop_takes_pixels_from_margin(some_faces):
    wide = jnp.asarray(np.random.default_rng(0).uniform(0, 255, (144, 144, 3)), jnp.float32)
    face = dataclasses.replace(one(some_faces), image=wide)
    moved = move_face(face, jnp.array([[1.0, 0.0, 12.0], [0.0, 1.0, -5.0]]))
    np.testing.assert_allclose(moved.image, wide[17:137, :120], atol=1e-2)
    still = move_face(face, jnp.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]))
    np.testing.assert_allclose(still.image, wide[12:132, 12:132], atol=1e-2)


def test_depth_scales_with_image(some_faces, face_model):
    face = one(some_faces)
    doubled = move_face(face, jnp.array([[0.0, -2.0, 5.0], [2.0, 0.0, 1.0]]))
    np.testing.assert_allclose(
        projected(doubled, face_model)[:, 2], 2 * projected(face, face_model)[:, 2], rtol=1e-4
    )


def test_mirroring_twice_restores_face(some_faces, mirror):
    face = one(some_faces, 2)
    back = mirror_face(mirror_face(face, mirror), mirror)
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=2e-3), back, face)


def test_mirror_image_matches_its_labels(some_faces, mirror, face_model):
    mirrored = mirror_face(one(some_faces, 3), mirror)
    np.testing.assert_allclose(
        projected(mirrored, face_model)[:, :2], mirrored.landmarks, atol=0.02
    )
    chin = np.asarray(mirrored.landmarks[8])
    x, y = np.floor(chin).astype(int)
    assert mirrored.image[y, x, 0] > 100


def test_colour_augmentation_stays_in_range(some_faces, mirror):
    changed = augment(keys(2), some_faces, mirror, Augmentation(colour=0.5, grey=0.5))
    assert changed.image.min() >= 0
    assert changed.image.max() <= 255
    assert np.abs(changed.image - some_faces.image).mean() > 1


def test_erasing_fills_small_rectangle_with_one_colour(some_faces, mirror):
    erased = augment(keys(3), some_faces, mirror, Augmentation(erase=1.0))
    for before, after in zip(some_faces.image, erased.image, strict=True):
        changed = (np.abs(np.asarray(after - before)) > 0.5).any(axis=-1)
        assert changed.mean() < 1 / 9 + 0.01
        if changed.any():
            assert len(np.unique(np.asarray(after)[changed].round(2), axis=0)) == 1


def test_in_the_wild_faces_are_augmented_like_annotated_faces(some_faces, mirror):
    wild = dataclasses.replace(some_faces, coefficients=None)
    moved, expected = (augment(keys(5), faces, mirror, STRONG) for faces in (wild, some_faces))
    assert moved.coefficients is None
    np.testing.assert_allclose(moved.image, expected.image, atol=1e-3)
    np.testing.assert_allclose(moved.landmarks, expected.landmarks, atol=1e-3)


def test_empty_batch_stays_empty(some_faces, mirror):
    nothing = jax.tree.map(lambda leaf: leaf[:0], some_faces)
    assert augment(keys(0, 0), nothing, mirror, STRONG).image.shape == (0, 120, 120, 3)
    assert simulate_detector(
        keys(0, 0), nothing.landmarks, nothing.visible, SimulatedDetector()
    ).shape == (0, 68, 2)


def test_augmentation_of_face_is_independent_of_batch(some_faces, mirror):
    together = augment(keys(6), some_faces, mirror, STRONG)
    last = jax.tree.map(lambda leaf: leaf[3:], some_faces)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a[3:], b, atol=1e-3),
        together,
        augment(keys(6)[3:], last, mirror, STRONG),
    )


def test_detector_with_zero_share_finds_nothing(some_faces):
    found = simulate_detector(
        keys(0), some_faces.landmarks, some_faces.visible, SimulatedDetector(share=0.0)
    )
    assert np.isnan(found).all()


def test_perfect_detector_returns_labels(some_faces):
    perfect = SimulatedDetector(share=1.0, noise=0.0, hidden_noise=0.0, dropped=0.0)
    found = simulate_detector(keys(0), some_faces.landmarks, some_faces.visible, perfect)
    np.testing.assert_array_equal(found, some_faces.landmarks)


def test_detector_errors_have_configured_statistics(some_faces):
    landmarks = jnp.tile(some_faces.landmarks, (50, 1, 1))
    visible = jnp.tile(jnp.arange(68) % 2 == 0, (len(landmarks), 1))
    found = np.asarray(
        simulate_detector(keys(4, 300), landmarks, visible, SimulatedDetector(0.5, 2.0, 5.0, 0.2))
    )
    missing = np.isnan(found).any(axis=-1)
    shown = ~missing.all(axis=-1)
    assert shown.mean() == pytest.approx(0.5, abs=0.1)
    assert missing[shown].mean() == pytest.approx(0.2, abs=0.02)
    assert np.nanstd((found - landmarks)[:, ::2]) == pytest.approx(2.0, rel=0.03)
    assert np.nanstd((found - landmarks)[:, 1::2]) == pytest.approx(5.0, rel=0.03)
