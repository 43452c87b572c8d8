"""Rotation matrices, and their Euler angles, 6D representations and rotation vectors.

Matrices act on column vectors: X' = R X. Angles are in radians.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from twodasl_jax.array_types import Array, exact, typed

# Below this cosine of the yaw, pitch and roll have the same axis and are not distinguishable.
_GIMBAL_COSINE = 1e-6


@typed
def rotation_from_euler(yaw_pitch_roll: Float[Array, "*batch 3"]) -> Float[Array, "*batch 3 3"]:
    """Computes R = Rx(pitch) Ry(yaw) Rz(roll) with the signs of 300W-LP.

        Rx = [1 0 0; 0 c s; 0 -s c]   Ry = [c 0 -s; 0 1 0; s 0 c]   Rz = [c s 0; -s c 0; 0 0 1]

    Args:
      yaw_pitch_roll: (..., 3) yaw, pitch and roll in radians.

    References:
      Zhu et al., Face Alignment in Full Pose Range: A 3D Total Solution, 2017 (`Pose_Para`).
    """
    (cy, cp, cr), (sy, sp, sr) = (
        jnp.moveaxis(function(yaw_pitch_roll), -1, 0) for function in (jnp.cos, jnp.sin)
    )
    rows = (
        (cy * cr, cy * sr, -sy),
        (sp * sy * cr - cp * sr, sp * sy * sr + cp * cr, sp * cy),
        (cp * sy * cr + sp * sr, cp * sy * sr - sp * cr, cp * cy),
    )
    return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)


@typed
def euler_from_rotation(rotation: Float[Array, "*batch 3 3"]) -> Float[Array, "*batch 3"]:
    """Returns (yaw, pitch, roll) in radians, the inverse of `rotation_from_euler` for |yaw| < 90 degrees.

    At a yaw of exactly +-90 degrees only pitch -+ roll is defined, and the function returns a roll
    of zero. Near +-90 degrees pitch and roll are ill-conditioned, but the matrix of the three
    returned angles equals `rotation` to 1e-6.
    """
    first, second = rotation[..., 0, 0], rotation[..., 0, 1]
    locked = first**2 + second**2 < _GIMBAL_COSINE**2
    roll = jnp.arctan2(jnp.where(locked, 0.0, second), jnp.where(locked, 1.0, first))
    # Without the roll, R is Rx(pitch) Ry(yaw), where both angles are well conditioned everywhere.
    cosine, sine = jnp.cos(roll), jnp.sin(roll)
    yaw = jnp.arctan2(-rotation[..., 0, 2], cosine * first + sine * second)
    pitch = jnp.arctan2(
        sine * rotation[..., 2, 0] - cosine * rotation[..., 2, 1],
        cosine * rotation[..., 1, 1] - sine * rotation[..., 1, 0],
    )
    return jnp.stack([yaw, pitch, roll], axis=-1)


@typed
def rotation_from_6d(rows: Float[Array, "*batch 2 3"]) -> Float[Array, "*batch 3 3"]:
    """Computes a rotation from two vectors: Gram-Schmidt gives its first two rows.

    The map is continuous and onto, which makes it suitable for regression.

    Args:
      rows: (..., 2, 3) two vectors that are not parallel.

    References:
      Zhou et al., On the Continuity of Rotation Representations in Neural Networks, CVPR 2019.
    """
    first = _normalize(rows[..., 0, :])
    along = jnp.sum(first * rows[..., 1, :], axis=-1, keepdims=True)
    second = _normalize(rows[..., 1, :] - along * first)
    return jnp.stack([first, second, jnp.cross(first, second)], axis=-2)


def _normalize(vectors: Float[Array, "*batch 3"]) -> Float[Array, "*batch 3"]:
    squared = jnp.sum(vectors**2, axis=-1, keepdims=True)
    return vectors / jnp.sqrt(jnp.maximum(squared, jnp.finfo(squared.dtype).tiny))


@typed
@exact
def rotation_from_vector(vector: Float[Array, "*batch 3"]) -> Float[Array, "*batch 3 3"]:
    """Computes exp([v]_x), the right-handed rotation by |v| radians about v (Rodrigues' formula).

    The function is smooth at v = 0, so it also suits small steps on the rotation group.
    """
    vector = jnp.asarray(vector)
    squared = jnp.sum(vector**2, axis=-1)[..., None, None]
    small = squared < 1e-8
    angle = jnp.sqrt(jnp.where(small, 1.0, squared))
    sine_ratio = jnp.where(small, 1.0 - squared / 6.0, jnp.sin(angle) / angle)
    cosine_ratio = jnp.where(small, 0.5 - squared / 24.0, 2.0 * (jnp.sin(angle / 2.0) / angle) ** 2)
    cross = _cross_matrix(vector)
    return jnp.eye(3, dtype=vector.dtype) + sine_ratio * cross + cosine_ratio * (cross @ cross)


def _cross_matrix(vector: Float[Array, "*batch 3"]) -> Float[Array, "*batch 3 3"]:
    x, y, z = jnp.moveaxis(vector, -1, 0)
    zero = jnp.zeros_like(x)
    rows = ((zero, -z, y), (z, zero, -x), (-y, x, zero))
    return jnp.stack([jnp.stack(row, axis=-1) for row in rows], axis=-2)


@typed
@exact
def nearest_rotation(matrix: Float[Array, "*batch 3 3"]) -> Float[Array, "*batch 3 3"]:
    """Computes the rotation nearest to a matrix in the Frobenius norm (Procrustes, by SVD).

    The result is unique and differentiable unless the two smallest singular values are both zero,
    or equal with a negative determinant.

    References:
      Levinson et al., An Analysis of SVD for Deep Rotation Estimation, NeurIPS 2020.
    """
    return _nearest_rotation(jnp.asarray(matrix))


@jax.custom_jvp
def _nearest_rotation(matrix: Float[Array, "*batch 3 3"]) -> Float[Array, "*batch 3 3"]:
    u, _, vt = jnp.linalg.svd(matrix)
    handedness = jnp.sign(jnp.linalg.det(u @ vt))
    one = jnp.ones_like(handedness)
    return (u * jnp.stack([one, one, handedness], axis=-1)[..., None, :]) @ vt


@_nearest_rotation.defjvp
def _nearest_rotation_jvp(primals, tangents):
    """Differentiates the polar decomposition matrix = rotation @ stretch.

    With dR = R [w]_x, it solves (trace(stretch) I - stretch) w = vee(R' dM - dM' R). This divides by
    sums of singular values. The derivative of the SVD divides by their differences and is nan at
    every rotation.
    """
    (matrix,), (change,) = primals, tangents
    rotation = _nearest_rotation(matrix)
    transposed = jnp.swapaxes(rotation, -1, -2)
    stretch, turned = transposed @ matrix, transposed @ change
    skew = turned - jnp.swapaxes(turned, -1, -2)
    vector = jnp.stack([skew[..., 2, 1], skew[..., 0, 2], skew[..., 1, 0]], axis=-1)
    trace = jnp.trace(stretch, axis1=-2, axis2=-1)[..., None, None]
    system = trace * jnp.eye(3, dtype=matrix.dtype) - stretch
    angular = jnp.linalg.solve(system, vector[..., None])[..., 0]
    return rotation, rotation @ _cross_matrix(angular)
