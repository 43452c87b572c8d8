"""Fits a face model to 2D landmarks: most probable pose and coefficients, by damped Gauss-Newton.

    minimise  sum_k w_k |y_k - x_k|^2 / sigma^2  +  |shape|^2 + |expression|^2

over the weak-perspective camera and the coefficients. It gives the pseudo 3D annotations of
in-the-wild images, and the floor that a face model sets to the landmark error. Where a network has
seen the picture as well, `refine_prediction` adds what it says, as 3D points of their own noise,

    + sum_k |X_k - X'_k|^2 / tau^2

and starts from there.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float

from twodasl_jax.array_types import Array, exact, typed
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.morphable_model import ShapeSpace, join_spaces, synthesize
from twodasl_jax.geometry.projection import (
    WeakPerspective,
    camera_from_affine,
    picture_from_model,
)
from twodasl_jax.geometry.rotation import rotation_from_vector

# Reflecting the depth of camera axes: the pose that looks most alike in the picture.
_DEPTH_FLIP = np.diag([1.0, 1.0, -1.0]).astype(np.float32)
# A weak-perspective camera says nothing of the distance.
_ON_PLANE = np.array([1.0, 1.0, 0.0], np.float32)
_INITIAL_DAMPING = 1e-2


@jax.tree_util.register_dataclass
@dataclasses.dataclass(frozen=True)
class LandmarkFit:
    """A face model fitted to landmarks.

    Attributes:
      camera: to the frame of the landmarks.
      shape: (..., S) coefficients.
      expression: (..., E) coefficients.
      cost: (...) the minimised sum.
    """

    camera: WeakPerspective
    shape: Float[Array, "*batch S"]
    expression: Float[Array, "*batch E"]
    cost: Float[Array, "*batch"]

    @property
    def coefficients(self) -> Coefficients:
        """The fit as coefficients; their affine matrix projects to the frame of the landmarks."""
        return Coefficients(affine_from_camera(self.camera), self.shape, self.expression)


class _State(NamedTuple):
    """One point of the search, and how it is damped."""

    camera: WeakPerspective
    coefficients: Float[Array, " C"]
    damping: Float[Array, ""]


class _Problem(NamedTuple):
    """Points that were observed, in D of three coordinates; those that were not have the precision zero."""

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
    """Fits one face; `jax.vmap` it over many.

    The search starts twice, from the affine fit of the mean face and from its reflection in depth,
    because both explain a picture nearly equally well; the cheaper end wins.

    Args:
      space: rows of the landmarks (`landmark_space`).
      landmarks: (N, 2) any picture frame; nan marks missing points. At least 4 must be there.
      weights: (N,) non-negative precision of each point relative to the others.
      sigma: standard deviation of a coordinate of a point of weight one, in the landmarks' unit.
      outlier_scale: residuals beyond this many sigma count less and less (Cauchy's loss); inf is
        least squares.
      iterations: Gauss-Newton steps.

    Raises:
      ValueError: the space has not as many points as there are landmarks.
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
    """How far points are off, standard deviations of a coordinate in pixels of the picture.

    Attributes:
      detected: of detected landmarks.
      predicted: of those that a network predicts, and of their depth. Its errors are alike for all points of a face, so
        that this stands for more than one point's error.
      outlier_scale: see `fit_landmarks`, of the detected ones.
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
    """Moves a network's prediction of one face towards landmarks that were detected; `jax.vmap` it over many.

    Without any landmark the prediction hardly changes: only its improbable coefficients shrink.

    Args:
      space: rows of the landmarks (`landmark_space`).
      predicted: of the face, without leading axes.
      landmarks: (N, 2) in the frame that the coefficients project to; nan marks missing points.
      weights: (N,) non-negative precision of each landmark relative to the others.
      noise: of both sources.
      iterations: Gauss-Newton steps.

    Raises:
      ValueError: the space has not as many points as there are landmarks.
    """
    _check_points(space, landmarks)
    camera = camera_from_affine(predicted.affine)
    camera = dataclasses.replace(camera, translation=camera.translation * _ON_PLANE)
    said = picture_from_model(camera, synthesize(space, predicted.shape, predicted.expression))
    seen = jnp.concatenate([landmarks, jnp.full_like(landmarks[:, :1], jnp.nan)], axis=1)
    detections = _observed(space, seen, weights, noise.detected, noise.outlier_scale)
    prediction = _observed(space, said, jnp.ones_like(said[:, 0]), noise.predicted, float("inf"))
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
            f"{landmarks.shape[0]} landmarks for a space of {space.mean.shape[0]} points: "
            "pass `landmark_space(model)` or the `point_space` of exactly these landmarks"
        )


def _mean_face_camera(problem: _Problem) -> WeakPerspective:
    """Returns the affine least-squares camera of the mean face to 2D points, made weak perspective."""
    precision = problem.precision[:, 0]
    present = precision > 0
    weights = jnp.sqrt(precision / jnp.max(precision))[:, None]
    points = jnp.concatenate([problem.space.mean, jnp.ones_like(problem.space.mean[:, :1])], axis=1)
    # A ridge of a little of the face's size keeps flat sets of points (a profile, an eye) solvable.
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
    """One Levenberg-Marquardt step: kept where it lowers the cost, otherwise damped more."""
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
    """Takes a step of rotation vector, log scale, translation over scale, and coefficients."""
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
    points = synthesize(problem.space, shape, expression)
    return picture_from_model(state.camera, points)[:, : problem.points.shape[1]] - problem.points


def _precision(problem: _Problem, residuals: Float[Array, "N D"]) -> Float[Array, "N D"]:
    """Returns the weight of each coordinate in this step: its own times its point's of Cauchy, 1 / (1 + (r / c)^2)."""
    squared = jnp.sum(problem.precision * residuals**2, axis=-1)
    return problem.precision / (1.0 + squared / problem.outlier_scale**2)[:, None]


def _cost(problem: _Problem, state: _State) -> Float[Array, ""]:
    squared = jnp.sum(problem.precision * _residuals(problem, state) ** 2, axis=-1)
    least_squares = jnp.isinf(problem.outlier_scale)
    limit = jnp.where(least_squares, 1.0, problem.outlier_scale) ** 2
    robust = jnp.where(least_squares, squared, limit * jnp.log1p(squared / limit))
    return jnp.sum(robust) + jnp.sum(state.coefficients**2)
