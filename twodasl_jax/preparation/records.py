"""Fields of a record, computed from a photo and the box of a face: picture and annotation."""

import dataclasses

import numpy as np
from jaxtyping import Float, UInt8

from twodasl_jax.data.face_crops import MARGIN, STORED_SIZE
from twodasl_jax.geometry.coefficients import Coefficients
from twodasl_jax.geometry.frames import CROP_SIZE
from twodasl_jax.imaging.crops import crop_photo


def stored_picture(
    photo: UInt8[np.ndarray, "H W 3"], box: Float[np.ndarray, "4"]
) -> UInt8[np.ndarray, "144 144 3"]:
    """Returns the crop of a box together with its margin; pixels outside the photo are black.

    Args:
      photo: the RGB photo.
      box: x0, y0, x1, y1 of the crop without the margin, in the image frame.

    Raises:
      BoxError: if the box cannot be cropped (`crops.check_box`).
    """
    margin = (box[2:] - box[:2]) * (MARGIN / CROP_SIZE)
    return crop_photo(photo, np.concatenate([box[:2] - margin, box[2:] + margin]), STORED_SIZE)


def coefficients_in_crop(coefficients: Coefficients, box: Float[np.ndarray, "4"]) -> Coefficients:
    """Converts the coefficients of a face from the image frame to the crop frame.

    Args:
      coefficients: the coefficients of one face, in the image frame.
      box: x0, y0, x1, y1 of the square crop, in the image frame.
    """
    scale = CROP_SIZE / (box[2] - box[0])
    affine = scale * np.asarray(coefficients.affine)
    affine[:2, 3] -= scale * box[:2]
    return dataclasses.replace(coefficients, affine=affine.astype(np.float32))
