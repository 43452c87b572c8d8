"""Errors of predicted head poses."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from twodasl_jax.array_types import Array, typed
from twodasl_jax.geometry.rotation import rotation_from_euler


@typed
def angle_errors(
    predicted: Float[Array, "*batch 3"], truth: Float[Array, "*batch 3"]
) -> Float[jax.Array, "*batch 3"]:
    """Computes the absolute differences of yaw, pitch and roll, in degrees from 0 to 180.

    Beyond 90 degrees of yaw two triples of angles describe the same pose, so errors of single angles
    are misleading there. The protocol of AFLW2000-3D therefore excludes faces with an angle beyond
    99 degrees. `geodesic_error` does not have this problem.

    Args:
      predicted: (..., 3) predicted yaw, pitch and roll in degrees, with the signs of 300W-LP.
      truth: (..., 3) true yaw, pitch and roll in degrees.

    References:
      Ruiz et al., Fine-Grained Head Pose Estimation Without Keypoints, CVPRW 2018 (the 99 degrees).
    """
    difference = jnp.abs(jnp.asarray(predicted) - truth) % 360
    return jnp.minimum(difference, 360 - difference)


@typed
def geodesic_error(
    predicted: Float[Array, "*batch 3"], truth: Float[Array, "*batch 3"]
) -> Float[jax.Array, "*batch"]:
    """Computes the angle of the rotation between two poses, in degrees.

    Args:
      predicted: (..., 3) predicted yaw, pitch and roll in degrees, with the signs of 300W-LP.
      truth: (..., 3) true yaw, pitch and roll in degrees.
    """
    rotations = (rotation_from_euler(jnp.radians(angles)) for angles in (predicted, truth))
    difference = jnp.subtract(*rotations)
    # The Frobenius norm |A - B| is sqrt(8) sin(angle / 2). For small angles it is accurate, unlike the
    # arc cosine of the trace.
    chord = jnp.sqrt(jnp.sum(difference**2, axis=(-1, -2)) / 8)
    return 2 * jnp.degrees(jnp.arcsin(jnp.minimum(chord, 1.0)))
