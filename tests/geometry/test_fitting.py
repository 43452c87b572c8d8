"""Tests of fits to synthetic landmarks, with missing landmarks, outliers and depth ambiguity."""

import dataclasses

import jax
import numpy as np
import pytest
import scipy.optimize
from scipy.spatial.transform import Rotation

from twodasl_jax.geometry import fitting
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.morphable_model import ShapeSpace
from twodasl_jax.geometry.projection import WeakPerspective, affine_from_camera
from twodasl_jax.geometry.rotation import euler_from_rotation, rotation_from_euler

YAW_PITCH_ROLL = [(0, 0, 0), (25, -10, 5), (-25, 15, -40), (55, 0, 20), (-55, -20, 0), (80, 5, 0)]
FACES = len(YAW_PITCH_ROLL)
SIGMA = np.array(0.02, np.float32)
LEAST_SQUARES = np.array(np.inf, np.float32)
EVERY_POINT = np.ones(68, np.float32)

compiled = jax.jit(fitting.fit_landmarks, static_argnames="iterations")
fit_many = jax.jit(jax.vmap(fitting.fit_landmarks, in_axes=(None, 0, None, None, None)))


@dataclasses.dataclass(frozen=True)
class Faces:
    """Landmarks of synthetic faces, with the true coefficients and cameras."""

    shape: np.ndarray
    expression: np.ndarray
    camera: WeakPerspective
    landmarks: np.ndarray


@pytest.fixture(scope="module")
def faces(small_landmark_space):
    random = np.random.default_rng(0)
    shape = random.normal(size=(FACES, 6)).astype("f")
    expression = random.normal(size=(FACES, 3)).astype("f")
    camera = WeakPerspective(
        random.uniform(0.4, 0.6, FACES).astype("f"),
        np.asarray(rotation_from_euler(np.radians(YAW_PITCH_ROLL).astype("f"))),
        np.concatenate([random.uniform(50, 70, (FACES, 2)), np.zeros((FACES, 1))], -1).astype("f"),
    )
    coefficients = Coefficients(np.asarray(affine_from_camera(camera)), shape, expression)
    landmarks = np.asarray(decode(small_landmark_space, coefficients))[..., :2]
    return Faces(shape, expression, camera, landmarks)


@pytest.fixture(scope="module")
def fits(small_landmark_space, faces):
    return fit_many(small_landmark_space, faces.landmarks, EVERY_POINT, SIGMA, LEAST_SQUARES)


def fit_landmarks(
    space, landmarks, weights=EVERY_POINT, sigma=SIGMA, outlier_scale=LEAST_SQUARES, iterations=30
):
    """Fits one face; the constant signature allows one compilation."""
    return compiled(space, landmarks, weights, sigma, outlier_scale, iterations=iterations)


def one(tree, index):
    return jax.tree.map(lambda leaf: np.asarray(leaf)[index], tree)


def cost_in_numpy(space, landmarks, weights, sigma, outlier_scale, fit):
    points = np.asarray(space.mean, float)
    points = points + space.shape_basis @ (space.shape_std * fit.shape)
    points = points + space.expression_basis @ (space.expression_std * fit.expression)
    x, y, _ = fit.camera.scale * np.asarray(fit.camera.rotation) @ points.T
    predicted = np.stack([x, -y], axis=-1) + fit.camera.translation[:2]
    squared = weights * np.sum((predicted - landmarks) ** 2, axis=-1) / sigma**2
    if np.isfinite(outlier_scale):
        squared = outlier_scale**2 * np.log(1 + squared / outlier_scale**2)
    return np.nansum(squared) + np.sum(fit.shape**2) + np.sum(fit.expression**2)


def test_rigid_face_by_hand():
    corners = np.array([[0, 0, 0], [10, 0, 0], [0, 10, 0], [0, 0, 10], [-10, -5, -20]], "f")
    rigid = ShapeSpace(
        corners,
        np.zeros((5, 3, 0), "f"),
        np.zeros(0, "f"),
        np.zeros((5, 3, 0), "f"),
        np.zeros(0, "f"),
    )
    landmarks = np.array([[50, 60], [70, 60], [50, 40], [50, 60], [30, 70]], "f")
    fit = fit_landmarks(rigid, landmarks, np.ones(5, "f"))
    np.testing.assert_allclose(fit.camera.scale, 2, rtol=1e-4)
    np.testing.assert_allclose(fit.camera.rotation, np.eye(3), atol=1e-3)
    np.testing.assert_allclose(fit.camera.translation, [50, 60, 0], atol=1e-2)


def test_fit_recovers_pose_and_coefficients(faces, fits):
    angles = np.degrees(euler_from_rotation(fits.camera.rotation))
    np.testing.assert_allclose(angles, YAW_PITCH_ROLL, atol=0.5)
    np.testing.assert_allclose(fits.camera.scale, faces.camera.scale, rtol=5e-3)
    np.testing.assert_allclose(fits.camera.translation, faces.camera.translation, atol=0.2)
    np.testing.assert_allclose(fits.shape, faces.shape, atol=0.1)
    np.testing.assert_allclose(fits.expression, faces.expression, atol=0.1)


