"""Fits a face model to 2D landmarks: most probable pose and coefficients, by damped Gauss-Newton.

    minimise  sum_k w_k |y_k - x_k|^2 / sigma^2  +  |shape|^2 + |expression|^2

over the weak-perspective camera and the coefficients. It gives the pseudo 3D annotations of
in-the-wild images, and the floor that a face model sets to the landmark error.
"""

import dataclasses
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Bool, Float

from twodasl_jax.array_types import Array, exact, typed
from twodasl_jax.geometry.morphable_model import ShapeSpace, synthesize
from twodasl_jax.geometry.projection import (
    WeakPerspective,
    camera_from_affine,
    picture_from_model,
)
from twodasl_jax.geometry.rotation import rotation_from_vector

# Reflecting the depth of camera axes: the pose that looks most alike in the picture.
_DEPTH_FLIP = np.diag([1.0, 1.0, -1.0]).astype(np.float32)
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


class _State(NamedTuple):
    """One point of the search, and how it is damped."""

    camera: WeakPerspective
    coefficients: Float[Array, " C"]
    damping: Float[Array, ""]


class _Problem(NamedTuple):
    space: ShapeSpace
    landmarks: Float[Array, "N 2"]
    precision: Float[Array, " N"]
    outlier_scale: Float[Array, ""]


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
    landmarks = jnp.asarray(landmarks)
    present = ~jnp.isnan(landmarks).any(-1)
    problem = _Problem(
        space,
        jnp.where(present[:, None], landmarks, 0.0),
        jnp.where(present, weights, 0.0) / sigma**2,
        jnp.asarray(outlier_scale, landmarks.dtype),
    )
    camera = _mean_face_camera(problem, present)
    cameras = jax.tree.map(lambda *ends: jnp.stack(ends), camera, _reflect_depth(camera))
    fits = jax.vmap(lambda start: _search(problem, start, iterations))(cameras)
    best = jnp.argmin(fits.cost)
    return jax.tree.map(lambda leaf: leaf[best], fits)


def _check_points(space: ShapeSpace, landmarks: Float[Array, "N 2"]) -> None:
    if space.mean.shape[0] != landmarks.shape[0]:
        raise ValueError(
            f"{landmarks.shape[0]} landmarks for a space of {space.mean.shape[0]} points: "
            "pass `landmark_space(model)` or the `point_space` of exactly these landmarks"
        )


def _mean_face_camera(problem: _Problem, present: Bool[Array, " N"]) -> WeakPerspective:
    """Returns the affine least-squares camera of the mean face, made weak perspective."""
    weights = jnp.sqrt(problem.precision / jnp.max(problem.precision))[:, None]
    points = jnp.concatenate([problem.space.mean, jnp.ones_like(problem.space.mean[:, :1])], axis=1)
    # A ridge of a little of the face's size keeps flat sets of points (a profile, an eye) solvable.
    ridge = 1e-3 * jnp.diag(jnp.mean(points**2, axis=0)).at[3, 3].set(0.0)
    design = weights * points
    normal = design.T @ design / jnp.maximum(present.sum(), 1) + ridge
    target = design.T @ (weights * problem.landmarks) / jnp.maximum(present.sum(), 1)
    rows = jnp.linalg.solve(normal, target).T
    return camera_from_affine(jnp.concatenate([rows, jnp.zeros_like(rows[:1])]))


def _reflect_depth(camera: WeakPerspective) -> WeakPerspective:
    return dataclasses.replace(camera, rotation=_DEPTH_FLIP @ camera.rotation @ _DEPTH_FLIP)


def _search(problem: _Problem, camera: WeakPerspective, iterations: int) -> LandmarkFit:
    space = problem.space
    shape_count, expression_count = space.shape_std.shape[0], space.expression_std.shape[0]
    zeros = jnp.zeros(shape_count + expression_count, problem.landmarks.dtype)
    start = _State(camera, zeros, jnp.asarray(_INITIAL_DAMPING, problem.landmarks.dtype))
    end, _ = jax.lax.scan(lambda state, _: (_step(problem, state), None), start, length=iterations)
    shape, expression = jnp.split(end.coefficients, [shape_count])
    return LandmarkFit(end.camera, shape, expression, _cost(problem, end))


def _step(problem: _Problem, state: _State) -> _State:
    """One Levenberg-Marquardt step: kept where it lowers the cost, otherwise damped more."""
    size = 6 + state.coefficients.shape[0]
    origin = jnp.zeros(size, state.coefficients.dtype)
    residuals = _residuals(problem, state)
    jacobian = jax.jacfwd(lambda delta: _residuals(problem, _move(state, delta)))(origin)
    weights = _precision(problem, residuals)[:, None]
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


def _residuals(problem: _Problem, state: _State) -> Float[Array, "N 2"]:
    shape, expression = jnp.split(state.coefficients, [problem.space.shape_std.shape[0]])
    points = synthesize(problem.space, shape, expression)
    return picture_from_model(state.camera, points)[:, :2] - problem.landmarks


def _precision(problem: _Problem, residuals: Float[Array, "N 2"]) -> Float[Array, " N"]:
    """Returns the weight of each point in this step: its own times Cauchy's 1 / (1 + (r / c)^2)."""
    squared = problem.precision * jnp.sum(residuals**2, axis=-1)
    return problem.precision / (1.0 + squared / problem.outlier_scale**2)


def _cost(problem: _Problem, state: _State) -> Float[Array, ""]:
    squared = problem.precision * jnp.sum(_residuals(problem, state) ** 2, axis=-1)
    least_squares = jnp.isinf(problem.outlier_scale)
    limit = jnp.where(least_squares, 1.0, problem.outlier_scale) ** 2
    robust = jnp.where(least_squares, squared, limit * jnp.log1p(squared / limit))
    return jnp.sum(robust) + jnp.sum(state.coefficients**2)
