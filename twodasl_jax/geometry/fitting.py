"""Fits of a face model to 2D landmarks, by damped Gauss-Newton.

`fit_landmarks` minimises

    sum_k w_k |y_k - x_k|^2 / sigma^2  +  |shape|^2 + |expression|^2

over the weak-perspective camera and the coefficients, where x_k are the landmarks and y_k the
projected points of the face model. The minimum is the most probable face. It gives the pseudo
annotations of in-the-wild images, and a lower bound of the landmark error with this face model.

`refine_prediction` also uses the prediction of a network, as 3D points X'_k with noise tau. It
starts from the prediction and minimises the sum above plus

    sum_k |X_k - X'_k|^2 / tau^2
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from twodasl_jax.array_types import Array, exact, typed
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.decoder import decode
from twodasl_jax.geometry.morphable_model import ShapeSpace, join_spaces
from twodasl_jax.geometry.projection import (
    WeakPerspective,
    affine_from_camera,
    camera_from_affine,
)
from twodasl_jax.geometry.rotation import rotation_from_vector

# Reflects the depth axis of the camera, which gives the pose with the most similar projection.
_DEPTH_FLIP = np.diag([1.0, 1.0, -1.0]).astype(np.float32)
# A weak-perspective camera does not determine the depth offset, so it is set to zero.
_ON_PLANE = np.array([1.0, 1.0, 0.0], np.float32)
_INITIAL_DAMPING = 1e-2


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class LandmarkFit:
    """The result of a fit.

    Attributes:
      camera: the camera from the model frame to the frame of the landmarks.
      shape: (..., S) the shape coefficients.
      expression: (..., E) the expression coefficients.
      cost: (...) the minimised sum.
    """

    camera: WeakPerspective
    shape: Float[Array, "*batch S"]
    expression: Float[Array, "*batch E"]
    cost: Float[Array, "*batch"]

    @property
    def coefficients(self) -> Coefficients:
        """The coefficients; the affine matrix projects to the frame of the landmarks."""
        return Coefficients(affine_from_camera(self.camera), self.shape, self.expression)


class _State(NamedTuple):
    """An iterate of the search.

    Attributes:
      camera: the camera.
      coefficients: (S + E,) the shape coefficients, then the expression coefficients.
      damping: the Levenberg-Marquardt damping of the next step.
    """

    camera: WeakPerspective
    coefficients: Float[Array, " C"]
    damping: Float[Array, ""]


class _Problem(NamedTuple):
    """N observed points with D coordinates each; missing coordinates have zero precision.

    Attributes:
      space: the shape space of the N points.
      points: (N, D) the observed coordinates.
      precision: (N, D) the inverse variance of each coordinate.
      outlier_scale: (N,) the outlier scale of each point; see `fit_landmarks`.
    """

    space: ShapeSpace
    points: Float[Array, "N D"]
    precision: Float[Array, "N D"]
    outlier_scale: Float[Array, " N"]


@typed
@exact
def fit_landmarks(
    space: ShapeSpace,
    landmarks: Float[Array, "N 2"],
    weights: Float[Array, " N"],
    sigma: float | Float[Array, ""],
    outlier_scale: float | Float[Array, ""] = float("inf"),
    iterations: int = 30,
) -> LandmarkFit:
    """Fits the face model to the landmarks of one face; use `jax.vmap` for a batch.

    The search starts from the affine fit of the mean face and from its reflection in depth, because
    both explain the landmarks nearly equally well. The result with the lower cost is returned.

    Args:
      space: the shape space of the landmarks (`landmark_space`).
      landmarks: (N, 2) landmarks in any picture frame; nan marks a missing landmark. At least 4
        must be present.
      weights: (N,) the non-negative relative precision of each landmark.
      sigma: the standard deviation of a coordinate of a landmark of weight one, in the unit of the
        landmarks.
      outlier_scale: the scale of Cauchy's loss, in sigmas; larger residuals lose influence.
        Infinity gives least squares.
      iterations: the number of Gauss-Newton steps.

    Raises:
      ValueError: if the number of points of the space differs from the number of landmarks.
    """
    _check_points(space, landmarks)
    problem = _observed(space, jnp.asarray(landmarks), weights, sigma, outlier_scale)
    camera = _mean_face_camera(problem)
    cameras = jax.tree.map(lambda *ends: jnp.stack(ends), camera, _reflect_depth(camera))
    zeros = jnp.zeros(
        space.shape_std.shape[0] + space.expression_std.shape[0], problem.points.dtype
    )
    fits = jax.vmap(lambda start: _search(problem, start, zeros, iterations))(cameras)
    best = jnp.argmin(fits.cost)
    return jax.tree.map(lambda leaf: leaf[best], fits)


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class Noise:
    """The noise of both kinds of points: standard deviations of a coordinate, in pixels.

    Attributes:
      detected: the noise of detected landmarks.
      predicted: the noise of predicted landmarks, including their depth. Errors of a network are
        correlated over a face, so this value must exceed the error of a single point.
      outlier_scale: the outlier scale of detected landmarks; see `fit_landmarks`.
    """

    detected: float | Float[Array, ""]
    predicted: float | Float[Array, ""]
    outlier_scale: float | Float[Array, ""]


@typed
@exact
def refine_prediction(
    space: ShapeSpace,
    predicted: Coefficients,
    landmarks: Float[Array, "N 2"],
    weights: Float[Array, " N"],
    noise: Noise,
    iterations: int = 4,
) -> LandmarkFit:
    """Moves the prediction for one face towards detected landmarks; use `jax.vmap` for a batch.

    Without landmarks the prediction hardly changes: only improbable coefficients shrink.

    Args:
      space: the shape space of the landmarks (`landmark_space`).
      predicted: the predicted coefficients of one face, without leading axes.
      landmarks: (N, 2) detected landmarks in the frame that the coefficients project to; nan marks a
        missing landmark.
      weights: (N,) the non-negative relative precision of each landmark.
      noise: the noise of the detected and of the predicted landmarks.
      iterations: the number of Gauss-Newton steps.

    Raises:
      ValueError: if the number of points of the space differs from the number of landmarks.
    """
    _check_points(space, landmarks)
    camera = camera_from_affine(predicted.affine)
    camera = dataclasses.replace(camera, translation=camera.translation * _ON_PLANE)
    points = decode(space, dataclasses.replace(predicted, affine=affine_from_camera(camera)))
    without_depth = jnp.concatenate([landmarks, jnp.full_like(landmarks[:, :1], jnp.nan)], axis=1)
    detections = _observed(space, without_depth, weights, noise.detected, noise.outlier_scale)
    ones = jnp.ones_like(points[:, 0])
    prediction = _observed(space, points, ones, noise.predicted, float("inf"))
    both = _Problem(
        join_spaces(space, space),
        *(jnp.concatenate(parts) for parts in zip(detections[1:], prediction[1:], strict=True)),
    )
    coefficients = jnp.concatenate([predicted.shape, predicted.expression])
    return _search(both, camera, coefficients, iterations)


def _observed(space, points, weights, sigma, outlier_scale) -> _Problem:
    present = ~jnp.isnan(points)
    count = points.shape[0]
    return _Problem(
        space,
        jnp.where(present, points, 0.0),
        jnp.where(present, jnp.asarray(weights)[:, None], 0.0) / sigma**2,
        jnp.broadcast_to(jnp.asarray(outlier_scale, points.dtype), (count,)),
    )


def _check_points(space: ShapeSpace, landmarks: Float[Array, "N 2"]) -> None:
    if space.mean.shape[0] != landmarks.shape[0]:
        raise ValueError(
            f"{landmarks.shape[0]} landmarks for a shape space of {space.mean.shape[0]} points: "
            "pass `landmark_space(model)` or the `point_space` of these landmarks"
        )


def _mean_face_camera(problem: _Problem) -> WeakPerspective:
    """Fits an affine camera of the mean face to 2D points; returns its weak-perspective camera."""
    precision = problem.precision[:, 0]
    present = precision > 0
    weights = jnp.sqrt(precision / jnp.max(precision))[:, None]
    points = jnp.concatenate([problem.space.mean, jnp.ones_like(problem.space.mean[:, :1])], axis=1)
    # A small ridge, relative to the face size, makes flat sets of points (a profile, an eye) solvable.
    ridge = 1e-3 * jnp.diag(jnp.mean(points**2, axis=0)).at[3, 3].set(0.0)
    design = weights * points
    normal = design.T @ design / jnp.maximum(present.sum(), 1) + ridge
    target = design.T @ (weights * problem.points) / jnp.maximum(present.sum(), 1)
    rows = jnp.linalg.solve(normal, target).T
    return camera_from_affine(jnp.concatenate([rows, jnp.zeros_like(rows[:1])]))


def _reflect_depth(camera: WeakPerspective) -> WeakPerspective:
    return dataclasses.replace(camera, rotation=_DEPTH_FLIP @ camera.rotation @ _DEPTH_FLIP)


def _search(
    problem: _Problem,
    camera: WeakPerspective,
    coefficients: Float[Array, " C"],
    iterations: int,
) -> LandmarkFit:
    start = _State(camera, coefficients, jnp.asarray(_INITIAL_DAMPING, problem.points.dtype))
    end, _ = jax.lax.scan(lambda state, _: (_step(problem, state), None), start, length=iterations)
    shape, expression = jnp.split(end.coefficients, [problem.space.shape_std.shape[0]])
    return LandmarkFit(end.camera, shape, expression, _cost(problem, end))


def _step(problem: _Problem, state: _State) -> _State:
    """Takes one Levenberg-Marquardt step, or only raises the damping if the cost does not decrease."""
    size = 6 + state.coefficients.shape[0]
    origin = jnp.zeros(size, state.coefficients.dtype)
    residuals = _residuals(problem, state)
    jacobian = jax.jacfwd(lambda delta: _residuals(problem, _move(state, delta)))(origin)
    weights = _precision(problem, residuals)
    prior = jnp.concatenate([jnp.zeros(6, origin.dtype), jnp.ones(size - 6, origin.dtype)])
    hessian = jnp.einsum("nci,ncj->ij", jacobian, weights[..., None] * jacobian) + jnp.diag(prior)
    gradient = jnp.einsum("nci,nc->i", jacobian, weights * residuals)
    gradient = gradient + prior * jnp.concatenate([jnp.zeros(6, origin.dtype), state.coefficients])
    damped = hessian + state.damping * jnp.diag(jnp.diag(hessian))
    moved = _move(state, -jax.scipy.linalg.solve(damped, gradient, assume_a="pos"))
    better = _cost(problem, moved) < _cost(problem, state)
    chosen = jax.tree.map(lambda new, old: jnp.where(better, new, old), moved, state)
    return chosen._replace(damping=jnp.where(better, state.damping * 0.3, state.damping * 10.0))


def _move(state: _State, delta: Float[Array, " C"]) -> _State:
    """Adds a step: rotation vector, log scale, translation relative to the scale, coefficients."""
    camera, scale_step = state.camera, jnp.exp(delta[3])
    shift = jnp.concatenate([delta[4:6] * camera.scale, jnp.zeros_like(delta[:1])])
    moved = WeakPerspective(
        scale=camera.scale * scale_step,
        rotation=rotation_from_vector(delta[:3]) @ camera.rotation,
        translation=camera.translation + shift,
    )
    return state._replace(camera=moved, coefficients=state.coefficients + delta[6:])


def _residuals(problem: _Problem, state: _State) -> Float[Array, "N D"]:
    shape, expression = jnp.split(state.coefficients, [problem.space.shape_std.shape[0]])
    face = Coefficients(affine_from_camera(state.camera), shape, expression)
    return decode(problem.space, face)[:, : problem.points.shape[1]] - problem.points


def _precision(problem: _Problem, residuals: Float[Array, "N D"]) -> Float[Array, "N D"]:
    """Returns the precision of each coordinate times the Cauchy weight of its point, 1 / (1 + (r / c)^2)."""
    squared = jnp.sum(problem.precision * residuals**2, axis=-1)
    return problem.precision / (1.0 + squared / problem.outlier_scale**2)[:, None]


def _cost(problem: _Problem, state: _State) -> Float[Array, ""]:
    squared = jnp.sum(problem.precision * _residuals(problem, state) ** 2, axis=-1)
    least_squares = jnp.isinf(problem.outlier_scale)
    limit = jnp.where(least_squares, 1.0, problem.outlier_scale) ** 2
    robust = jnp.where(least_squares, squared, limit * jnp.log1p(squared / limit))
    return jnp.sum(robust) + jnp.sum(state.coefficients**2)