def test_batch_equals_loop(small_landmark_space, faces, fits):
    for index in (0, 4):
        fit = fit_landmarks(small_landmark_space, faces.landmarks[index])
        jax.tree.map(
            lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3),
            fit,
            one(fits, index),
        )


@pytest.mark.parametrize("index", range(FACES))
def test_nose_is_in_front_of_ears(small_landmark_space, fits, index):
    """The reflection in depth fits the landmarks nearly as well, but has the opposite yaw."""
    fit = one(fits, index)
    depth = np.asarray(decode(small_landmark_space, fit.coefficients))[:, 2]
    assert depth[30] > min(depth[0], depth[16])
    assert np.sign(fit.camera.rotation[0, 2]) == -np.sign(YAW_PITCH_ROLL[index][0]) or index == 0


def test_flat_face_does_not_end_in_reflected_pose(small_landmark_space):
    """Outliers disturb the affine start, which has the wrong yaw in a quarter of these cases."""
    no_components = dict.fromkeys(("shape_basis", "expression_basis"), np.zeros((68, 3, 0), "f"))
    no_components |= dict.fromkeys(("shape_std", "expression_std"), np.zeros(0, "f"))
    mean = small_landmark_space.mean * np.array([1, 1, 0.3], "f")
    turn = Rotation.from_euler("y", -30, degrees=True).as_matrix()
    landmarks = 0.5 * (mean @ turn.T)[:, :2] * np.array([1, -1])
    random = np.random.default_rng(0)
    noise = 0.5 * random.normal(size=(20, 68, 2))
    noise[:, ::8] += 40 * random.normal(size=(20, 9, 2))
    sigma, limit = np.array(0.5, "f"), np.array(3, "f")
    flat = ShapeSpace(mean=mean, **no_components)
    fits = fit_many(flat, (landmarks + noise).astype("f"), EVERY_POINT, sigma, limit)
    cost_of_truth = limit**2 * np.log1p(np.sum((noise / sigma / limit) ** 2, axis=-1)).sum(axis=-1)
    assert (np.asarray(fits.cost) < cost_of_truth).all()


def test_missing_landmarks_are_ignored(small_landmark_space, faces):
    missing = [3, 20, 40, 66]
    with_gaps, elsewhere = faces.landmarks[1].copy(), faces.landmarks[1].copy()
    weights = EVERY_POINT.copy()
    with_gaps[missing[:2]], with_gaps[missing[2:], 0] = np.nan, np.nan
    elsewhere[missing], weights[missing] = 1e3, 0
    fit = fit_landmarks(small_landmark_space, with_gaps)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(fit))
    np.testing.assert_allclose(fit.shape, faces.shape[1], atol=0.1)
    weightless = fit_landmarks(small_landmark_space, elsewhere, weights)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3), fit, weightless
    )


def test_outlier_disturbs_least_squares_but_not_robust_fit(small_landmark_space, faces):
    landmarks = faces.landmarks[1].copy()
    landmarks[8] += (40, -30)

    def worst_coefficient(outlier_scale):
        fit = fit_landmarks(small_landmark_space, landmarks, outlier_scale=outlier_scale)
        return np.abs(fit.shape - faces.shape[1]).max()

    assert worst_coefficient(np.array(3, "f")) < 0.15
    assert worst_coefficient(LEAST_SQUARES) > 1


@pytest.mark.parametrize("outlier_scale", [np.inf, 2.0])
def test_cost_equals_documented_sum_and_decreases(small_landmark_space, faces, outlier_scale):
    random = np.random.default_rng(1)
    landmarks = faces.landmarks[2] + random.normal(size=(68, 2)).astype("f")
    weights = random.uniform(0.2, 1, 68).astype("f")
    scale = np.array(outlier_scale, "f")
    arguments = (small_landmark_space, landmarks, weights, np.array(1, "f"), scale)
    costs = [fit_landmarks(*arguments, iterations=count).cost for count in (0, 2)]
    fit = one(fit_landmarks(*arguments), ())
    np.testing.assert_allclose(fit.cost, cost_in_numpy(*arguments, fit), rtol=1e-4)
    assert fit.cost <= costs[1] <= costs[0]


