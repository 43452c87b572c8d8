"""Simulation of a camera: blur, noise, contrast and compression."""

import io

import numpy as np
import scipy.ndimage
from PIL import Image, ImageDraw, ImageFilter

from twodasl_jax.synthetic_faces.drawing import as_points
from twodasl_jax.synthetic_faces.parameters import Capture


def simulate_camera(picture: np.ndarray, capture: Capture, rng: np.random.Generator) -> np.ndarray:
    """Blurs a picture, adds noise, changes its contrast and compresses it.

    Args:
      picture: (side, side, 3) RGB, from 0 to 255.
      capture: the properties of the camera.
      rng: the random generator of the noise.
    """
    side = len(picture)
    if capture.motion > 0:
        kernel = _motion_kernel(capture.motion, capture.direction)
        picture = scipy.ndimage.convolve(picture, kernel[..., None], mode="nearest")
    image = Image.fromarray(np.clip(picture, 0, 255).astype(np.uint8))
    if capture.blur > 0.2:
        image = image.filter(ImageFilter.GaussianBlur(capture.blur))
    if capture.resolution < 1:
        reduced = max(1, round(side * capture.resolution))
        image = image.resize((reduced, reduced), Image.Resampling.BILINEAR)
        image = image.resize((side, side), Image.Resampling.BILINEAR)
    noise = rng.standard_normal((side, side, 3), np.float32)
    noisy = (np.asarray(image) - 127.5) * capture.contrast + 127.5 + capture.noise * noise
    result = np.clip(noisy, 0, 255).astype(np.uint8)
    if capture.jpeg_quality is None:
        return result
    with io.BytesIO() as file:
        Image.fromarray(result).save(file, "JPEG", quality=capture.jpeg_quality)
        return np.array(Image.open(file))


def _motion_kernel(length: float, direction: float) -> np.ndarray:
    """Returns the antialiased kernel of a motion blur.

    Args:
      length: the length of the motion, pixels.
      direction: the direction of the motion, radians.
    """
    size = 2 * int(np.ceil(length / 2)) + 1
    canvas = Image.new("L", (8 * size, 8 * size))
    centre, half = 4 * size, 4 * length
    dx, dy = half * np.cos(direction), half * np.sin(direction)
    ends = np.array([[centre - dx, centre - dy], [centre + dx, centre + dy]])
    ImageDraw.Draw(canvas).line(as_points(ends), fill=255, width=8)
    kernel = np.asarray(canvas.reduce(8), np.float32)
    return kernel / kernel.sum()
