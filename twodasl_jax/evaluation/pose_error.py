"""How far a predicted head pose is from the true one."""

import jax
import jax.numpy as jnp
from jaxtyping import Float

from twodasl_jax.array_types import Array, typed
from twodasl_jax.geometry.rotation import rotation_from_euler


@typed
def angle_errors(
    predicted: Float[Array, "*batch 3"], truth: Float[Array, "*batch 3"]
) -> Float[jax.Array, "*batch 3"]:
    """Returns the absolute differences of yaw, pitch and roll, in degrees from 0 to 180.

    Beyond 90 degrees of yaw two triples describe one pose, so that single angles mislead there; AFLW2000-3D is
    therefore scored without the faces that have an angle beyond 99 degrees. `geodesic_error` has no such trouble.

    Args:
      predicted: (..., 3) yaw, pitch, roll in degrees, signs of 300W-LP.
      truth: (..., 3) the same.

    References:
      Ruiz et al., Fine-Grained Head Pose Estimation Without Keypoints, CVPRW 2018 (the 99 degrees).
    """
    difference = jnp.abs(jnp.asarray(predicted) - truth) % 360
    return jnp.minimum(difference, 360 - difference)


@typed
def geodesic_error(
    predicted: Float[Array, "*batch 3"], truth: Float[Array, "*batch 3"]
) -> Float[jax.Array, "*batch"]:
    """Returns the angle of the rotation that leads from one pose to the other, in degrees.

    Args:
      predicted: (..., 3) yaw, pitch, roll in degrees, signs of 300W-LP.
      truth: (..., 3) the same.
    """
    rotations = (rotation_from_euler(jnp.radians(angles)) for angles in (predicted, truth))
    difference = jnp.subtract(*rotations)
    # |A - B| in the Frobenius norm is sqrt(8) sin(angle / 2): exact where the arc cosine of the trace is not.
    chord = jnp.sqrt(jnp.sum(difference**2, axis=(-1, -2)) / 8)
    return 2 * jnp.degrees(jnp.arcsin(jnp.minimum(chord, 1.0)))