def test_scipy_does_not_find_lower_cost(small_landmark_space, faces):
    space = small_landmark_space
    landmarks = faces.landmarks[3] + np.random.default_rng(2).normal(size=(68, 2)).astype("f")
    fit = fit_landmarks(space, landmarks, sigma=np.array(5, "f"))

    def residuals(numbers):
        points = space.mean + space.shape_basis @ (space.shape_std * numbers[6:12])
        points = points + space.expression_basis @ (space.expression_std * numbers[12:])
        turned = Rotation.from_rotvec(numbers[:3]).apply(points) * numbers[3]
        predicted = turned[:, :2] * [1, -1] + numbers[4:6]
        return np.concatenate([np.ravel(predicted - landmarks) / 5, numbers[6:]])

    truth = (one(faces.camera, 3), faces.shape[3], faces.expression[3])
    for camera, shape, expression in (truth, (fit.camera, fit.shape, fit.expression)):
        turn = Rotation.from_matrix(camera.rotation).as_rotvec()
        start = np.array([*turn, camera.scale, *camera.translation[:2], *shape, *expression])
        scale = np.maximum(np.abs(start), 0.1)
        best = scipy.optimize.least_squares(residuals, start, x_scale=scale)
        assert fit.cost <= 2 * best.cost * (1 + 1e-4)


def test_gradient_is_finite_with_missing_landmarks(small_landmark_space, faces):
    landmarks = faces.landmarks[0].copy()
    landmarks[5] = np.nan

    def total(landmarks):
        fit = fitting.fit_landmarks(small_landmark_space, landmarks, EVERY_POINT, 0.1, iterations=2)
        return sum(leaf.sum() for leaf in jax.tree.leaves(fit))

    gradient = np.asarray(jax.jit(jax.grad(total))(landmarks))
    assert np.isfinite(gradient).all()
    np.testing.assert_array_equal(gradient[5], 0)
    assert np.abs(gradient).max() > 0


def test_whole_model_instead_of_landmark_space_raises(face_model, faces):
    with pytest.raises(ValueError, match="68 landmarks for a shape space of 221 points"):
        fitting.fit_landmarks(face_model, faces.landmarks[0], EVERY_POINT, SIGMA)


def prediction_of(faces, random, error):
    """Returns predictions with zero coefficients and an error of the pose."""
    angles = np.radians(YAW_PITCH_ROLL) + error * random.normal(size=(FACES, 3))
    camera = dataclasses.replace(
        faces.camera, rotation=np.asarray(rotation_from_euler(angles.astype("f")))
    )
    affine = np.asarray(affine_from_camera(camera))
    return Coefficients(affine, faces.shape * 0, faces.expression * 0)


# The constant signature allows one compilation.
refine_many = jax.jit(jax.vmap(fitting.refine_prediction, in_axes=(None, 0, 0, None, None)))


def refine(space, predicted, landmarks, detected, predicted_noise, outlier_scale=np.inf):
    noise = fitting.Noise(*np.float32([detected, predicted_noise, outlier_scale]))
    return refine_many(space, predicted, landmarks, EVERY_POINT, noise)


def distance(space, fit, landmarks):
    points = decode(space, fit.coefficients)[..., :2]
    return np.linalg.norm(np.asarray(points) - landmarks, axis=-1).mean(axis=1)


def test_prediction_moves_to_accurate_landmarks(small_landmark_space, faces):
    predicted = prediction_of(faces, np.random.default_rng(1), 0.1)
    refined = refine(small_landmark_space, predicted, faces.landmarks, 0.05, 50.0)
    assert (distance(small_landmark_space, refined, faces.landmarks) < 0.3).all()


def test_prediction_without_landmarks_is_kept(small_landmark_space, faces):
    predicted = prediction_of(faces, np.random.default_rng(2), 0.1)
    missing = np.full_like(faces.landmarks, np.nan)
    refined = refine(small_landmark_space, predicted, missing, 1.0, 1.0, 3.0)
    np.testing.assert_allclose(refined.coefficients.affine, predicted.affine, atol=1e-3)
    np.testing.assert_allclose(refined.shape, 0, atol=1e-4)


def test_lower_noise_of_landmarks_draws_fit_closer(small_landmark_space, faces):
    predicted = prediction_of(faces, np.random.default_rng(3), 0.1)
    fits = [
        refine(small_landmark_space, predicted, faces.landmarks, detected, 2.0)
        for detected in (0.5, 2.0, 8.0)
    ]
    distances = [distance(small_landmark_space, fit, faces.landmarks) for fit in fits]
    assert (np.diff(distances, axis=0) > 0).all()


def test_depth_of_prediction_selects_pose(small_landmark_space, faces):
    """Two poses that differ by a reflection in depth fit the landmarks; the predicted one is kept."""
    flip = np.diag([1.0, 1.0, -1.0]).astype("f")
    turned = np.asarray(faces.camera.rotation)
    for rotation in (turned, flip @ turned @ flip):
        camera = dataclasses.replace(faces.camera, rotation=rotation)
        affine = np.asarray(affine_from_camera(camera))
        predicted = Coefficients(affine, faces.shape * 0, faces.expression * 0)
        refined = refine(small_landmark_space, predicted, faces.landmarks, 2.0, 1.0)
        # Only faces with a large yaw, because their reflected poses are far apart.
        yaws = [
            euler_from_rotation(values)[..., 0] for values in (refined.camera.rotation, rotation)
        ]
        assert (np.abs(yaws[0] - yaws[1])[1:5] < np.radians(8)).all()
