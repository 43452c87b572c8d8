"""Colours of a picture between its pixels."""

import numpy as np
import scipy.ndimage
from jaxtyping import Float, Float32, UInt8

from twodasl_jax.array_types import typed


@typed
def sample_bilinear(
    picture: UInt8[np.ndarray, "H W 3"], points: Float[np.ndarray, "N D"]
) -> Float32[np.ndarray, "N 3"]:
    """Interpolates between the four nearest pixels; beyond the border its pixels go on.

    Args:
      picture: RGB.
      points: x, y and perhaps more, image frame.
    """
    rows_columns = points[:, 1::-1].T - 0.5
    channels = [
        scipy.ndimage.map_coordinates(
            picture[..., channel], rows_columns, np.float32, order=1, mode="nearest"
        )
        for channel in range(3)
    ]
    return np.stack(channels, axis=-1)
